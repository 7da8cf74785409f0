"""Leases: one worker per run, by the database's clock, and nothing is sent after their end."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from tests.fleet.database_runs import acquired, lapse, stored_run
from tests.support.builders import MIGRATION
from tests.support.postgres import PostgresServer
from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.leases import LEASE, LeaseKeeper, SessionEnd, acquire_lease
from vpnmigrate.fleet.database.schema import RUNS
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.errors import DatabaseError, TakenOverError

WORKERS = 8


def test_one_of_many_workers_gets_a_run(database: Database) -> None:
    """Of workers that take a run at the same moment, one gets it, and the others get nothing."""
    stored_run(database)
    together = threading.Barrier(WORKERS)

    def take(number: int) -> int | None:
        together.wait()
        lease = acquire_lease(database, MIGRATION, f"worker-{number}")
        return None if lease is None else lease.fence

    with ThreadPoolExecutor(WORKERS) as pool:
        fences = list(pool.map(take, range(WORKERS)))

    assert sorted(fence for fence in fences if fence is not None) == [1]


def test_each_lease_has_a_greater_fence_and_names_whom_it_displaced(database: Database) -> None:
    """A lease that was released displaces no worker; one that ended by itself does."""
    stored_run(database)
    first = acquired(database, "one")
    first.release(SessionEnd())
    second = acquired(database, "two")
    lapse(database)
    third = acquired(database, "three")

    assert (first.fence, second.fence, third.fence) == (1, 2, 3)
    assert (first.displaced, second.displaced, third.displaced) == (None, None, "two")


def test_a_lease_past_its_end_is_asked_for_at_the_database(database: Database) -> None:
    """A worker that could not renew in time goes on if no other worker has taken the run."""
    stored_run(database)
    clock = VirtualClock()
    lease = acquired(database, clock=clock)
    clock.sleep(2 * LEASE)
    lapse(database)

    lease.require_ours()

    assert acquire_lease(database, MIGRATION, "other") is None


def test_a_worker_that_was_suspended_past_its_lease_sends_nothing(database: Database) -> None:
    """By its own clock, which goes on while it is suspended, it knows that it has to ask first."""
    stored_run(database)
    clock = VirtualClock()
    zombie = acquired(database, clock=clock)
    lapse(database)
    acquired(database, "heir")
    zombie.require_ours()  # By its clock the lease lasts: the database's is a moment ahead.
    clock.sleep(LEASE)

    with pytest.raises(TakenOverError, match="has sent nothing since"):
        zombie.require_ours()


def test_without_an_answer_a_lease_past_its_end_is_not_ours(
    server: PostgresServer, database: Database
) -> None:
    """Fail closed: while the database is away, nothing is sent past the end of the lease."""
    stored_run(database)
    clock = VirtualClock()
    lease = acquired(database, clock=clock)
    server.stop()
    try:
        lease.require_ours()
        clock.sleep(LEASE)
        with pytest.raises(DatabaseError, match="has not answered"):
            lease.require_ours()
    finally:
        server.start()


def test_a_kept_lease_outlives_its_length(database: Database) -> None:
    """The keeper renews by the database's clock, and notices a run that was taken."""
    stored_run(database)
    lease = acquired(database)
    beats = threading.Semaphore(0)
    keeper = LeaseKeeper(database, beats.release)
    keeper.add(lease)
    lapse(database)
    keeper.start()
    try:
        beats.acquire()
        beats.acquire()
        assert acquire_lease(database, MIGRATION, "other") is None

        database.execute(lambda c: c.execute(sa.update(RUNS).values(fence=RUNS.c.fence + 1)))
        for _ in range(2):
            beats.acquire()
        beats.acquire()
    finally:
        keeper.end()

    assert lease.is_lost


def test_a_released_run_is_due_when_its_session_said(database: Database) -> None:
    """A run is woken once its time has come, and only once."""
    runs = stored_run(database)
    delivered: list[str] = []

    def deliver(_connection: sa.Connection, run: str) -> None:
        delivered.append(run)

    acquired(database).release(SessionEnd(timedelta(hours=1), outage=True))
    assert runs.wake_due(deliver) == ()
    assert runs.find(MIGRATION).outage
    acquired(database).release(SessionEnd(timedelta(minutes=-1)))

    assert runs.wake_due(deliver) == (MIGRATION,)
    assert runs.wake_due(deliver) == ()
    assert delivered == [MIGRATION]
    assert runs.find(MIGRATION).wants_work
