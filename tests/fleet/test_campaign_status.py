"""Status of a campaign in a database: the same facts as for the runs of one machine."""

from __future__ import annotations

import shlex
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.fleet.conftest import Fleet
from tests.fleet.database_campaigns import DONE, FILE, STAGED, StoredFleet, a_command_context
from tests.fleet.database_runs import acquired, opened_journal
from tests.support.builders import NOON
from tests.support.journals import OPENED, Story, ask
from vpnmigrate.cli.fleet_database_view import DatabaseFleet
from vpnmigrate.cli.main import run_command
from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.leases import SessionEnd
from vpnmigrate.fleet.database.schema import FleetState
from vpnmigrate.fleet.database.workers import FleetWorkers
from vpnmigrate.fleet.run_summary import RunSummary
from vpnmigrate.journal.records import Noted
from vpnmigrate.model.errors import Exit
from vpnmigrate.model.snapshot import Confirmation
from vpnmigrate.report.board import board_page, board_values
from vpnmigrate.report.fleet import status_text
from vpnmigrate.report.fleet_runs import NO_WORKER


def rows(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the members of *document* by their ids."""
    return {row["id"]: row for row in document["members"]}


def test_a_campaign_is_shown_from_the_database(database: Database, fleet: Fleet) -> None:
    """Waves, traffic, outage, what is awaited and the next command, by name or by file."""
    stored = StoredFleet(database)
    FleetWorkers(database).see("worker-1", "0.1.0", ending=False)
    stored.started()
    stored.session("one", Story().migrated().records, DONE)
    stored.started()
    stored.session("two", Story().staged().records, STAGED)
    stored.open_session("four", Story().staged().cut().records)

    found = fleet("status", "autumn")

    assert [(wave["name"], wave["status"]) for wave in found["waves"]] == [
        ("canary", "passed"),
        ("rest", "open"),
    ]
    assert found["workers"] == [{"name": "worker-1", "condition": "alive"}]
    members = rows(found)
    assert {id_: row["state"] for id_, row in members.items()} == {
        "one": "done",
        "two": "staged",
        "three": "waiting",
        "four": "running",
    }
    assert (members["one"]["traffic"], members["one"]["outage"]) == ("new", 100.0)
    assert (members["four"]["traffic"], members["four"]["outage_open"]) == ("none", True)
    assert members["four"]["outage"] > 100
    assert members["two"]["start"] == "cutover"
    assert "limit of account" in members["three"]["waiting_for"]


def test_the_fleet_is_paused_stopped_and_resumed(database: Database, fleet: Fleet) -> None:
    """Nothing is started until it is resumed."""
    StoredFleet(database)

    def held() -> str:
        return "; ".join(fleet("status", "autumn")["held"])

    fleet("pause")
    assert "paused" in held()
    fleet("stop")
    assert "stopped" in held()
    fleet("resume")
    assert held() == ""


def test_a_campaign_that_is_done_leads_to_finalize(database: Database, fleet: Fleet) -> None:
    """When every member is migrated, the old connections of a wave remain."""
    stored = StoredFleet(database)
    for id_ in ("one", "two", "three", "four"):
        stored.started()
        stored.session(id_, Story().migrated().records, DONE)

    text = status_text(DatabaseFleet(a_command_context(), database).campaign("autumn")())

    assert "EVERY MEMBER IS MIGRATED" in text
    command = "vpnmigrate fleet finalize autumn --wave"
    assert f"{command} canary" in " ".join(text.replace("\\\n", " ").split())

    finalized = Story().finalized().records
    stored.session("one", finalized, DONE)
    text = status_text(DatabaseFleet(a_command_context(), database).campaign("autumn")())
    assert f"{command} rest" in " ".join(text.replace("\\\n", " ").split())

    for id_ in ("two", "three", "four"):
        stored.session(id_, finalized, DONE)
    text = status_text(DatabaseFleet(a_command_context(), database).campaign("autumn")())
    assert "EVERY MEMBER" not in text


def test_who_is_awaited_is_shown_with_the_command(database: Database, fleet: Fleet) -> None:
    """An engineer's task, a failure, a session that could not begin, and a worker that died."""
    stored = StoredFleet(database)
    stored.started()
    asking = Story().opened().set_out().begun(5)
    asking.intended(5, ask(5, Confirmation.DEVICES_CONFIGURED))
    stored.session("one", asking.records, SessionEnd())
    waits = rows(fleet("status", "autumn"))["one"]
    here = f"--database {shlex.quote(str(database.address))}"
    assert waits["next"] == f"vpnmigrate fleet done m-one 5 {here}"
    assert "see to step 5" in waits["waiting_for"]

    stored.end("one", SessionEnd(trouble="no credentials"))
    waits = rows(fleet("status", "autumn"))["one"]
    assert waits["waiting_for"] == "no session could begin: no credentials"

    stored.open_session("one", [OPENED])
    stored.lapse()
    waits = rows(fleet("status", "autumn"))["one"]
    assert "has ended without releasing it" in waits["waiting_for"]


def test_a_journal_is_read_only_if_it_has_grown_since_its_summary(
    database: Database, fleet: Fleet
) -> None:
    """A thousand runs are shown without their journals; a journal that was damaged is a row."""
    stored = StoredFleet(database)
    stored.started()
    stored.session("one", Story().staged().records, STAGED)
    journal = opened_journal(database, acquired(database, run="m-one"))
    gone = sa.text("DELETE FROM fleet_journal")
    database.execute(lambda connection: connection.execute(gone))
    assert rows(fleet("status", "autumn"))["one"]["step"] == 6

    journal.write(Noted("more"))

    found = rows(fleet("status", "autumn", leaves=Exit.FAILED))["one"]
    assert (found["state"], bool(found["unreadable"])) == ("failed", True)


def test_the_campaign_of_a_file_is_that_of_its_name(
    database: Database, fleet: Fleet, tmp_path: Path
) -> None:
    """An edited file is pointed out; one that was not started there is refused."""
    StoredFleet(database)
    file = tmp_path / "autumn.yaml"
    file.write_text(FILE)
    same = fleet("status", str(file))
    file.write_text(FILE.replace("error_budget: 0", "error_budget: 1"))
    edited = fleet("status", str(file))
    file.write_text(FILE.replace("name: autumn", "name: winter"))
    unknown = str(fleet("status", str(file), leaves=Exit.USAGE))

    assert (same["campaign"], same["note"]) == ("autumn", "")
    assert "differs from the campaign in the database" in edited["note"]
    assert "the database has no campaign winter" in unknown
    assert f"vpnmigrate fleet start {file}" in unknown
    assert "autumn is a campaign" in str(fleet("rollback", "autumn", leaves=Exit.USAGE))
    assert "has no run 'spring'" in str(fleet("status", "spring", leaves=Exit.USAGE))
    assert "has no campaign 'spring'" in str(fleet("serve", "spring", leaves=Exit.USAGE))


def test_a_campaign_fits_a_window(
    database: Database, fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fleet that was stopped starts nothing and says so; lines are at most 80 columns wide."""
    stored = StoredFleet(database)
    stored.runs.set_state(FleetState.STOPPED, "bob@desk")
    assert run_command(["fleet", "status", "autumn"]) == 0
    text = capsys.readouterr().out

    assert "NOTHING IS STARTED: the campaign is paused: the fleet is stopped" in text
    assert f"WORKERS    {NO_WORKER}\nSTART ONE" in text
    lines = [line for line in text.splitlines() if "postgresql://" not in line]
    assert [line for line in lines if len(line) > 80] == []
    stored.runs.set_state(FleetState.RUNNING, "bob@desk")
    assert run_command(["fleet", "status", "autumn"]) == 0
    assert "MAY BE STARTED NOW (1)\n  workers start them" in capsys.readouterr().out


def test_a_board_reads_the_database_again(database: Database) -> None:
    """Its page shows what a worker has done since, and that no worker is alive."""
    stored = StoredFleet(database)
    read = DatabaseFleet(a_command_context(), database).campaign("autumn")
    before = board_values(read())
    FleetWorkers(database).see("worker-1", "0.1.0", ending=False)
    stored.started()
    stored.open_session("one", Story().staged().cut().records)
    down = board_values(read())

    assert before["unattended"].startswith(f"{NO_WORKER}; start one: ")
    assert before["down"] == ""
    assert (down["unattended"], down["down"]) == ("", "TRAFFIC IS DOWN at 1 member")
    assert down["rows"][0]["id"] == "one"
    assert 'id="unattended"' in board_page(read()).html


def test_the_clock_of_an_outage_runs_in_a_summary() -> None:
    """It was read once, and is shown at any later moment."""
    down = RunSummary(down_since=NOON)

    assert down.outage_at(NOON + timedelta(seconds=90)) == timedelta(seconds=90)
    assert RunSummary(outage=timedelta(seconds=5)).outage_at(NOON) == timedelta(seconds=5)
