"""Commands: one file each, named like the command.

Each declares its options and calls the shared parts of ``cli``.
Begin with ``apply``.
"""
