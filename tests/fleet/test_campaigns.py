"""Campaigns in a database: the workers start members by the rules of the file."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa

from tests.fleet.database_runs import acquired, stored_plan
from tests.support.builders import NOON
from vpnmigrate.fleet.database.campaigns import FleetCampaigns, StoredCampaign
from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.leases import SessionEnd
from vpnmigrate.fleet.database.runs import FleetRuns, RunPlace
from vpnmigrate.fleet.database.schema import FleetState, RunGoal
from vpnmigrate.fleet.progress import MemberProgress, MemberState

FILE = """
name: autumn
error_budget: 0
limits: {account: 1, region: 9, device: 9}
waves:
- name: canary
  members:
  - {id: one, account: "111111111111", region: eu-west-1, gateway: vgw-1, plan: one.json}
- name: rest
  members:
  - {id: two, account: "111111111111", region: eu-west-1, gateway: vgw-2, plan: two.json}
  - {id: three, account: "111111111111", region: eu-west-1, gateway: vgw-3, plan: three.json}
  - {id: four, account: "222222222222", region: eu-west-1, gateway: vgw-4, plan: four.json}
"""
MEMBERS = ("one", "two", "three", "four")
STAGED = SessionEnd(progress=MemberProgress(MemberState.STAGED))
DONE = SessionEnd(progress=MemberProgress(MemberState.DONE, NOON))
FAILED = SessionEnd(progress=MemberProgress(MemberState.FAILED))


class Fleet:
    """A campaign of four members in a database, whose sessions the test ends."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.campaigns = FleetCampaigns(database)
        self.runs = FleetRuns(database)
        self.campaigns.add(StoredCampaign("autumn", FILE, None))
        for member in MEMBERS:
            at = RunPlace(campaign="autumn", member=member)
            plan = stored_plan(f"m-{member}")
            self.runs.add(plan, b"", "alice@laptop/1", at)

    def started(self) -> dict[str, RunGoal]:
        """Start what may be started now, and return it."""
        return dict(self.campaigns.start_next(NOON, self._deliver))

    def end(self, member: str, end: SessionEnd) -> None:
        """Let a worker begin a session of *member*, and end it like *end*."""
        acquired(self._database, run=f"m-{member}").release(end)

    def _deliver(self, _connection: sa.Connection, run: str) -> None:
        """Deliver nothing: the test takes the run itself."""


def test_members_start_in_waves_and_within_the_limits_of_their_account(database: Database) -> None:
    """The canary is prepared, cut over and done before the rest; one of an account at a time."""
    fleet = Fleet(database)

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
    fleet = Fleet(database)
    fleet.started()

    fleet.end("one", FAILED)

    assert fleet.started() == {}


def test_nothing_starts_while_the_fleet_is_paused(database: Database) -> None:
    """It starts once the fleet is resumed."""
    fleet = Fleet(database)
    fleet.runs.set_state(FleetState.PAUSED, "bob@desk")
    assert fleet.started() == {}

    fleet.runs.set_state(FleetState.RUNNING, "bob@desk")

    assert fleet.started() == {"m-one": RunGoal.PREPARE}


def test_workers_that_decide_at_the_same_moment_start_a_member_once(database: Database) -> None:
    """One of them decides, and the others leave it to that one."""
    fleet = Fleet(database)

    with ThreadPoolExecutor(4) as pool:
        started = list(pool.map(lambda _: fleet.started(), range(4)))

    assert [each for each in started if each] == [{"m-one": RunGoal.PREPARE}]
    assert fleet.runs.find("m-one").wake == 1
