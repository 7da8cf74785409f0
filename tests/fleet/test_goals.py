"""Goals of runs in a database: what operators order from any machine, and what workers do."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from tests.fleet.database_runs import undelivered
from tests.fleet.virtual_worker import VirtualFleet
from vpnmigrate.cli.commands.sandbox import load
from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.journal import stored_journal
from vpnmigrate.fleet.database.run_rows import WaitingOrder
from vpnmigrate.fleet.database.runs import order_run
from vpnmigrate.fleet.database.schema import RunGoal
from vpnmigrate.fleet.run_terms import RunTerms
from vpnmigrate.journal.records import Replanned
from vpnmigrate.local.documents import load_plan, plan_text
from vpnmigrate.model.errors import Exit
from vpnmigrate.model.plan import fingerprint_of


@pytest.fixture
def fleet(virtual_fleet: VirtualFleet) -> VirtualFleet:
    """A terminal in an empty directory, with a sandbox and a worker."""
    return virtual_fleet


def test_a_run_is_migrated_rolled_back_tried_again_and_finalized(fleet: VirtualFleet) -> None:
    """Each goal needs its own consent, and a session after it changes nothing."""
    run = fleet.planned()
    started = fleet.type("start", "plan.json")
    assert (started.code, "No worker is alive" in started.out) == (0, True)
    fleet.work(run)
    assert fleet.status(run) == "cut over (attempt 1)"

    refused = fleet.type("rollback", run)
    assert (refused.code, "needs --yes" in refused.err) == (Exit.HELD, True)
    assert f"vpnmigrate fleet rollback {run} --yes" in refused.err
    assert fleet.type("rollback", run, "--yes").code == 0
    assert fleet.row(run).member_progress.state == "rolling back"
    fleet.work(run)
    assert fleet.status(run) == "rolled back (attempt 1)"
    assert f"vpnmigrate fleet start {run}" in fleet.type("status", run).out

    # Whatever wakes the run, only the terms of a start are a consent to another attempt.
    fleet.runs.start(run, RunGoal.CUTOVER, undelivered, RunTerms(attempt=1))
    fleet.work(run)
    assert fleet.status(run) == "rolled back (attempt 1)"

    fleet.type("start", run)
    fleet.work(run)
    assert fleet.status(run) == "cut over (attempt 2)"

    unnamed = fleet.type("finalize", run)
    assert (unnamed.code, "not named" in unnamed.err) == (Exit.USAGE, True)
    words = ("finalize", run, *(w for c in fleet.terminal.connections for w in ("--confirm", c)))
    assert fleet.type(*words).code == 0
    early = fleet.work(run)
    assert fleet.status(run).startswith("cut over")
    assert early.due_in is not None
    assert early.due_in > timedelta(hours=23)

    fleet.soak()
    fleet.type(*words)
    fleet.work(run)
    assert fleet.status(run) == "finalized (attempt 2)"
    assert "is finalized" in fleet.type("rollback", run, "--yes").err


def test_a_migration_that_is_not_confirmed_is_rolled_back_by_a_worker(fleet: VirtualFleet) -> None:
    """Its session is due when the time ends; the member holds its slot until the confirmation."""
    run = fleet.planned("--playbook", "unattended-return")
    fleet.type("start", "plan.json", "--confirm-within", "15m")
    end = fleet.work(run)
    assert end.due_in is not None
    assert timedelta(0) < end.due_in <= timedelta(minutes=15)
    assert end.progress.state == "cutover"
    assert f"vpnmigrate fleet confirm {run}" in fleet.type("status", run).out

    fleet.terminal.clock.sleep(end.due_in)
    fleet.runs.start(run, RunGoal.CUTOVER, undelivered)
    fleet.work(run)
    assert fleet.status(run) == "rolled back (attempt 1)"

    fleet.type("start", run, "--confirm-within", "15m")
    fleet.work(run)
    fleet.type("confirm", run)
    end = fleet.work(run)
    assert (end.due_in, end.progress.state) == (None, "done")


def test_no_cutover_begins_while_a_rollback_waits_for_a_slot(
    fleet: VirtualFleet, database: Database
) -> None:
    """A session for another reason leaves the run staged, and the goal stays."""
    run = fleet.planned()
    fleet.type("start", "plan.json", "--prepare")
    fleet.work(run)
    fleet.type("start", run)
    order = WaitingOrder(RunGoal.ROLLBACK)
    database.transact(lambda connection: order_run(connection, run, order))

    fleet.work(run)

    assert fleet.status(run) == "held (attempt 1)"
    assert fleet.row(run).goal is RunGoal.CUTOVER
    assert fleet.row(run).member_progress.state == "to roll back"


def test_what_cannot_be_ordered_is_refused_by_name(fleet: VirtualFleet) -> None:
    """Nothing has changed then, and the run wants no work."""
    run = fleet.planned()
    fleet.type("start", "plan.json", "--prepare")
    early = fleet.type("rollback", run, "--yes")
    assert (early.code, "has not begun" in early.err) == (Exit.REFUSED, True)
    fleet.work(run)

    finalize = fleet.type("finalize", run, "--confirm", fleet.terminal.connections[0])
    several = fleet.type("start", run, run, "--force", "window", "--reason", "r")
    accept = fleet.type("resume", "--accept-degraded", "vpn-1", "--reason", "r")

    assert (finalize.code, "can be finalized" in finalize.err) == (Exit.REFUSED, True)
    assert (several.code, "are for one run" in several.err) == (Exit.USAGE, True)
    assert (accept.code, "is for one run" in accept.err) == (Exit.USAGE, True)
    assert not fleet.row(run).wants_work


def test_a_campaign_is_started_and_replaced_by_its_file(fleet: VirtualFleet) -> None:
    """Its options reach the runs; an edited file replaces it, and a plan of another is refused."""
    region = load("single-bgp").region
    fleet.terminal.run("discover", "--region", region, "-o", "found.json")
    for words in (("new", "found.json"), ("plan", "campaign.yaml")):
        assert fleet.type(*words).code == 0
    file = Path("campaign.yaml")

    started = fleet.type("start", str(file), "--confirm-within", "15m")

    assert "workers start its 1 member by its rules" in started.out
    [run] = fleet.runs.list()
    assert run.terms.confirm_within == timedelta(minutes=15)
    text = file.read_text()
    file.write_text(text.replace("error_budget: 0", "error_budget: 2"))
    assert "differs from" in fleet.type("status", str(file)).out
    assert fleet.type("start", str(file)).code == 0
    assert "differs from" not in fleet.type("status", str(file)).out
    assert fleet.runs.list()[0].terms.confirm_within is None

    file.write_text(text.replace("203.0.113.", "198.51.100."))
    refused = fleet.type("start", str(file))
    assert refused.code == Exit.REFUSED
    assert "which the campaign does not name" in " ".join(refused.err.split())


def test_plans_are_renewed_until_their_run_begins(fleet: VirtualFleet) -> None:
    """An unchanged account keeps them; the run of a plan that has begun keeps its file."""
    region = load("single-bgp").region
    fleet.terminal.run("discover", "--region", region, "-o", "found.json")
    for words in (("new", "found.json"), ("plan", "campaign.yaml"), ("start", "campaign.yaml")):
        assert fleet.type(*words).code == 0
    [first] = fleet.runs.list()
    [plan] = Path("plans").glob("*.json")
    written = plan.read_bytes()
    # Workers were told to take it up, and none has begun.
    fleet.runs.start(first.id, RunGoal.PREPARE, undelivered)

    unchanged = fleet.type("plan", "campaign.yaml", "--again")
    assert ("1 planned before" in unchanged.out, plan.read_bytes()) == (True, written)
    changed = fleet.type("plan", "campaign.yaml", "--again", "--change", "CHG-2")
    assert "1 planned, 0 planned before" in changed.out
    assert fleet.type("start", "campaign.yaml").code == 0
    [second] = fleet.runs.list()
    assert second.id != first.id

    fleet.runs.start(second.id, RunGoal.PREPARE, undelivered)
    fleet.work(second.id)
    written = plan.read_bytes()
    plan.unlink()
    assert fleet.type("plan", "campaign.yaml", "--again", "--change", "CHG-3").code == 0
    assert plan.read_bytes() == written


def test_a_staged_member_keeps_its_plan_until_it_is_rolled_back(fleet: VirtualFleet) -> None:
    """Planning and starting say how it gets a new one, and what is in force is written again."""
    region = load("single-bgp").region
    fleet.terminal.run("discover", "--region", region, "-o", "found.json")
    begin = (("new", "found.json"), ("plan", "campaign.yaml"), ("start", "campaign.yaml"))
    for words in begin:
        assert fleet.type(*words).code == 0
    [row] = fleet.runs.list()
    [plan] = Path("plans").glob("*.json")
    written = plan.read_bytes()
    fleet.runs.start(row.id, RunGoal.PREPARE, undelivered)
    fleet.work(row.id)
    known = load_plan(plan)
    decisions = msgspec.structs.replace(known.decisions, change="CHG-2")
    new = msgspec.structs.replace(known, decisions=decisions)
    new = msgspec.structs.replace(new, fingerprint=fingerprint_of(msgspec.to_builtins(new)))
    plan.write_bytes(plan_text(new))

    refused = fleet.type("start", "campaign.yaml")

    assert (refused.code, "and its plan changes" in " ".join(refused.err.split())) == (
        Exit.REFUSED,
        True,
    )
    assert f"vpnmigrate fleet rollback {row.id}" in refused.err
    kept = fleet.type("plan", "campaign.yaml", "--again", "--change", "CHG-2")
    assert "1 member staged, whose plan is kept" in " ".join(kept.out.split())
    assert f"vpnmigrate fleet rollback {row.id}" in kept.out
    assert plan.read_bytes() == written
    assert fleet.type("start", "campaign.yaml").code == 0

    fleet.type("rollback", row.id)
    fleet.work(row.id)
    again = fleet.type("plan", "campaign.yaml", "--again", "--change", "CHG-2")
    assert "1 planned, 0 planned before" in again.out
    assert fleet.type("start", "campaign.yaml").code == 0
    [member] = [run for run in fleet.runs.list() if run.campaign is not None]
    assert member.id != row.id


def test_a_start_that_no_worker_has_taken_up_is_replaced_by_a_new_plan(
    fleet: VirtualFleet,
) -> None:
    """The run of the stale plan is gone; once one has begun, a second plan is refused by name."""
    stale = fleet.planned()
    fleet.type("start", "plan.json")
    Path("plan.json").unlink()
    run = fleet.planned()

    assert fleet.type("start", "plan.json").code == 0

    assert [each.id for each in fleet.runs.list()] == [run]
    assert stale != run
    fleet.work(run)
    assert fleet.status(run) == "cut over (attempt 1)"


def test_another_attempt_with_a_new_plan_is_in_the_journal(
    fleet: VirtualFleet, database: Database
) -> None:
    """Also by a worker that has no directory of the run: the report names the plan of each."""
    run = fleet.planned()
    fleet.type("start", "plan.json", "--prepare")
    fleet.work(run)
    fleet.type("rollback", run, "--yes")
    fleet.work(run)
    old = load_plan(Path("plan.json"))
    decisions = msgspec.structs.replace(old.decisions, change="CHG-2")
    new = msgspec.structs.replace(old, decisions=decisions)
    new = msgspec.structs.replace(new, fingerprint=fingerprint_of(msgspec.to_builtins(new)))
    Path("plan.json").write_bytes(plan_text(new))

    fleet.move()
    assert fleet.type("start", "plan.json", "--prepare").code == 0
    fleet.work(run)

    entries = stored_journal(database, run).contents().entries
    assert [e.record for e in entries if isinstance(e.record, Replanned)] == [
        Replanned(new.fingerprint)
    ]
    assert fleet.status(run) == "held (attempt 2)"
