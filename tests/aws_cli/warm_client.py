"""A command of the AWS CLI, executed by a CLI that is already running.

python warm_client.py SOCKET WORDS...
"""

from __future__ import annotations

import json
import os
import socket
import sys


def main(path: str, *words: str) -> int:
    """Pass words, environment, directory and streams, and return the command's exit status."""
    # Without pathlib, which takes as long to load as everything else here.
    here = os.getcwd()  # noqa: PTH109
    asked = {"words": words, "environment": dict(os.environ), "directory": here}
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(path)
        socket.send_fds(server, [b" "], [0, 1, 2])
        server.sendall(json.dumps(asked).encode())
        server.shutdown(socket.SHUT_WR)
        return int(server.recv(16))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
