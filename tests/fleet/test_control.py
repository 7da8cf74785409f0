"""Orders of operators through the database, with the command line that they type."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from tests.fleet.conftest import Fleet
from tests.fleet.database_runs import (
    acquired,
    endure,
    opened_journal,
    stored_plan,
    stored_run,
    undelivered,
)
from tests.fleet.stage import a_fleet_of_one
from tests.support.builders import MIGRATION, a_plan, an_approval
from tests.support.journals import OPENED, Story
from vpnmigrate.cli.main import run_command
from vpnmigrate.fleet.database.address import DatabaseAddress
from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.leases import SessionEnd
from vpnmigrate.fleet.database.messages import DatabaseInbox
from vpnmigrate.fleet.database.runs import FleetRuns
from vpnmigrate.fleet.database.schema import FleetState, RunGoal
from vpnmigrate.fleet.database.workers import FleetWorkers
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.local.inbox import AbortMessage
from vpnmigrate.model.changes import AskOperator
from vpnmigrate.model.errors import Exit
from vpnmigrate.model.snapshot import Confirmation


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return what ``vpnmigrate fleet WORDS`` prints."""
    assert run_command(["fleet", *words]) == 0
    return capsys.readouterr().out


def test_the_state_of_the_fleet_is_set_by_any_operator(database: Database, fleet: Fleet) -> None:
    """Pause, stop and resume are kept, and a resumed fleet delivers what has waited."""
    runs = stored_run(database)
    for verb, state in (("pause", "paused"), ("stop", "stopped"), ("resume", "running")):
        assert fleet(verb)["state"] == state
        assert runs.state() is FleetState(state)

    count = sa.text("SELECT count(*) FROM pgqueuer")
    assert database.execute(lambda c: c.execute(count).scalar_one()) == 1


def test_a_stop_says_what_it_does_and_which_command_ends_it(
    database: Database, fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who reads it at night does not have to look up what happens to cutovers."""
    stopped = " ".join(printed(capsys, "stop").split())

    assert "a cutover or a rollback that has begun is completed first" in stopped
    assert "to end that: vpnmigrate fleet resume" in stopped
    assert "to end that" not in printed(capsys, "resume")


def test_a_run_and_its_worker_are_shown(
    database: Database, fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table has account, status and worker; a run that failed names the next command."""
    runs = stored_run(database, started=False)
    FleetWorkers(database).see("worker-1", "0.1.0", ending=False)
    assert "not started" in printed(capsys, "status")
    runs.start(MIGRATION, RunGoal.CUTOVER, undelivered)
    lease = acquired(database)
    opened_journal(database, lease).write(OPENED, *Story().staged().records)
    endure(database)

    shown = fleet("status")

    assert shown["workers"] == [{"name": "worker-1", "condition": "alive"}]
    [run] = shown["runs"]
    assert (run["run"], run["worker"], run["goal"]) == (MIGRATION, "worker-1", "cutover")
    lease.release(SessionEnd())
    text = printed(capsys, "status", MIGRATION)
    assert f"vpnmigrate fleet start {MIGRATION}" in text
    assert "none now" in text


def test_an_unreadable_journal_hides_no_other_run(database: Database, fleet: Fleet) -> None:
    """It is a row with the reason, and the exit code is 1."""
    stored_run(database)
    stored_run(database, "mig-20260301-other")
    opened_journal(database, acquired(database)).write(OPENED)
    gone = sa.text("DELETE FROM fleet_journal")
    database.execute(lambda connection: connection.execute(gone))

    rows = fleet("status", leaves=Exit.FAILED)["runs"]

    assert [bool(row["unreadable"]) for row in rows] == [True, False]


def test_an_order_that_is_not_possible_is_refused(database: Database, fleet: Fleet) -> None:
    """Nothing is left for the worker, and the next command is named."""
    stored_run(database)

    assert "no confirmation is pending" in str(fleet("confirm", MIGRATION, leaves=Exit.USAGE))
    assert list(DatabaseInbox(database, MIGRATION).messages()) == []
    assert "has no run" in str(fleet("abort", "m-unknown", leaves=Exit.USAGE))


def test_an_order_is_left_for_the_worker_that_takes_the_run_up(
    database: Database, fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a worker, the order waits, and the run wants work."""
    runs = stored_run(database)
    acquired(database).release(SessionEnd())

    left_behind = " ".join(printed(capsys, "abort", MIGRATION).split())

    assert "no worker has read it yet" in left_behind
    assert "to start one: vpnmigrate fleet worker --database " in left_behind.replace("\\ ", "")
    [left] = DatabaseInbox(database, MIGRATION).messages()
    assert isinstance(left.message, AbortMessage)
    assert runs.find(MIGRATION).wants_work


def test_an_approval_is_kept_for_the_plan_that_it_is_for(
    database: Database, fleet: Fleet, tmp_path: Path
) -> None:
    """An approval of another plan is refused; the text is stored as it is, with its signature."""
    runs = stored_run(database)
    file = tmp_path / "approval.json"
    file.write_bytes(msgspec.json.encode(an_approval("eve", fingerprint="a" * 64)))
    assert "approves plan" in str(fleet("approve", MIGRATION, str(file), leaves=Exit.REFUSED))

    file.write_bytes(msgspec.json.encode(an_approval("eve", fingerprint=stored_plan().fingerprint)))
    (tmp_path / "approval.json.sig").write_text("signature\n")
    fleet("approve", MIGRATION, str(file))

    [stored] = runs.approvals(MIGRATION)
    assert stored.text == file.read_bytes()
    assert stored.signature.strip() == "signature"


def test_a_plan_that_was_edited_or_replaced_is_not_started(
    database: Database, fleet: Fleet, tmp_path: Path
) -> None:
    """A run keeps the plan that it was added with."""
    stored_run(database)
    plan = msgspec.structs.replace(a_plan(), fingerprint="a" * 64)
    file = tmp_path / "plan.json"
    file.write_bytes(msgspec.json.encode(plan))

    fleet("start", str(file), leaves=Exit.REFUSED)

    assert FleetRuns(database).find(MIGRATION).fingerprint == stored_plan().fingerprint


@pytest.mark.no_cover
def test_device_tasks_are_reported_from_any_machine(
    tmp_path: Path, address: DatabaseAddress, fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run is parked while it waits for an engineer, and a worker takes it up after ``done``."""
    with a_fleet_of_one(tmp_path, address) as stage:
        stage.without_engineer()
        stage.worker("w1")
        fleet("start", str(stage.migration.plan_file))
        reported: list[Confirmation] = []  # Step 10 has two tasks.

        def next_task() -> AskOperator | None:
            task = stage.state().task
            return (
                task
                if isinstance(task, AskOperator) and task.confirmation not in reported
                else None
            )

        while stage.state().status is not RunStatus.CUT_OVER:
            stage.until(lambda: next_task() or stage.state().status is RunStatus.CUT_OVER)
            if (task := next_task()) is not None:
                asked = f"fleet done {stage.run} {task.step}"
                assert asked in printed(capsys, "status", stage.run)
                fleet("done", stage.run, str(task.step))
                reported.append(task.confirmation)

        stage.until_idle()
        assert reported


def test_every_order_names_what_shows_its_effect_and_what_is_in_its_way(
    database: Database, fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stopped fleet without workers has both in its way, each with the command for it."""
    runs = stored_run(database)
    runs.set_state(FleetState.STOPPED, "bob@desk")

    started = fleet("start", MIGRATION)
    text = printed(capsys, "start", MIGRATION)

    assert f"vpnmigrate fleet status {MIGRATION} --database" in started["next"]
    for way in ("The fleet is stopped; to let workers begin:", "No worker is alive; to start one:"):
        assert way in started["note"]
        assert way in text.splitlines()
    assert " ".join(text.replace("\\\n", " ").split()).endswith(started["next"])


def test_a_schema_that_is_current_has_the_next_command(fleet: Fleet) -> None:
    """After an upgrade the roles get their rights before workers start."""
    assert "vpnmigrate fleet worker --database" in fleet("database", "status")["next"]
    assert "fleet-roles.sql" in fleet("database", "upgrade")["next"]
