"""A worker around sessions: what it does with their end, without processes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from tests.fleet.database_campaigns import StoredFleet, a_command_context
from tests.fleet.database_runs import CLOCK, acquired, stored_run, undelivered
from tests.support.builders import MIGRATION
from vpnmigrate.cli.dependencies import RealDependencies
from vpnmigrate.cli.fleet_session import KEPT_CLIENTS, FleetSessions, SessionClients
from vpnmigrate.cli.options import AwsOptions
from vpnmigrate.fleet.campaign import FreezeRule
from vpnmigrate.fleet.database.campaigns import StoredCampaign
from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.deliveries import deliver
from vpnmigrate.fleet.database.leases import Lease, SessionEnd
from vpnmigrate.fleet.database.run_rows import FleetRun
from vpnmigrate.fleet.database.schema import RUNS, FleetState, RunGoal
from vpnmigrate.fleet.worker import Session, StopOrder, Worker


def resumed(database: Database, session: Session) -> list[str]:
    """Let a worker take a delivery of the run, and return what it says."""
    said: list[str] = []
    worker = Worker(database, "w1", session, say=said.append, now=CLOCK.wall, most=1)
    asyncio.run(worker.resume(MIGRATION))
    return said


async def served_during(worker: Worker, work: Callable[[], None]) -> None:
    """Let *worker* serve until *work*, in a thread, is done."""
    stopping = asyncio.Event()
    serving = asyncio.ensure_future(worker.serve(stopping))
    await asyncio.to_thread(work)
    stopping.set()
    await serving


def test_a_defect_in_a_session_does_not_leave_its_run_behind(database: Database) -> None:
    """The lease is released, and the run is due again in a minute."""
    runs = stored_run(database)

    def defective(_row: FleetRun, _lease: Lease, _order: StopOrder) -> SessionEnd:
        raise ZeroDivisionError

    said = resumed(database, defective)

    row = runs.find(MIGRATION)
    assert said == [f"{MIGRATION}: unexpected ZeroDivisionError, tried again in a minute"]
    assert (row.lease_owner, row.wants_work) == (None, False)
    assert row.due_at is not None


@pytest.mark.parametrize(("state", "taken"), [("stopped", 0), ("paused", 0), ("running", 1)])
def test_a_run_that_has_not_begun_waits_for_the_fleet(
    database: Database, state: str, taken: int
) -> None:
    """It still wants work, and is delivered again when the fleet is resumed."""
    runs = stored_run(database)
    runs.set_state(FleetState(state), "bob@desk")
    sessions: list[str] = []

    def session(row: FleetRun, _lease: Lease, _order: StopOrder) -> SessionEnd:
        sessions.append(row.id)
        return SessionEnd()

    resumed(database, session)

    assert len(sessions) == taken
    assert runs.find(MIGRATION).wants_work is not bool(taken)


def test_a_session_that_cannot_begin_says_why(database: Database, tmp_path: Path) -> None:
    """Operators see it from any machine, and the run is due again."""
    runs = stored_run(database)
    database.execute(lambda connection: connection.execute(sa.update(RUNS).values(plan=b"{}")))
    context = a_command_context(tmp_path)
    lease = acquired(database)

    end = FleetSessions(context, database, AwsOptions()).work(
        runs.find(MIGRATION), lease, StopOrder()
    )
    lease.release(end)

    row = runs.find(MIGRATION)
    assert "the plan of" in row.trouble
    assert row.due_at is not None


def test_a_campaign_that_cannot_be_read_keeps_no_run_from_waking(database: Database) -> None:
    """The worker says once why it starts no member, and wakes the runs that are due."""
    stored = StoredFleet(database)
    frozen = replace(stored.stored.campaign, freeze=FreezeRule("freeze.ics"))
    stored.put(StoredCampaign(frozen, "", b"no calendar"))
    runs = stored_run(database)
    acquired(database).release(SessionEnd(due_in=timedelta(milliseconds=1)))
    said: list[str] = []
    woken, told, again = (threading.Event() for _ in range(3))

    def say(line: str) -> None:
        said.append(line)
        told.set()

    def session(_row: FleetRun, _lease: Lease, _order: StopOrder) -> SessionEnd:
        woken.set()
        return SessionEnd()

    def wait() -> None:
        for event in (woken, told):
            assert event.wait(120)
        again.wait(1.5)  # One more tick, which says nothing new.

    worker = Worker(database, "w1", session, say=say, now=CLOCK.wall, most=1)
    asyncio.run(served_during(worker, wait))

    assert len(said) == 1
    assert said[0].startswith("no member of a campaign is started: freeze.ics: not a calendar")
    assert runs.find(MIGRATION).due_at is None


def test_a_full_worker_takes_a_run_whose_traffic_may_be_down(database: Database) -> None:
    """Its worker died in the cutover; runs whose traffic flows wait for room."""
    runs = stored_run(database, "m-1", started=False)
    runs.start("m-1", RunGoal.PREPARE, deliver)
    for run in ("m-2", "m-3"):
        stored_run(database, run, started=False)
    taken: list[str] = []
    first, cutover, ended = (threading.Event() for _ in range(3))

    def session(row: FleetRun, _lease: Lease, _order: StopOrder) -> SessionEnd:
        taken.append(row.id)
        if row.id == "m-1":
            first.set()
            ended.wait(120)
        elif row.id == "m-3":
            cutover.set()
        return SessionEnd()

    def leave_two_runs() -> None:
        assert first.wait(120)
        runs.start("m-2", RunGoal.PREPARE, undelivered)
        runs.start("m-3", RunGoal.CUTOVER, undelivered)
        for run in ("m-2", "m-3"):
            acquired(database, "dead", run)
        assert cutover.wait(120)
        ended.set()

    worker = Worker(database, "w1", session, say=print, now=CLOCK.wall, most=1)
    asyncio.run(served_during(worker, leave_two_runs))

    assert taken == ["m-1", "m-3"]
    assert runs.find("m-3").lease_owner is None


def test_sessions_in_one_account_and_region_share_their_clients() -> None:
    """Another Region, role or profile has clients of its own; those least used are not kept."""
    shared = SessionClients(RealDependencies())
    here, role = AwsOptions(region="eu-west-1"), "arn:aws:iam::100000000001:role/vpnmigrate"
    first = shared.of(here, role)

    others = [
        shared.of(AwsOptions(region="eu-west-2"), role),
        shared.of(here, "arn:aws:iam::100000000002:role/vpnmigrate"),
        shared.of(AwsOptions(region="eu-west-1", profile="other"), role),
        shared.of(here, ""),
    ]

    assert shared.of(here, role) is first
    assert len({id(each) for each in (first, *others)}) == 5
    for number in range(KEPT_CLIENTS - 1):
        shared.of(AwsOptions(region=f"r-{number}"), role)
    assert shared.of(here, role) is first
    assert shared.of(here, "") is not others[-1]
