"""Commands: one file each, named like the command.

Each file declares the options of its command and calls the shared parts of ``cli``.
Begin with ``apply``.
"""
