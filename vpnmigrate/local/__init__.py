"""Local: everything a run keeps or starts on this machine.

Run directory, journal file, locks, inbox, vault, hooks and probes; independent of AWS.
Begin with ``run_directory``, then ``journal_file`` and ``lock``.
"""
