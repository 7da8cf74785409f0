"""Commands: a file each; pause, continue, abort and confirm share ``orders``.

Each file declares the options of its command and calls the shared parts of ``cli``.
Begin with ``apply``.
"""
