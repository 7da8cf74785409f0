"""A command of a warm program, for a shell: ``python -IS client.py SOCKET WORDS...``.

It takes ten milliseconds.  The command joins the shell's job, so that the keys of the terminal and
``kill %1`` reach it; its client ends with it, and with its exit code.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys


def main(path: str, *words: str) -> int:
    """Pass words, environment, directory and streams, and return the command's exit code."""
    signals = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM, signal.SIGTSTP)
    asked = {
        "words": words,
        "environment": dict(os.environ),
        # Without pathlib, which takes as long to load as everything else here.
        "directory": os.getcwd(),  # noqa: PTH109
        "group": os.getpgrp(),
        "ignored": [n for n in signals if signal.getsignal(n) is signal.SIG_IGN],
    }
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(path)
        socket.send_fds(server, [b" "], [0, 1, 2])
        server.sendall(json.dumps(asked).encode())
        server.shutdown(socket.SHUT_WR)
        # The command decides what these signals mean; it is in the same job and gets them too.
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        _, code = server.makefile()  # first the process id
    return int(code) if int(code) >= 0 else 128 - int(code)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
