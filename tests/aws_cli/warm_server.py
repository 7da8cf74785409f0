"""The AWS CLI, started once: run by the CLI's own Python, it forks for each command.

    python warm_server.py SOCKET

A command is the same code with the words, environment, directory and streams of its client
(``warm_client``).  Only the modules are already loaded, which is most of a command's time.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from typing import Any, NoReturn

import awscli.clidriver  # type: ignore[import-not-found]  # in an environment of its own

STREAMS = 3
UNEXPECTED = 254
"""Exit status of a command that the CLI itself did not expect."""


def main(path: str) -> NoReturn:
    """Serve commands until ended."""
    driver = awscli.clidriver.create_clidriver()
    _load_ec2(driver)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        print("ready", flush=True)  # noqa: T201  the parent process reads it
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                _serve(driver, connection)
            connection.close()


def _load_ec2(driver: Any) -> None:
    """Load the model of EC2, which the driver keeps."""
    ours = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    driver.main(["ec2", "describe-vpn-gateways", "--generate-cli-skeleton"])
    sys.stdout.flush()
    os.dup2(ours, 1)
    os.close(ours)
    os.close(nowhere)


def _serve(driver: Any, connection: socket.socket) -> NoReturn:
    """Execute one command and send its exit status."""
    code = UNEXPECTED
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _, streams, _, _ = socket.recv_fds(connection, 1, STREAMS)
        asked = json.loads(b"".join(iter(lambda: connection.recv(1 << 16), b"")))
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.environ.clear()
        os.environ.update(asked["environment"])
        os.chdir(asked["directory"])
        sys.argv = ["aws", *asked["words"]]
        code = driver.main(asked["words"])
        sys.stdout.flush()
    finally:
        sys.stderr.flush()
        connection.sendall(b"%d" % code)
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
