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
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import IO

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
    errors: str = ""
    """Its standard error, if that was kept apart."""


@dataclass(frozen=True)
class ProcessStreams:
    """Descriptors of a program besides its standard input and output."""

    errors_apart: bool = False
    """Whether its standard error is not part of its output."""
    inherited: tuple[int, ...] = ()
    """Further descriptors of this process that stay open in the program."""


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
    *,
    streams: ProcessStreams = ProcessStreams(),
) -> ProcessResult:
    """Run *command* with *data* on its standard input; it and all it started end within *bounds*.

    It works in the directory that *run* keeps for its children, and is run only if its files are
    those of *programs*.  A failure of the program is returned, never raised.
    """
    began = time.monotonic()

    def ended(exit_: int | None, fault: str, *printed: bytes) -> ProcessResult:
        took = timedelta(seconds=round(time.monotonic() - began, 3))
        texts = [each.decode(errors="backslashreplace") for each in (*printed, b"", b"")[:2]]
        return ProcessResult(exit_, fault, took, *texts)

    files = checked(command, programs)
    if files.fault:
        return ended(None, f"was not run: {files.fault}")
    try:
        process = _start(command, data, working_directory(run), streams)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not a valid command"
        return ended(None, f"could not be run: {why}")
    if files.replaced:
        kill_group(process)
        for pipe in _pipes(process):
            pipe.close()
        return ended(None, "was replaced while it was started, and was killed")
    in_time, printed = _attend(process, bounds, began)
    if not in_time:
        stopped = "was stopped" if bounds.stop.is_set() else f"took over {span(bounds.limit)}"
        return ended(None, f"{stopped} and {kill_group(process)}", *printed)
    code = process.wait()
    if code < 0:
        return ended(None, f"was killed by signal {-code}", *printed)
    return ended(code, f"failed with exit status {code}" if code else "", *printed)


def _start(
    command: Sequence[str], data: bytes, directory: Path, streams: ProcessStreams
) -> subprocess.Popen[bytes]:
    # A file, not a pipe: writing to a pipe would block if the program does not read.
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        return subprocess.Popen(  # noqa: S603  the plan's own command, shown and approved
            command,
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if streams.errors_apart else subprocess.STDOUT,
            cwd=directory,
            env=inherited_by(OPERATOR_PROGRAM, directory),
            # Its own session: the whole group can be killed, and Ctrl-C is not delivered to it.
            start_new_session=True,
            pass_fds=streams.inherited,
        )


def _attend(
    process: subprocess.Popen[bytes], bounds: ProcessLimits, began: float
) -> tuple[bool, Sequence[bytes]]:
    """Read the pipes of *process*; return whether it ended in time, and what each had.

    Programs that it started may keep its pipes open longer; only its own end counts.
    """
    pipes = _pipes(process)
    kept = [b""] * len(pipes)
    deadline = began + bounds.limit.total_seconds()
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for number, pipe in enumerate(pipes):
            stack.enter_context(pipe)
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe, selectors.EVENT_READ, number)
        while True:
            gone = process.poll() is not None
            for key, _ in selector.select(0 if gone else _SLICE):
                piece = os.read(key.fd, _PIECE)
                kept[key.data] += piece[: MOST_OUTPUT - len(kept[key.data])]
                if piece:
                    gone = False  # There may be more output from before its end.
                else:
                    selector.unregister(key.fileobj)
            if gone:
                return True, kept
            if not selector.get_map():
                bounds.stop.wait(_SLICE)
            if bounds.stop.is_set() or time.monotonic() >= deadline:
                return False, kept


def _pipes(process: subprocess.Popen[bytes]) -> list[IO[bytes]]:
    """Return the pipes from *process*: its output, and its standard error if that is apart."""
    return [pipe for pipe in (process.stdout, process.stderr) if pipe is not None]


def kill_group(process: subprocess.Popen[bytes]) -> str:
    """Kill *process* and everything in its process group; return the outcome as text."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    try:
        process.wait(_DYING)
    except subprocess.TimeoutExpired:
        return "could not be killed"  # It runs as another user, or hangs in the kernel.
    return "was killed"
