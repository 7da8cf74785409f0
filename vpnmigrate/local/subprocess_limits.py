"""Subprocess limits: run time, output size and clean-up of child processes."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from vpnmigrate.local.child_processes import OPERATOR_PROGRAM, inherited_by, working_directory
from vpnmigrate.local.program_files import checked
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.clock import span

MOST_OUTPUT = 16 * 1024
"""Bytes of output that are kept; the rest is read and dropped, so that the pipe never blocks."""
_SLICE = 0.1
"""Seconds between two checks whether the program has ended or has to be stopped."""
_PIECE = 64 * 1024
_DYING = 5
"""Seconds to wait for the end of a killed program; the run continues without it after that."""


@dataclass(frozen=True)
class ProcessResult:
    """Result of a program.  ``exit`` is None if it was killed, or could not be run."""

    exit: int | None
    fault: str
    """Empty if it exited with 0."""
    took: timedelta
    output: str


@dataclass(frozen=True)
class ProcessLimits:
    """Time limit of a program, and an event that stops it earlier."""

    limit: timedelta
    stop: threading.Event = field(default_factory=threading.Event)


def run_bounded(
    command: Sequence[str],
    data: bytes,
    bounds: ProcessLimits,
    run: Run,
    programs: Mapping[str, str],
) -> ProcessResult:
    """Run *command* with *data* on its standard input; it and all it started end within *bounds*.

    It works in the directory that *run* keeps for its children, and is run only if its files are
    those of *programs*.  A failure of the program is returned, never raised.
    """
    began = time.monotonic()

    def ended(exit_: int | None, fault: str, output: bytes = b"") -> ProcessResult:
        took = timedelta(seconds=round(time.monotonic() - began, 3))
        return ProcessResult(exit_, fault, took, output.decode(errors="backslashreplace"))

    files = checked(command, programs)
    if files.fault:
        return ended(None, f"was not run: {files.fault}")
    try:
        process = _start(command, data, working_directory(run))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not a valid command"
        return ended(None, f"could not be run: {why}")
    if files.replaced:
        kill_group(process)
        if process.stdout is not None:
            process.stdout.close()
        return ended(None, "was replaced while it was started, and was killed")
    in_time, output = _attend(process, bounds, began)
    if not in_time:
        stopped = "was stopped" if bounds.stop.is_set() else f"took over {span(bounds.limit)}"
        return ended(None, f"{stopped} and {kill_group(process)}", output)
    code = process.wait()
    if code < 0:
        return ended(None, f"was killed by signal {-code}", output)
    return ended(code, f"failed with exit status {code}" if code else "", output)


def _start(command: Sequence[str], data: bytes, directory: Path) -> subprocess.Popen[bytes]:
    # A file, not a pipe: writing to a pipe would block if the program does not read.
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        return subprocess.Popen(  # noqa: S603  the plan's own command, shown and approved
            command,
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env=inherited_by(OPERATOR_PROGRAM, directory),
            # Its own session: the whole group can be killed, and Ctrl-C is not delivered to it.
            start_new_session=True,
        )


def _attend(
    process: subprocess.Popen[bytes], bounds: ProcessLimits, began: float
) -> tuple[bool, bytes]:
    """Read the output of *process*; return whether it ended in time, and the output.

    Programs that it started may keep its pipe open longer; only its own end counts.
    """
    kept = b""
    deadline = began + bounds.limit.total_seconds()
    if process.stdout is None:
        message = "it was asked to be a pipe"
        raise AssertionError(message)
    os.set_blocking(process.stdout.fileno(), False)
    with process.stdout, selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            gone = process.poll() is not None
            for _ in selector.select(0 if gone else _SLICE):
                piece = os.read(process.stdout.fileno(), _PIECE)
                kept += piece[: MOST_OUTPUT - len(kept)]
                if not piece:
                    selector.unregister(process.stdout)
                    break
                gone = False  # There may be more output from before its end.
            if gone:
                return True, kept
            if not selector.get_map():
                bounds.stop.wait(_SLICE)
            if bounds.stop.is_set() or time.monotonic() >= deadline:
                return False, kept


def kill_group(process: subprocess.Popen[bytes]) -> str:
    """Kill *process* and everything in its process group; return the outcome as text."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    try:
        process.wait(_DYING)
    except subprocess.TimeoutExpired:
        return "could not be killed"  # It runs as another user, or hangs in the kernel.
    return "was killed"
