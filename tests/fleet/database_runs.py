"""Runs in a database, with leases and journals, for tests."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from tests.support.builders import MIGRATION, a_plan
from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.journal import DatabaseJournal
from vpnmigrate.fleet.database.leases import Lease, acquire_lease
from vpnmigrate.fleet.database.messages import DatabaseInbox
from vpnmigrate.fleet.database.runs import FleetRuns
from vpnmigrate.fleet.database.schema import RUNS, WORKERS, RunGoal
from vpnmigrate.model.clock import Clock, VirtualClock
from vpnmigrate.model.ec2 import MigrationId
from vpnmigrate.model.plan import Plan, fingerprint_of
from vpnmigrate.model.redaction import Redaction

CLOCK = VirtualClock()


def stored_run(database: Database, run: str = MIGRATION, *, started: bool = True) -> FleetRuns:
    """Add the run of an ordinary plan, and start it unless told otherwise."""
    plan = stored_plan(run)
    runs = FleetRuns(database)
    runs.add(plan, msgspec.json.encode(plan), "alice@laptop/1")
    if started:
        runs.start(run, RunGoal.CUTOVER, undelivered)
    return runs


def stored_plan(run: str = MIGRATION) -> Plan:
    """Return the ordinary plan, with the fingerprint of its text."""
    plan = msgspec.structs.replace(a_plan(), migration=MigrationId(run))
    return msgspec.structs.replace(plan, fingerprint=fingerprint_of(msgspec.to_builtins(plan)))


def undelivered(connection: sa.Connection, run: str) -> None:
    """Deliver nothing: the test takes the run itself."""


def acquired(
    database: Database, worker: str = "worker-1", run: str = MIGRATION, clock: Clock | None = None
) -> Lease:
    """Take the lease of *run*, which no worker has."""
    lease = acquire_lease(database, run, worker, clock)
    assert lease is not None
    return lease


def opened_journal(
    database: Database, lease: Lease, redaction: Redaction | None = None, clock: Clock = CLOCK
) -> DatabaseJournal:
    """Open the journal of the run of *lease*."""
    inbox = DatabaseInbox(database, lease.run)
    return DatabaseJournal.open(database, lease, clock, redaction or Redaction(), inbox)


def lapse(database: Database) -> None:
    """End every lease by the database's clock, as if no worker had renewed its own."""
    earlier = sa.func.clock_timestamp() - sa.cast("1 second", sa.Interval)
    held = sa.update(RUNS).where(RUNS.c.lease_until.is_not(None))
    database.execute(lambda connection: connection.execute(held.values(lease_until=earlier)))


def endure(database: Database) -> None:
    """Let every lease and worker last an hour, so that a slow machine shows them as alive."""
    later = sa.func.clock_timestamp() + sa.cast("1 hour", sa.Interval)
    held = sa.update(RUNS).where(RUNS.c.lease_until.is_not(None)).values(lease_until=later)
    seen = sa.update(WORKERS).values(seen_at=later)
    database.execute(lambda connection: connection.execute(held))
    database.execute(lambda connection: connection.execute(seen))
