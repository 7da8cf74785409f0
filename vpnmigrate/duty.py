"""The watchdog of a run: a kernel lock that dies with its process, beside the run's own.

A file beside the lock names the process, and says what it has trouble with.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout

from vpnmigrate.commands import cli
from vpnmigrate.errors import LockedError
from vpnmigrate.lock import is_held, is_stopped
from vpnmigrate.private_files import FILE_MODE, open_to_append, write_whole
from vpnmigrate.rundir import Run

PATIENCE = timedelta(seconds=2)
"""Whoever asks whether the post is taken has a share of its lock for a moment."""


class Trouble(msgspec.Struct, frozen=True):
    """Why the last try of a watchdog to roll back failed, and when it tries again."""

    why: str
    again: datetime


class Post(msgspec.Struct, frozen=True):
    """The post of a watchdog, held by *process*."""

    process: int
    trouble: Trouble | None = None

    @property
    def stopped(self) -> bool:
        """Whether its process lives and does not run: it would not roll back in time."""
        return is_stopped(self.process)


@contextmanager
def on_duty(run: Run, process: int) -> Iterator[None]:
    """Keep the post of *run*'s watchdog, in the name of *process*.

    One that is stopped is displaced: the journal names the new one, and the old one leaves its
    post as soon as it runs again.

    Raises:
        LockedError: Another watchdog has it.
        OSError: The disk refuses.
    """
    lock = _taken(run)
    try:
        write_whole(_name(run), msgspec.json.encode(Post(process)))
        yield
    finally:
        with suppress(OSError):
            if (held := _named(run)) is not None and held.process == process:
                _name(run).unlink(missing_ok=True)
        lock.release()


def note_trouble(run: Run, process: int, trouble: Trouble | None) -> None:
    """Tell whoever looks that the watchdog *process* has *trouble*; None for none.

    A disk that is full hides it, and nothing else: the watchdog goes on.
    """
    with suppress(OSError):
        write_whole(_name(run), msgspec.json.encode(Post(process, trouble)))


def post_of(run: Run) -> Post | None:
    """Give who holds the post of *run*'s watchdog on this machine, running or stopped.

    None for nobody, or where the disk does not tell: nobody relies on a watchdog that may not be.
    """
    try:
        return _named(run) if is_held(_post(run)) else None
    except OSError:
        return None


def watchdog_of(run: Run) -> int | None:
    """Give the process that is on watch over *run* on this machine; None for none.

    One that is stopped watches nothing.
    """
    post = post_of(run)
    return None if post is None or post.stopped else post.process


def log_of_watchdog(run: Run) -> int:
    """Open the private log that a watchdog writes instead of a terminal; give its descriptor.

    Raises:
        OSError: The disk refuses.
    """
    return open_to_append(run.path / "watchdog.log")


def _taken(run: Run) -> FileLock:
    lock = FileLock(_post(run), timeout=PATIENCE.total_seconds(), mode=FILE_MODE)
    try:
        lock.acquire()
    except Timeout as exc:
        held = _named(run)
        if held is None or not held.stopped:
            raise LockedError(
                f"run {run.id} has a watchdog already", advice=cli("status", run.id)
            ) from exc
        # The stopped process keeps a lock on a file that has no name any more.
        _post(run).unlink(missing_ok=True)
        return _taken(run)
    return lock


def _named(run: Run) -> Post | None:
    try:
        return msgspec.json.decode(_name(run).read_bytes(), type=Post)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None  # it has just taken up its post, or just left it


def _post(run: Run) -> Path:
    return run.path / "watchdog.lock"


def _name(run: Run) -> Path:
    return run.path / "watchdog"
