"""Names of workers, as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

from vpnmigrate.fleet.names import name_of, shown_workers, worker_id
from vpnmigrate.report.fleet_runs import FleetRunView, FleetView, fleet_text


def test_an_id_is_shown_by_its_name_unless_several_workers_have_it() -> None:
    """The table and the list of workers name a worker in the same way."""
    ids = [worker_id("night", "7-a1b2"), worker_id("night", "7-c3d4"), worker_id("a/b", "9-e5f6")]

    assert [name_of(each) for each in ids] == ["night", "night", "a/b"]
    assert shown_workers(ids) == {ids[0]: ids[0], ids[1]: ids[1], ids[2]: "a/b"}
    assert name_of("worker-1") == "worker-1"


def test_the_table_of_runs_and_the_list_of_workers_agree() -> None:
    """A worker whose name is its own has no process in either."""
    alone = worker_id("night", "7-a1b2")
    run = FleetRunView("m-1", "123456789012", "eu-west-1", "cutover", alone, "")
    now = datetime(2026, 11, 29, tzinfo=UTC)
    text = fleet_text(FleetView("db", "running", [(alone, "alive")], now, runs=[run]))

    assert "night (alive)" in text
    assert text.splitlines()[-1].split()[-1] == "night"
