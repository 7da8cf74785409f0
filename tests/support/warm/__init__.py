"""Programs that are started once and fork for each command, to save the imports.

Begin with ``processes``, which starts commands; ``forks`` is the warm program's side.
A forked command is a real process: with a process id, streams, environment and directory of its
own, and it can be killed.  A test that is about the start of a program starts the program itself.
"""
