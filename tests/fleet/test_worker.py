"""Workers in processes of their own: a run is applied to its end, whatever happens to them."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.fleet.stage import FleetStage, a_fleet_of_one
from tests.support.postgres import PostgresServer
from vpnmigrate.fleet.database.address import DatabaseAddress
from vpnmigrate.fleet.database.schema import LINES
from vpnmigrate.fleet.database.workers import FleetWorkers
from vpnmigrate.fleet.names import name_of
from vpnmigrate.journal.state import RunStatus

pytestmark = pytest.mark.no_cover

HANDED_ON = 10.0
"""Seconds of waiting until another worker has the run of a dead one (``FleetStage.until``).
On an idle machine it takes less than five (docs/decisions/0056)."""


def test_a_worker_that_is_told_to_end_hands_its_run_on(
    tmp_path: Path, address: DatabaseAddress
) -> None:
    """After SIGTERM before the cutover, it ends at once and with success; another one finishes.

    The account is as after an undisturbed migration, and no journal is on a worker's disk.
    """
    with a_fleet_of_one(tmp_path, address) as stage:
        expected = stage.migration.expected()
        first = stage.worker("w1")
        stage.start()
        stage.until(lambda: stage.owner() == "w1" and stage.state().step >= 2)

        first.send_signal(signal.SIGTERM)
        stage.worker("w2")
        stage.until_idle()

        assert first.wait() == 0
        assert stage.state().status is RunStatus.CUT_OVER
        assert {fence for _, fence in written(stage)} == {1, 2}
        assert stage.migration.shape() == expected
        summary = stage.runs.find(stage.run).current_summary
        assert summary is not None
        assert (summary.traffic, summary.status) == ("new", "cut over (attempt 1)")
        assert list(tmp_path.glob("w?/*/journal.jsonl")) == []


def test_a_worker_that_is_told_to_end_completes_its_cutover(
    tmp_path: Path, address: DatabaseAddress
) -> None:
    """After SIGTERM while traffic is down it ends when traffic flows, and needs no other one."""
    with a_fleet_of_one(tmp_path, address) as stage:
        worker = stage.worker("w1")
        stage.start()
        stage.until(lambda: stage.state().outage.open)

        worker.send_signal(signal.SIGTERM)
        assert worker.wait() == 0

        assert f"waits until these reach a safe point: {stage.run}" in stage.output()
        assert stage.state().status is RunStatus.CUT_OVER
        assert {fence for _, fence in written(stage)} == {1}
        assert stage.made_more_than_once() == {}


def test_a_worker_that_is_killed_in_a_cutover_is_replaced(
    tmp_path: Path, address: DatabaseAddress
) -> None:
    """While traffic is down another worker takes the run at once; each change is made once.

    It reads the device files from EC2 again.  No key is in the database.
    """
    with a_fleet_of_one(tmp_path, address) as stage:
        workers = {name: stage.worker(name) for name in ("w1", "w2")}
        stage.until_ready("w1", "w2")
        stage.start()
        stage.until(lambda: stage.state().outage.open)
        dead = stage.owner()

        workers[dead].kill()

        handed_on = stage.until(lambda: stage.owner() not in {dead, ""})
        stage.until_idle()
        assert handed_on < HANDED_ON
        [heir] = workers.keys() - {dead}
        assert list(tmp_path.glob(f"{heir}/*/vault/*/configuration.xml"))
        stored = stage.stored_text()
        assert stage.run in stored
        assert [key for key in stage.world.keys if key in stored] == []
        assert stage.state().status is RunStatus.CUT_OVER
        assert stage.made_more_than_once() == {}


def test_a_worker_that_is_suspended_past_its_lease_changes_nothing_more(
    tmp_path: Path, server: PostgresServer, address: DatabaseAddress
) -> None:
    """Another worker completes the cutover, although the database is restarted in it.

    The suspended worker is still alive.  When it goes on, it writes nothing and sends nothing.
    """
    with a_fleet_of_one(tmp_path, address) as stage:
        workers = {name: stage.worker(name) for name in ("w1", "w2")}
        stage.until_ready("w1", "w2")
        stage.start()
        stage.until(lambda: stage.state().outage.open)
        zombie = stage.owner()
        workers[zombie].send_signal(signal.SIGSTOP)

        stage.until(lambda: stage.owner() not in {zombie, ""})
        server.stop()
        server.start()
        stage.until_idle()
        changes = stage.changes()
        workers[zombie].send_signal(signal.SIGCONT)
        # Suspended in a query, it hears of the restart first, and sends nothing either.
        ends = ("was taken over from this worker", "has not answered")
        stage.until(lambda: any(end in stage.output(zombie) for end in ends))

        assert stage.state().status is RunStatus.CUT_OVER
        assert stage.changes() == changes
        assert stage.made_more_than_once() == {}
        fences = [fence for _, fence in written(stage)]
        assert fences == sorted(fences)


def test_workers_with_one_name_are_two_workers(tmp_path: Path, address: DatabaseAddress) -> None:
    """The end of one leaves the other in the list, which works on; both have the name.

    A third one with the name replaces the row of the one that was killed.
    """
    with a_fleet_of_one(tmp_path, address) as stage:
        first, second = (stage.worker(host, "night") for host in ("host-1", "host-2"))
        listed = FleetWorkers(stage.database)
        stage.until(lambda: len(listed.list()) == 2)

        first.send_signal(signal.SIGTERM)
        assert first.wait() == 0
        [left] = listed.list()
        seen = left.seen_at
        stage.until(lambda: listed.list()[0].seen_at > seen)
        second.kill()
        stage.until(lambda: not listed.list()[0].alive)
        stage.worker("host-3", "night")
        stage.until(lambda: any(row.alive for row in listed.list()))

        [heir] = listed.list()
        assert (name_of(left.id), name_of(heir.id)) == ("night", "night")
        assert heir.id != left.id


def written(stage: FleetStage) -> list[tuple[int, int]]:
    """Return number and fence of each line of the run's journal."""
    statement = sa.select(LINES.c.seq, LINES.c.fence).order_by(LINES.c.seq)
    rows = stage.database.execute(lambda connection: connection.execute(statement).all())
    return [(seq, fence) for seq, fence in rows]
