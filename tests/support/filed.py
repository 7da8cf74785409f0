"""Run directory of a stage: processes with real locks and journals, in virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.builders import a_run
from vpnmigrate.local.journal_file import Disk, FileJournal
from vpnmigrate.local.lock import ProcessIdentity, acquire_lock
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.clock import Clock

ANN = ProcessIdentity("ann", "desk", 101)
BOB = ProcessIdentity("bob", "desk", 202)
"""Operators on one host; their processes count as dead unless a test keeps their locks."""


class Desk:
    """Run directory that processes of a test open."""

    def __init__(self, home: Path, clock: Clock) -> None:
        self.run: Run = a_run(home)
        self._clock = clock

    @contextmanager
    def process(
        self, me: ProcessIdentity = ANN, *, disk: Disk | None = None, take_over: str | None = None
    ) -> Iterator[FileJournal]:
        """Hold the lock as a process of the run, and yield the journal it writes."""
        lock = acquire_lock(self.run, self._clock, me, take_over)
        try:
            journal = FileJournal.open(self.run, self._clock, lock, disk)
            try:
                yield journal
            finally:
                journal.close()
        finally:
            lock.release()


def named(me: ProcessIdentity) -> str:
    """Return the holder name of *me* for ``--take-over``."""
    return f"{me.user}@{me.host}/{me.process}"
