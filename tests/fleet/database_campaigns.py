"""A campaign of four members in a database, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from tests.fleet.database_runs import (
    acquired,
    endure,
    lapse,
    opened_journal,
    stored_plan,
    undelivered,
)
from tests.support.builders import NOON
from vpnmigrate.cli.context import CommandContext
from vpnmigrate.cli.dependencies import Dependencies, RealDependencies
from vpnmigrate.cli.fleet_journals import FleetJournals
from vpnmigrate.fleet.campaign import campaign_from
from vpnmigrate.fleet.database.campaigns import FleetCampaigns, StoredCampaign
from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.leases import Lease, SessionEnd
from vpnmigrate.fleet.database.runs import FleetRuns, NewRun, RunPlace
from vpnmigrate.fleet.database.schema import RunGoal
from vpnmigrate.fleet.progress import MemberProgress, MemberState
from vpnmigrate.journal.records import Record
from vpnmigrate.local.settings import settings_of
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.errors.commands import Invocation
from vpnmigrate.model.plan import Plan
from vpnmigrate.report.console import Console, TextResults
from vpnmigrate.report.fleet_runs import summary_of

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
STAGED = SessionEnd(progress=MemberProgress(MemberState.STAGED))
DONE = SessionEnd(progress=MemberProgress(MemberState.DONE, NOON))
FAILED = SessionEnd(progress=MemberProgress(MemberState.FAILED))


def a_command_context(
    home: Path = Path("/nowhere"), parts: Dependencies | None = None
) -> CommandContext:
    """Return the context of a command with its runs in *home*."""
    return CommandContext(
        parts or RealDependencies(),
        Console(),
        TextResults(),
        settings_of({}, home),
        Invocation(),
        folder="",
    )


class StoredFleet:
    """A campaign of four members in a database, whose sessions the test ends."""

    def __init__(self, database: Database, text: str = FILE) -> None:
        self._database = database
        self.stored = StoredCampaign(campaign_from(text, "autumn"), text, None)
        self._journals = FleetJournals(a_command_context(), database)
        self.campaigns = FleetCampaigns(database)
        self.runs = FleetRuns(database)
        self.put(self.stored)

    def put(self, given: StoredCampaign, **plans: Plan) -> None:
        """Add the campaign with the plan of each member, or replace it."""
        runs = [
            NewRun(plan, msgspec.json.encode(plan), "alice@laptop/1", at)
            for member in given.campaign.members
            for at in [RunPlace(campaign=given.name, member=member.id)]
            for plan in [plans.get(member.id) or stored_plan(f"m-{member.id}")]
        ]
        self.campaigns.put(given, runs, "alice@laptop")

    def started(self) -> dict[str, RunGoal]:
        """Start what may be started now, and return it."""
        return dict(self.campaigns.start_next(NOON, undelivered))

    def end(self, member: str, end: SessionEnd) -> None:
        """Let a worker begin a session of *member*, and end it like *end*."""
        acquired(self._database, run=f"m-{member}").release(end)

    def session(self, member: str, records: Sequence[Record], end: SessionEnd) -> None:
        """Let a worker write *records* in a session of *member*, which ends like *end*."""
        lease = self.open_session(member, records)
        view = self._journals.view(self.runs.find(lease.run))
        lease.release(replace(end, summary=summary_of(view)))

    def open_session(self, member: str, records: Sequence[Record]) -> Lease:
        """Let a worker begin a session of *member* and write *records*."""
        lease = acquired(self._database, run=f"m-{member}")
        opened_journal(self._database, lease, clock=VirtualClock(NOON)).write(*records)
        endure(self._database)
        return lease

    def lapse(self) -> None:
        """End every lease, as if its worker had died."""
        lapse(self._database)
