"""Campaigns in a database: the workers start members by the rules of the file."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.fleet.conftest import Fleet
from tests.fleet.database_campaigns import DONE, FAILED, FILE, STAGED, StoredFleet
from tests.fleet.database_runs import stored_run, undelivered
from tests.support.journals import Story
from vpnmigrate.cli.main import run_command
from vpnmigrate.fleet.database.campaigns import StoredCampaign
from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.leases import SessionEnd
from vpnmigrate.fleet.database.messages import wake_run
from vpnmigrate.fleet.database.runs import StoredApproval
from vpnmigrate.fleet.database.schema import FleetState, RunGoal
from vpnmigrate.fleet.progress import HOLDS_SLOT, MemberProgress, MemberState
from vpnmigrate.model.errors import Exit


def test_members_start_in_waves_and_within_the_limits_of_their_account(database: Database) -> None:
    """The canary is prepared, cut over and done before the rest; one of an account at a time."""
    fleet = StoredFleet(database)

    assert fleet.started() == {"m-one": RunGoal.PREPARE}
    assert fleet.started() == {}
    fleet.end("one", STAGED)
    assert fleet.started() == {"m-one": RunGoal.CUTOVER}
    fleet.end("one", DONE)

    assert fleet.started() == {"m-two": RunGoal.PREPARE, "m-four": RunGoal.PREPARE}
    fleet.end("two", STAGED)
    assert fleet.started() == {"m-two": RunGoal.CUTOVER}
    fleet.end("two", DONE)
    assert fleet.started() == {"m-three": RunGoal.PREPARE}


def test_a_failure_beyond_the_error_budget_stops_further_starts(database: Database) -> None:
    """What is under way goes on."""
    fleet = StoredFleet(database)
    fleet.started()

    fleet.end("one", FAILED)

    assert fleet.started() == {}


def test_a_member_with_closed_gates_waits_until_they_may_have_opened(database: Database) -> None:
    """It is not started each second, and what wakes it begins no cutover without a slot."""
    stored = StoredFleet(database)
    stored.started()
    stored.end("one", STAGED)
    assert stored.started() == {"m-one": RunGoal.CUTOVER}

    stored.end("one", dataclasses.replace(STAGED, due_in=timedelta(minutes=10)))

    assert stored.started() == {}
    assert stored.runs.find("m-one").goal is RunGoal.PREPARE
    database.transact(lambda connection: wake_run(connection, "m-one", undelivered))
    stored.end("one", STAGED)
    assert stored.started() == {"m-one": RunGoal.CUTOVER}


def test_a_staged_member_whose_time_has_come_stays_within_the_limit(database: Database) -> None:
    """Another member of its account is under way, so it waits for that one, also if approved."""
    stored = StoredFleet(database)
    stored.started()
    stored.end("one", DONE)
    for member in ("two", "three"):
        stored.runs.start(f"m-{member}", RunGoal.CUTOVER, undelivered)
    stored.end("two", dataclasses.replace(STAGED, due_in=timedelta(minutes=-1)))

    assert stored.runs.wake_due(undelivered) == ()
    stored.runs.approve("m-two", StoredApproval("d", b"{}", ""), undelivered)

    held = [run.id for run in stored.runs.list() if run.member_progress.state in HOLDS_SLOT]
    assert held == ["m-three"]
    assert stored.started().keys() == {"m-four"}
    stored.end("three", DONE)
    assert stored.started() == {"m-two": RunGoal.CUTOVER}


def test_a_session_that_cannot_begin_keeps_its_slot_until_the_next_try(database: Database) -> None:
    """Such as without credentials: a worker resumes the run by itself, but not each second."""
    stored = StoredFleet(database)
    stored.started()

    waits = MemberProgress(MemberState.WAITING)
    stored.end("one", SessionEnd(timedelta(minutes=10), progress=waits, trouble="no credentials"))

    assert stored.runs.find("m-one").member_progress.state is MemberState.RUNNING
    assert stored.started() == {}


def test_nothing_starts_while_the_fleet_is_paused(database: Database) -> None:
    """It starts once the fleet is resumed."""
    fleet = StoredFleet(database)
    fleet.runs.set_state(FleetState.PAUSED, "bob@desk")
    assert fleet.started() == {}

    fleet.runs.set_state(FleetState.RUNNING, "bob@desk")

    assert fleet.started() == {"m-one": RunGoal.PREPARE}


def test_workers_that_decide_at_the_same_moment_start_a_member_once(database: Database) -> None:
    """One of them decides, and the others leave it to that one."""
    fleet = StoredFleet(database)

    with ThreadPoolExecutor(4) as pool:
        started = list(pool.map(lambda _: fleet.started(), range(4)))

    assert [each for each in started if each] == [{"m-one": RunGoal.PREPARE}]
    assert fleet.runs.find("m-one").wake == 1


def test_a_wave_is_approved_from_any_machine_as_it_is(
    database: Database, fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    """The approval is none of a changed wave; a wave without one cannot be approved."""
    text = FILE.replace("- name: canary\n", "- name: canary\n  approval: true\n")
    stored = StoredFleet(database, text)
    waits = fleet("status", "autumn")
    assert waits["waves"][0]["to_approve"]
    assert run_command(["fleet", "status", "autumn"]) == 0
    shown = capsys.readouterr().out
    assert "TO APPROVE WAVE canary\n  vpnmigrate fleet approve autumn --wave canary" in shown
    assert stored.started() == {}

    refused = str(fleet("approve", "autumn", "--wave", "rest", leaves=Exit.USAGE))
    fleet("approve", "autumn", "--wave", "canary")

    assert "these need one: canary" in refused
    campaign = stored.stored.campaign
    assert list(stored.campaigns.approved(stored.stored)) == ["canary"]
    canary = replace(campaign.waves[0], soak=timedelta(hours=1))
    changed = replace(campaign, waves=(canary, campaign.waves[1]))
    assert stored.campaigns.approved(StoredCampaign(changed, "", None)) == {}
    assert stored.started() == {"m-one": RunGoal.PREPARE}


def test_what_is_started_by_hand_keeps_away_from_campaigns(
    database: Database, fleet: Fleet
) -> None:
    """A campaign's rules start its members; another run at the site of one is refused by name."""
    stored = StoredFleet(database)
    for run in ("m-hand", "m-other"):
        stored_run(database, run, started=False)

    member = str(fleet("start", "m-one", leaves=Exit.REFUSED))
    fleet("start", "m-hand", "--prepare")
    beside = str(fleet("start", "m-other", leaves=Exit.REFUSED))

    assert "m-one is one of campaign autumn, whose rules start it" in member
    assert "run m-hand is under way at the same gateway vgw-old" in beside
    assert stored.runs.find("m-other").goal is RunGoal.NOTHING
    stored.end("hand", STAGED)
    fleet("start", "m-other")
    assert stored.runs.find("m-other").wants_work


def test_a_rollback_names_the_run_at_its_site(
    database: Database, fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is not refused: the new path may be the one that fails."""
    stored = StoredFleet(database)
    for run in ("m-hand", "m-other"):
        stored_run(database, run, started=False)
    fleet("start", "m-hand")
    stored.session("hand", Story().migrated().records, DONE)
    fleet("start", "m-other")

    assert run_command(["fleet", "rollback", "m-hand", "--yes"]) == 0

    warned = " ".join(capsys.readouterr().err.split())
    assert "Beware: run m-other is under way at the same gateway vgw-old" in warned
    assert stored.runs.find("m-hand").goal is RunGoal.ROLLBACK
