"""Starts processes of the warm program, and waits for them as ``subprocess`` does."""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import IO, Any, Self

from vpnmigrate.local.readable import readable

ROOT = Path(__file__).parents[3]
CLIENT = Path(__file__).with_name("client.py")
"""Program that passes a command line of a shell."""
TICK = 0.01
"""Seconds between two looks at a process that is being stopped."""


class WarmProcess:
    """A process that the warm program has forked, with the part of ``Popen`` that tests use."""

    def __init__(
        self, connection: socket.socket, output: IO[str] | None, errors: IO[str] | None
    ) -> None:
        self._connection = connection
        self._told = connection.makefile()
        self.pid = int(self._told.readline())
        self.returncode: int | None = None
        self.stdout = output
        self.stderr = errors

    def poll(self) -> int | None:
        """Return the exit code, or None while the process runs."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit code, and return it.

        Raises:
            subprocess.TimeoutExpired: The process still runs after *timeout* seconds.
        """
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return code

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None and readable(self._connection, timeout):
            self.returncode = int(self._told.readline())
            self._told.close()
            self._connection.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the process."""
        self.send_signal(signal.SIGKILL)

    def stop(self) -> None:
        """Stop the process, which ``SIGCONT`` continues."""
        self.send_signal(signal.SIGSTOP)
        while " T " not in Path(f"/proc/{self.pid}/stat").read_text():
            time.sleep(TICK)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Read both outputs to their ends, wait for the exit, and return the outputs."""
        streams = (self.stdout, self.stderr)
        with ThreadPoolExecutor(2) as readers:
            reads = [readers.submit(_rest_of, stream) for stream in streams]
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
            output, errors = (read.result() for read in reads)
        return output, errors

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for stream in (self.stdout, self.stderr):
            if stream is not None:
                stream.close()
        self.wait()


def _rest_of(stream: IO[str] | None) -> str:
    if stream is None or stream.closed:
        return ""
    with stream:
        return stream.read()


class WarmProgram:
    """The warm program at a socket."""

    def __init__(self, address: Path) -> None:
        self.address = address

    def start(
        self,
        module: str,
        *words: str,
        env: Mapping[str, str],
        cwd: Path = ROOT,
        stdin: Any = subprocess.DEVNULL,
        stdout: Any = subprocess.DEVNULL,
        stderr: Any = subprocess.DEVNULL,
        **how: bool,
    ) -> WarmProcess:
        """Start ``python -m MODULE WORDS`` with streams as for ``Popen``.

        *how* are fields of ``forks.Asked``.
        """
        asked = {
            "words": (module, *words),
            "environment": dict(env),
            "directory": str(cwd),
            **how,
        }
        streams = [_Stream(stdin), _Stream(stdout), _Stream(stderr)]
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(self.address))
        socket.send_fds(connection, [b" "], [stream.theirs for stream in streams])
        connection.sendall(json.dumps(asked).encode())
        connection.shutdown(socket.SHUT_WR)
        for stream in streams:
            stream.release()
        return WarmProcess(connection, streams[1].ours, streams[2].ours)


class _Stream:
    """The two ends of a stream: *theirs* is a descriptor, and *ours* a file if it is a pipe."""

    def __init__(self, wanted: Any) -> None:
        self.ours: IO[str] | None = None
        self._opened = True
        if wanted == subprocess.PIPE:
            reads, self.theirs = os.pipe()
            self.ours = open(reads, encoding="utf-8")  # noqa: PTH123, SIM115  closed by its reader
        elif wanted == subprocess.DEVNULL:
            self.theirs = os.open(os.devnull, os.O_RDWR)
        else:
            self.theirs = wanted if isinstance(wanted, int) else wanted.fileno()
            self._opened = False

    def release(self) -> None:
        """Close *theirs*, of which the process has a duplicate."""
        if self._opened:
            os.close(self.theirs)


@contextmanager
def serving(command: Sequence[str | Path], home: Path) -> Iterator[None]:
    """Start a warm program, which ends with its standard input: at the latest with this process."""
    nowhere = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command,
        cwd=home,
        env=nowhere | {"PYTHONUTF8": "1", "AWS_EC2_METADATA_DISABLED": "true"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        try:
            yield
        finally:
            server.stdin.close()


_OPEN = ExitStack()
"""The warm programs of this process, which last as long as it does."""
atexit.register(_OPEN.close)


@cache
def warm_program(*packages: str) -> WarmProgram:
    """Start the program with all modules of *packages* loaded, for all tests of this process."""
    # Not in pytest's directory, because the path of a socket must be short.
    place = Path(_OPEN.enter_context(TemporaryDirectory()))
    address = place / "socket"
    command = (sys.executable, "-W", "error", "-m", "tests.support.warm.program", address)
    _OPEN.enter_context(serving((*command, *packages), place))
    return WarmProgram(address)
