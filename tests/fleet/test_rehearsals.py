"""Rehearsals on an operator's machine, and the gate that a worker evaluates elsewhere."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from tests.fleet.database_runs import stored_plan, undelivered
from tests.fleet.virtual_worker import VirtualFleet
from tests.support.builders import NOON
from vpnmigrate.cli.commands.sandbox import load
from vpnmigrate.fleet.database.campaigns import FleetCampaigns
from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.rehearsals import FleetRehearsals
from vpnmigrate.fleet.database.schema import REHEARSALS, RunGoal
from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.errors import MalformedFileError

PLAYBOOK = """
name: mine
summary: Every plan is rehearsed.
decisions:
  rehearsed_within: 7d
  old_tunnels: leave
"""


@pytest.fixture
def fleet(virtual_fleet: VirtualFleet) -> VirtualFleet:
    """A terminal with a playbook that requires rehearsals, and a worker with another directory."""
    Path("mine.yaml").write_text(PLAYBOOK)
    return virtual_fleet


def test_a_rehearsal_before_the_start_opens_the_gate(fleet: VirtualFleet) -> None:
    """Without one the run is held; a start with the plan's file brings the result along."""
    run = fleet.planned("--playbook", "mine.yaml")
    fleet.type("start", "plan.json")
    fleet.work(run)
    assert fleet.row(run).summary is not None
    assert fleet.status(run) == "held (attempt 1)"
    assert "rehearsal" in fleet.type("status", run).out

    assert fleet.terminal.run_bare("rehearse", "plan.json").code == 0
    fleet.type("start", run)
    fleet.work(run)

    assert fleet.status(run) == "cut over (attempt 1)"


def test_the_rehearsal_of_a_campaign_counts_for_runs_that_were_started(
    fleet: VirtualFleet, database: Database
) -> None:
    """It wakes the staged run that has waited for it, which the rules then start again."""
    fleet.terminal.run("discover", "--region", load("single-bgp").region, "-o", "found.json")
    for words in (
        ("new", "found.json", "--playbook", "mine.yaml"),
        ("plan", "campaign.yaml"),
        ("start", "campaign.yaml"),
    ):
        assert fleet.type(*words).code == 0
    [row] = fleet.runs.list()
    fleet.runs.start(row.id, RunGoal.CUTOVER, undelivered)
    fleet.work(row.id)
    assert fleet.status(row.id) == "held (attempt 1)"
    assert fleet.row(row.id).due_at is not None

    assert fleet.type("rehearse", "campaign.yaml").code == 0

    FleetCampaigns(database).start_next(fleet.terminal.clock.wall(), undelivered)
    fleet.work(row.id)
    assert fleet.status(row.id) == "cut over (attempt 1)"


def test_a_rehearsal_for_a_database_is_followed_by_a_start(fleet: VirtualFleet) -> None:
    """Until the database has the campaign; then it is shown."""
    fleet.terminal.run("discover", "--region", load("single-bgp").region, "-o", "found.json")
    for words in (("new", "found.json", "--playbook", "mine.yaml"), ("plan", "campaign.yaml")):
        assert fleet.type(*words).code == 0

    before = fleet.type("rehearse", "campaign.yaml", "--json").document
    fleet.type("start", "campaign.yaml")
    after = fleet.type("rehearse", "campaign.yaml", "--json").document

    assert " ".join(before["next"].split()[1:3]) == "fleet start"
    assert " ".join(after["next"].split()[1:3]) == "fleet status"


def test_the_last_rehearsal_of_a_plan_is_kept(database: Database) -> None:
    """Also one that has failed; a result of another plan counts for none."""
    rehearsals, plan = FleetRehearsals(database), stored_plan()
    passed = RehearsalResult(
        fingerprint=plan.fingerprint,
        at=NOON,
        tool="0.1.0",
        passed=True,
        cutover=timedelta(minutes=2),
        back={},
    )
    failed = replace(passed, at=passed.at + timedelta(hours=1), passed=False)
    for each in (passed, failed, passed):
        rehearsals.put([each], "ann@desk", undelivered)

    assert rehearsals.of(plan) == failed
    swapped = sa.update(REHEARSALS).values(result=sa.func.replace(REHEARSALS.c.result, "a", "b"))
    database.execute(lambda connection: connection.execute(swapped))
    with pytest.raises(MalformedFileError, match="the rehearsal in the database"):
        rehearsals.of(plan)
