"""Who is on watch over a run: a kernel lock that dies with its process, beside the run's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from filelock import FileLock, Timeout

from vpnmigrate.errors import LockedError
from vpnmigrate.private_files import FILE_MODE, open_to_append, write_whole
from vpnmigrate.rundir import Run

PATIENCE = timedelta(seconds=2)
"""Whoever asks whether the post is taken holds it for a moment."""


@contextmanager
def on_duty(run: Run, process: int) -> Iterator[None]:
    """Keep the post of *run*'s watchdog, in the name of *process*.

    Raises:
        LockedError: Another watchdog has it.
    """
    lock = FileLock(_post(run), timeout=PATIENCE.total_seconds(), mode=FILE_MODE)
    try:
        lock.acquire()
    except Timeout as exc:
        raise LockedError(
            f"run {run.id} has a watchdog already", advice=f"vpnmigrate status {run.id}"
        ) from exc
    try:
        write_whole(_name(run), f"{process}\n".encode())
        yield
    finally:
        _name(run).unlink(missing_ok=True)
        lock.release()


def watchdog_of(run: Run) -> int | None:
    """Give the process that is on watch over *run* on this machine.

    None for none, or where the disk does not tell: nobody relies on a watchdog that may not be.
    """
    if not _post(run).exists():
        return None
    lock = FileLock(_post(run), timeout=0, mode=FILE_MODE)
    try:
        lock.acquire()
    except Timeout:
        return _named(run)
    except OSError:
        return None
    lock.release()
    return None


def log_of_watchdog(run: Run) -> int:
    """Open the private log that a watchdog writes instead of a terminal; give its descriptor.

    Raises:
        OSError: The disk refuses.
    """
    return open_to_append(run.path / "watchdog.log")


def _named(run: Run) -> int | None:
    try:
        return int(_name(run).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None  # it has just taken up its post, or just left it


def _post(run: Run) -> Path:
    return run.path / "watchdog.lock"


def _name(run: Run) -> Path:
    return run.path / "watchdog"
