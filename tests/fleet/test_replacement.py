"""Replacement of a campaign that has begun, by an edited file."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tests.fleet.database_campaigns import DONE, STAGED, StoredFleet
from tests.fleet.database_runs import acquired, stored_plan, stored_run, undelivered
from tests.fleet.test_schedule import member
from tests.support.journals import Story
from vpnmigrate.fleet.campaign import Campaign, FleetLimits, Wave
from vpnmigrate.fleet.database.campaigns import StoredCampaign
from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.leases import SessionEnd
from vpnmigrate.fleet.database.schema import RunGoal
from vpnmigrate.fleet.progress import MemberProgress, MemberState
from vpnmigrate.fleet.replacement import replacement_faults
from vpnmigrate.model.errors import RefusedError

ROLLED_BACK = SessionEnd(progress=MemberProgress(MemberState.ROLLED_BACK))
A, B, C, D = (member(id_) for id_ in "abcd")
BEGUN = {"a": MemberState.DONE, "b": MemberState.STAGED, "d": MemberState.ROLLED_BACK}


def campaign(*waves: tuple[str, tuple[Any, ...]], **changed: Any) -> Campaign:
    return Campaign("c", tuple(Wave(name, members) for name, members in waves), **changed)


BEFORE = campaign(("one", (A,)), ("two", (B, C, D)), ("three", (member("e"),)))


@pytest.mark.parametrize(
    "after",
    [
        replace(BEFORE, limits=FleetLimits(device=9), error_budget=3),
        # What has not begun is removed, moved, changed and added, also within a wave that has.
        campaign(("one", (A,)), ("two", (B,)), ("three", (C, member("f"))), ("four", ())),
        campaign(("one", (A,)), ("two", (B, replace(C, devices=("x",)), D))),
        # What was rolled back is moved to a later wave, and a name is for people.
        campaign(("one", (replace(A, name="Paris"),)), ("two", (B, C)), ("later", (D,))),
        campaign(("one", (A,)), ("two", (B, C)), ("new", ()), ("three", (member("e"),))),
        replace(
            BEFORE, waves=(replace(BEFORE.waves[0], soak=timedelta(days=1)), *BEFORE.waves[1:])
        ),
    ],
)
def test_what_has_not_begun_may_change(after: Campaign) -> None:
    """Limits, freezes, the error budget, waves and members that have not begun."""
    assert list(replacement_faults(BEFORE, after, BEGUN)) == []


@pytest.mark.parametrize(
    ("after", "faults"),
    [
        (campaign(("one", (A,)), ("two", (C, D))), ["b is staged, and is removed"]),
        (
            campaign(("one", (A, B)), ("two", (C, D))),
            ["b is staged, and is moved from wave two to one"],
        ),
        (
            campaign(("one", (A,)), ("two", (replace(B, devices=("x",), vpc="v"), C, D))),
            ["b is staged, and these of it change: vpc, devices"],
        ),
        (
            campaign(("one", (A,)), ("new", ()), ("two", (B, C, D))),
            ["wave two has begun, and the first waves are not one, two"],
        ),
    ],
)
def test_what_has_begun_is_named(after: Campaign, faults: list[str]) -> None:
    """A member that is migrated, staged or under way; and the waves up to it."""
    assert list(replacement_faults(BEFORE, after, BEGUN)) == faults


def test_a_campaign_that_has_begun_is_replaced(database: Database) -> None:
    """The workers start by the new rules; the runs of removed members are gone."""
    stored = StoredFleet(database)
    stored.started()
    stored.end("one", DONE)
    canary, rest = stored.stored.campaign.waves
    fewer = replace(rest, members=rest.members[1:])
    wide = replace(
        stored.stored.campaign, waves=(canary, fewer), limits=FleetLimits(account=9, region=9)
    )

    stored.put(StoredCampaign(wide, "new", None))

    assert stored.campaigns.find("autumn").campaign.limits.account == 9
    assert {run.id for run in stored.runs.list()} == {"m-one", "m-three", "m-four"}
    assert stored.started() == {"m-three": RunGoal.PREPARE, "m-four": RunGoal.PREPARE}
    stored.end("three", STAGED)
    with pytest.raises(RefusedError, match="three is staged, and is removed; wave rest"):
        stored.put(StoredCampaign(replace(wide, waves=(canary,)), "newer", None))
    assert stored.campaigns.find("autumn").text == "new"


def test_a_member_gets_a_new_plan_before_it_begins_and_after_a_rollback(
    database: Database,
) -> None:
    """The run of the old plan is kept without its campaign if it has a journal."""
    stored = StoredFleet(database)
    stored.put(stored.stored, two=stored_plan("m-again"))
    assert {run.id for run in stored.runs.list()} == {*("m-one", "m-again", "m-three", "m-four")}
    stored.started()
    lease = stored.open_session("one", Story().opened().records)
    with pytest.raises(RefusedError, match="one is running, and its plan changes"):
        stored.put(stored.stored, one=stored_plan("m-new"), two=stored_plan("m-again"))

    lease.release(ROLLED_BACK)
    stored.put(stored.stored, one=stored_plan("m-new"), two=stored_plan("m-again"))

    assert stored.runs.find("m-one").campaign is None
    assert stored.runs.find("m-new").member == "one"
    assert stored.started() == {"m-new": RunGoal.PREPARE}


def test_a_plan_belongs_to_one_campaign(database: Database) -> None:
    """A run that was started by hand becomes the member's; one of another campaign does not."""
    stored = StoredFleet(database)
    other = replace(stored.stored.campaign, name="winter", waves=stored.stored.campaign.waves[:1])

    with pytest.raises(RefusedError, match="the plan of one is that of one in autumn"):
        stored.put(StoredCampaign(other, "", None))

    stored_run(database, "m-hand", started=False)
    stored.runs.start("m-hand", RunGoal.PREPARE, undelivered)
    acquired(database, run="m-hand").release(STAGED)
    stored.put(StoredCampaign(other, "", None), one=stored_plan("m-hand"))
    assert stored.runs.find("m-hand").campaign == "winter"
