"""A run's directory beside a stage: processes with real locks and journals, in virtual time."""

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
"""Colleagues on one host, whose processes have died unless a test holds on to their locks."""


class Desk:
    """Where processes take the one run in hand."""

    def __init__(self, home: Path, clock: Clock) -> None:
        self.run: Run = a_run(home)
        self._clock = clock

    @contextmanager
    def process(
        self, me: ProcessIdentity = ANN, *, disk: Disk | None = None, take_over: str | None = None
    ) -> Iterator[FileJournal]:
        """Be a process that has the run in hand; give the journal it writes."""
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
    """Return the name by which ``--take-over`` knows *me*."""
    return f"{me.user}@{me.host}/{me.process}"
