"""Orders for a wave of a campaign: what each member does, in slots, and what is refused."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from itertools import combinations
from random import Random
from typing import Any

import pytest

from tests.fleet.conftest import Fleet
from tests.fleet.database_campaigns import DONE, FAILED, STAGED, StoredFleet
from tests.fleet.database_runs import stored_plan, undelivered
from tests.fleet.test_schedule import random_campaign, same_site
from tests.support.builders import NOON
from tests.support.journals import OPENED, Story
from vpnmigrate.cli.main import run_command
from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.leases import SessionEnd
from vpnmigrate.fleet.database.rehearsals import FleetRehearsals
from vpnmigrate.fleet.database.schema import FleetState, RunGoal
from vpnmigrate.fleet.progress import CampaignProgress, MemberProgress, MemberState
from vpnmigrate.fleet.schedule import order_waits
from vpnmigrate.journal.records import OutageBegan
from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.errors import Exit

ROLLED_BACK = SessionEnd(progress=MemberProgress(MemberState.ROLLED_BACK))
WAVE = ("autumn", "--wave", "rest")


@pytest.fixture
def stored(database: Database) -> StoredFleet:
    """A campaign whose canary is done, with a wave of which two members are done, one staged."""
    stored = StoredFleet(database)
    stored.started()
    stored.session("one", Story().migrated().records, DONE)
    for member in ("two", "four"):
        stored.runs.start(f"m-{member}", RunGoal.CUTOVER, undelivered)
        stored.session(member, Story().migrated().records, DONE)
    stored.runs.start("m-three", RunGoal.PREPARE, undelivered)
    stored.session("three", Story().staged().records, STAGED)
    return stored


def results(document: dict[str, Any]) -> dict[str, str]:
    return {row["id"]: row["result"] for row in document["members"]}


def test_a_wave_is_rolled_back_in_slots_although_the_error_budget_is_used_up(
    stored: StoredFleet, fleet: Fleet
) -> None:
    """One of an account at a time, also while the fleet is paused; no cutover begins meanwhile."""
    stored.runs.set_state(FleetState.PAUSED, "bob@desk")

    found = fleet("rollback", *WAVE, "--yes")

    assert results(found) == dict.fromkeys(("two", "three", "four"), "ordered")
    assert [row["interrupts"] for row in found["members"]] == [True, False, True]
    assert stored.started() == {"m-two": RunGoal.ROLLBACK, "m-four": RunGoal.ROLLBACK}
    assert stored.started() == {}
    shown = {row["id"]: row for row in fleet("status", "autumn")["members"]}
    assert shown["three"]["state"] == "to roll back"
    assert "the limit of account 111111111111, 1, is reached" in shown["three"]["waiting_for"]
    stored.runs.set_state(FleetState.RUNNING, "bob@desk")
    assert stored.started() == {}
    for words in (("start", "m-three"), ("finalize", "m-three")):
        assert "is ordered, and waits for a slot" in str(fleet(*words, leaves=Exit.REFUSED))

    stored.end("two", ROLLED_BACK)

    assert stored.started() == {"m-three": RunGoal.ROLLBACK}
    assert stored.runs.find("m-three").terms.who != ""


@pytest.mark.usefixtures("fleet")
def test_what_holds_a_slot_is_rolled_back_at_once(
    stored: StoredFleet, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its traffic may be down, so it does not wait for a limit that it counts for itself."""
    stored.runs.start("m-two", RunGoal.CUTOVER, undelivered)
    stored.session("two", [OPENED, OutageBegan(NOON)], FAILED)

    assert run_command(["fleet", "rollback", *WAVE, "--yes"]) == Exit.DONE

    assert "two, failed: restores traffic, which is down" in capsys.readouterr().err
    assert stored.runs.find("m-two").goal is RunGoal.ROLLBACK
    assert stored.started() == {"m-four": RunGoal.ROLLBACK}


def test_what_a_worker_migrates_is_refused_and_the_rest_is_ordered_once(
    stored: StoredFleet, fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is 1, and a second order changes nothing.

    The abort of the refused run can be pasted, from the text too: with the address of the
    database, and on lines of its own, which only a backslash continues.
    """
    lease = stored.open_session("three", [OPENED])

    found = fleet("rollback", *WAVE, "--yes", leaves=Exit.FAILED)

    rows = {row["id"]: row for row in found["members"]}
    assert results(found) == {"two": "ordered", "three": "refused", "four": "ordered"}
    lead, command = rows["three"]["advice"].split(": ")
    assert command.startswith("vpnmigrate fleet abort m-three --database 'postgresql://")
    assert run_command(["fleet", "rollback", *WAVE, "--yes"]) == Exit.FAILED
    pasted = [each.strip() for each in re.sub(r" \\\n *", " ", capsys.readouterr().out).split("\n")]
    assert pasted[pasted.index(f"{lead}:") + 1] == command
    lease.release(STAGED)
    assert results(fleet("rollback", *WAVE, "--yes")) == {
        "two": "left",
        "three": "ordered",
        "four": "left",
    }


@pytest.mark.usefixtures("fleet")
def test_a_wave_needs_the_consent_of_the_operator_once(
    stored: StoredFleet, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a terminal it names the option; what it would do has been shown by then."""
    assert run_command(["fleet", "rollback", *WAVE]) == Exit.HELD

    shown = " ".join(capsys.readouterr().err.split())
    assert "two, done: interrupts traffic for about" in shown
    assert "three, staged: interrupts nothing" in shown
    assert "vpnmigrate fleet rollback autumn --wave rest --yes" in shown
    assert all(run.ordered is None for run in stored.runs.list())


@pytest.mark.usefixtures("fleet")
def test_a_rollback_is_as_long_as_in_the_rehearsal_of_another_operator(
    stored: StoredFleet, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is in the database; without one, the length is an estimate."""
    rehearsed = RehearsalResult(
        fingerprint=stored_plan("m-two").fingerprint,
        at=NOON,
        tool="0.1.0",
        passed=True,
        cutover=timedelta(minutes=2),
        back={10: timedelta(minutes=17)},
    )
    FleetRehearsals(database).put([rehearsed], "ann@desk", undelivered)

    assert run_command(["fleet", "rollback", *WAVE]) == Exit.HELD

    shown = " ".join(capsys.readouterr().err.split())
    assert "two, done: interrupts traffic for about 17 min (rehearsed 2" in shown
    assert shown.count("not rehearsed") == 1


def test_orders_that_wait_are_withdrawn(stored: StoredFleet, fleet: Fleet) -> None:
    """The terms of the start are in force again, and the rules of the campaign."""
    before = stored.runs.find("m-three")
    fleet("rollback", *WAVE, "--yes")
    stored.started()

    found = fleet("rollback", *WAVE, "--withdraw")

    assert results(found) == {"two": "left", "three": "withdrawn", "four": "left"}
    after = stored.runs.find("m-three")
    assert (after.goal, after.terms, after.ordered) == (before.goal, before.terms, None)
    assert after.member_progress.state is MemberState.STAGED


def test_a_wave_is_finalized_by_the_names_of_all_its_connections(
    stored: StoredFleet, fleet: Fleet
) -> None:
    """A name that is missing is named; what has not migrated is refused, and keeps its own."""
    names = [w for name in stored_plan().old_connections for w in ("--confirm", name)]
    unnamed = str(fleet("finalize", *WAVE, leaves=Exit.USAGE))
    assert "not named: " in unnamed
    assert stored.runs.find("m-two").ordered is None
    assert "not an old connection" in str(
        fleet("finalize", *WAVE, *names, "--confirm", "vpn-other", leaves=Exit.USAGE)
    )

    for result in ("ordered", "left"):
        found = fleet("finalize", *WAVE, *names, "--delete-old-gateway", leaves=Exit.FAILED)
        assert results(found) == {"two": result, "three": "refused", "four": result}

    assert stored.started() == {"m-two": RunGoal.FINALIZE, "m-four": RunGoal.FINALIZE}
    assert stored.runs.find("m-two").terms.delete_old_gateway
    assert stored.runs.find("m-two").member_progress.state is MemberState.DONE


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("rollback", "autumn", "--wave", "other", "--yes"), "its waves: canary, rest"),
        (("rollback", "winter", "--wave", "rest", "--yes"), "has no campaign"),
        (("rollback", "m-two", "--withdraw"), "--withdraw is for the orders of a wave"),
        (("finalize", *WAVE, "--force", "soak", "--reason", "r"), "are for one run"),
    ],
)
def test_what_is_no_wave_is_refused(
    stored: StoredFleet, fleet: Fleet, words: tuple[str, ...], said: str
) -> None:
    """Nothing is ordered then."""
    assert said in str(fleet(*words, leaves=Exit.USAGE))
    assert all(run.ordered is None for run in stored.runs.list())


def test_a_random_wave_that_is_rolled_back_never_takes_both_paths_of_a_site() -> None:
    """Within the limits, without an end that leaves an order: 2,000 random fleets."""
    for seed in range(2_000):
        random = Random(seed)
        plan = random_campaign(random)
        waiting = {each.id for each in plan.members}
        while waiting:
            known = {id_: MemberProgress(MemberState.TO_ROLL_BACK) for id_ in waiting}
            begun = [
                each for each, why in order_waits(plan, CampaignProgress(known), waiting) if not why
            ]

            assert begun
            assert not any(same_site(*pair) for pair in combinations(begun, 2))
            assert max(Counter(each.account for each in begun).values()) <= plan.limits.account
            assert max(Counter(each.region for each in begun).values()) <= plan.limits.region
            waiting -= {each.id for each in begun}
