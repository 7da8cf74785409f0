"""Server of a warm program: forks a process for each command that arrives at its socket.

Only the standard library is used, because the AWS CLI's own Python runs this as well.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import gc
import io
import json
import os
import selectors
import signal
import socket
import sys
import termios
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

STREAMS = 3


@dataclass(frozen=True)
class Asked:
    """A command, as its client asks for it."""

    words: list[str]
    environment: dict[str, str]
    directory: str
    session: bool = False
    """Whether it leads a session of its own."""
    terminal: bool = False
    """Whether its standard input is the terminal of its session."""
    group: int = 0
    """The process group it joins, if that is in its session."""
    ignored: tuple[int, ...] = ()
    """Signals that its client ignores, which a process inherits."""


class Forks:
    """The processes of a warm program, each with the client that waits for it."""

    def __init__(self, address: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(address)
        self._listener.listen(64)
        self._running: dict[int, tuple[int, socket.socket]] = {}
        """Each process and its client, by the process's descriptor."""

    def next_command(self, until: int) -> Asked:
        """Fork a process for each command that arrives, and return the command in that process.

        A client is sent the process id, and later the exit code as ``subprocess`` counts it.
        The warm program exits when there is something to read from the descriptor *until*: its
        end, or that of the process for which it stands.
        """
        gc.collect()
        gc.freeze()
        while True:
            with selectors.DefaultSelector() as watched:
                for each in (until, self._listener.fileno(), *self._running):
                    watched.register(each, selectors.EVENT_READ)
                ready = [key.fd for key, _ in watched.select()]
            for descriptor in ready:
                if descriptor == until:
                    os._exit(0)
                if descriptor in self._running:
                    self._report(descriptor)
                elif asked := self._forked():
                    return asked

    def _report(self, descriptor: int) -> None:
        """Send a client the exit code of its process."""
        process, client = self._running.pop(descriptor)
        os.close(descriptor)
        _, status = os.waitpid(process, 0)
        with client:
            _send(client, os.waitstatus_to_exitcode(status))

    def _forked(self) -> Asked | None:
        """Accept a command and fork; return it in the new process, and None in this one."""
        client, _ = self._listener.accept()
        _, streams, _, _ = socket.recv_fds(client, 1, STREAMS)
        asked = Asked(**json.loads(b"".join(iter(lambda: client.recv(1 << 16), b""))))
        process = os.fork()
        if process == 0:
            for descriptor, (_, other) in self._running.items():
                os.close(descriptor)
                other.close()
            client.close()
            self._listener.close()
            _take_place(asked, streams)
            return asked
        for stream in streams:
            os.close(stream)
        self._running[os.pidfd_open(process)] = process, client
        _send(client, process)
        return None


def _send(client: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):  # The client may have ended.
        client.sendall(b"%d\n" % number)


def _take_place(asked: Asked, streams: list[int]) -> None:
    """Give this process the streams, signals, environment and directory of its client."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = sys.__stdin__ = _text(0, "r", "strict")  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = _text(1, "w", "strict")  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _text(2, "w", "backslashreplace")  # type: ignore[misc]
    if asked.session:
        os.setsid()
    if asked.terminal:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    if asked.group:
        with contextlib.suppress(PermissionError):  # The client has another session.
            os.setpgid(0, asked.group)
    for number in asked.ignored:
        signal.signal(number, signal.SIG_IGN)
    os.environ.clear()
    os.environ.update(asked.environment)
    os.chdir(asked.directory)


def _text(number: int, mode: str, errors: str) -> Any:
    stream: Any = open(number, f"{mode}b", closefd=False)  # noqa: SIM115  lasts as long as the process
    by_lines = number == 2 or stream.isatty()
    return io.TextIOWrapper(stream, encoding="utf-8", errors=errors, line_buffering=by_lines)


def run(program: Callable[[], Any]) -> NoReturn:
    """Run *program* as the main program of this process, and exit as Python would.

    Only Python's last step is left out, which frees what the warm program has loaded.
    """
    code = 1
    try:
        program()
        code = 0
    except SystemExit as leaving:
        code = _exit_code(leaving.code)
    except BaseException:  # noqa: BLE001  Python prints any exception
        traceback.print_exc()
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _exit_code(code: object) -> int:
    if isinstance(code, int) or code is None:
        return code or 0
    sys.stderr.write(f"{code}\n")
    return 1
