"""Run access: the right to work on a run, and its journal, for a session of a process."""

from __future__ import annotations

from typing import Protocol

from vpnmigrate.engine.ports import Journal
from vpnmigrate.journal.chain import JournalContents
from vpnmigrate.journal.run_clock import RunClock
from vpnmigrate.local.journal_file import FileJournal, read_journal
from vpnmigrate.local.lock import ProcessIdentity, RunLock, acquire_lock, owner_at_work
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.redaction import Redaction


class SessionJournal(Journal, Protocol):
    """The journal of a run, open for one session."""

    clock: RunClock
    """The clock of the run, which continues from its last entry."""
    notice: str
    """Message to show if the journal was repaired when it was opened; otherwise empty."""
    lost: bool
    """Whether an earlier journal existed of which nothing is left."""

    def close(self) -> None:
        """Close the journal; the run is still this process's."""
        ...


class HeldRun(Protocol):
    """A run that no other process works on, until ``release``."""

    @property
    def note(self) -> str:
        """Message to show if the run was taken over from another process; otherwise empty."""
        ...

    def open_journal(self, redaction: Redaction) -> SessionJournal:
        """Open the run's journal; *redaction* removes keys from its records.

        Raises:
            JournalError: It is damaged, or cannot be read or written.
        """
        ...

    def release(self) -> None:
        """Release the run to other processes."""
        ...


class RunAccess(Protocol):
    """How a process gets at the runs: on this machine, or in the database of a fleet."""

    def hold(
        self, run: Run, clock: Clock, me: ProcessIdentity, take_over: str | None = None
    ) -> HeldRun:
        """Exclude other processes from *run*; *take_over* names the one to displace.

        Raises:
            LockedError: Another process has the run.
        """
        ...

    def read(self, run: Run) -> JournalContents:
        """Read *run*'s journal; another process may be writing it.

        Raises:
            JournalError: It is damaged or cannot be read.
        """
        ...

    def is_at_work(self, run: Run, me: ProcessIdentity) -> bool:
        """Return whether a process works on *run* now."""
        ...


class _LockedRun:
    def __init__(self, run: Run, clock: Clock, lock: RunLock) -> None:
        self._run = run
        self._clock = clock
        self._lock = lock
        self.note = lock.note

    def open_journal(self, redaction: Redaction) -> SessionJournal:
        return FileJournal.open(self._run, self._clock, self._lock, redaction=redaction)

    def release(self) -> None:
        self._lock.release()


class LocalRunAccess:
    """The runs in directories of this machine (``RunAccess``)."""

    def hold(
        self, run: Run, clock: Clock, me: ProcessIdentity, take_over: str | None = None
    ) -> HeldRun:
        """Lock the directory of *run* (``lock.acquire_lock``).

        Raises:
            RefusedError: Its journal is in the database of a fleet.
        """
        run.require_journal()
        return _LockedRun(run, clock, acquire_lock(run, clock, me, take_over))

    def read(self, run: Run) -> JournalContents:
        """Read the journal file of *run*."""
        return read_journal(run)

    def is_at_work(self, run: Run, me: ProcessIdentity) -> bool:
        """Return whether a process has locked *run*, here or on another host."""
        return owner_at_work(run, me) is not None
