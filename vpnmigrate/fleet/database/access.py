"""Access to one run of a fleet for the session that has its lease (``local.run_access``)."""

from __future__ import annotations

from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.journal import DatabaseJournal, stored_journal
from vpnmigrate.fleet.database.leases import Lease
from vpnmigrate.fleet.database.messages import DatabaseInbox
from vpnmigrate.journal.chain import JournalContents
from vpnmigrate.local.lock import ProcessIdentity
from vpnmigrate.local.run_access import HeldRun, SessionJournal
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.redaction import Redaction


class LeasedRunAccess:
    """The run of *lease*, whose journal is in *database* (``RunAccess``)."""

    def __init__(self, database: Database, lease: Lease) -> None:
        self._database = database
        self._lease = lease

    def hold(
        self, run: Run, clock: Clock, me: ProcessIdentity, take_over: str | None = None
    ) -> HeldRun:
        """Return the run, which the worker holds by its lease already."""
        return _LeasedRun(self._database, self._lease, clock)

    def read(self, run: Run) -> JournalContents:
        """Read the journal of *run* from the database."""
        return stored_journal(self._database, run.id).contents()

    def is_at_work(self, run: Run, me: ProcessIdentity) -> bool:
        """Return True: this worker has the run."""
        return True


class _LeasedRun:
    def __init__(self, database: Database, lease: Lease, clock: Clock) -> None:
        self._database = database
        self._lease = lease
        self._clock = clock

    @property
    def note(self) -> str:
        if self._lease.displaced is None:
            return ""
        return f"took over from worker {self._lease.displaced}, which did not release the run"

    def open_journal(self, redaction: Redaction) -> SessionJournal:
        inbox = DatabaseInbox(self._database, self._lease.run)
        return DatabaseJournal.open(self._database, self._lease, self._clock, redaction, inbox)

    def release(self) -> None:
        """Do nothing: the worker releases the lease, and says when the run is due again."""
