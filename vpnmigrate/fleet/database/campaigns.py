"""Campaigns in a fleet's database: which members start, decided by one worker at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql

from vpnmigrate.fleet.calendar import Freeze, freezes_between
from vpnmigrate.fleet.campaign import Campaign, FleetMember, Wave
from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.leases import database_now
from vpnmigrate.fleet.database.messages import Deliver
from vpnmigrate.fleet.database.run_rows import FleetRun, WaitingOrder
from vpnmigrate.fleet.database.runs import (
    FleetRuns,
    NewRun,
    order_run,
    put_run,
    remove_run,
    start_run,
)
from vpnmigrate.fleet.database.schema import CAMPAIGNS, WAVE_APPROVALS, FleetState, RunGoal
from vpnmigrate.fleet.grouping import member_of_plan
from vpnmigrate.fleet.names import first_of
from vpnmigrate.fleet.progress import (
    AT_DEVICE,
    HOLDS_SLOT,
    CampaignProgress,
    MemberProgress,
    MemberState,
)
from vpnmigrate.fleet.replacement import replacement_faults
from vpnmigrate.fleet.run_terms import RunTerms
from vpnmigrate.fleet.schedule import StartKind
from vpnmigrate.fleet.shared_sites import (
    CampaignFacts,
    SiteHolder,
    holders_of,
    orders_across,
    shared_path,
    starts_across,
)
from vpnmigrate.model.errors import RefusedError, UsageError
from vpnmigrate.model.errors.commands import cli

_SCHEDULER: Final = 0x76706E66
"""Key of the advisory lock of the worker that decides about starts."""
_GOALS: Final = {StartKind.PREPARE: RunGoal.PREPARE, StartKind.CUTOVER: RunGoal.CUTOVER}


@dataclass(frozen=True)
class StoredCampaign:
    """A campaign with the text of its file; *calendar* is the file that it names, if it does."""

    campaign: Campaign
    text: str
    calendar: bytes | None

    @property
    def name(self) -> str:
        """The name of the campaign."""
        return self.campaign.name

    def freezes_at(self, now: datetime) -> tuple[Freeze, ...]:
        """Return the freezes that concern a start at *now*."""
        rule = self.campaign.freeze
        if rule is None or self.calendar is None:
            return ()
        return freezes_between(self.calendar, rule.calendar, now, now + rule.margin)


class FleetCampaigns:
    """The campaigns in *database*."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._runs = FleetRuns(database)
        self._planned: dict[tuple[str, str], FleetMember] = {}
        """The sites of runs without a campaign, by id and plan."""

    def put(self, given: StoredCampaign, runs: Sequence[NewRun], who: str) -> None:
        """Add a campaign with the *runs* of its members for the operator *who*, or replace it.

        A member whose plan is another one than before gets the new plan if it has not begun or was
        rolled back.

        Raises:
            RefusedError: It changes something that has begun; then nothing is changed.
            DatabaseError: The database does not answer.
        """
        values = {
            "text": given.text,
            "document": msgspec.json.encode(given.campaign),
            "calendar": given.calendar,
            "changed_by": who,
            "changed_at": database_now(),
        }
        insert = postgresql.insert(CAMPAIGNS).values(name=given.name, **values)
        upsert = insert.on_conflict_do_update(index_elements=[CAMPAIGNS.c.name], set_=values)

        def work(connection: Connection) -> None:
            # Nothing starts meanwhile.
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SCHEDULER)))
            every, kept = self._runs.list(), {run.plan.migration for run in runs}
            mine = [run for run in every if run.campaign == given.name]
            states = {run.member: run.state_of_plan for run in mine}
            stored = self.find(given.name) if given.name in self.names() else given
            faults = [
                *replacement_faults(stored.campaign, given.campaign, states),
                *_plan_faults(every, given.name, runs),
            ]
            if faults:
                staged = [*_staged_with_another_plan(every, given.name, runs)]
                raise _irreplaceable(given.name, faults, staged)
            connection.execute(upsert)
            for run in every:
                if run.campaign == given.name and run.id not in kept:
                    remove_run(connection, run)
            for each in runs:
                put_run(connection, each)

        self._database.transact(work)

    def names(self) -> tuple[str, ...]:
        """Return the names of all campaigns, sorted."""
        ordered = sa.select(CAMPAIGNS.c.name).order_by(CAMPAIGNS.c.name)
        return tuple(self._database.execute(lambda c: c.execute(ordered).scalars().all()))

    def list(self) -> tuple[StoredCampaign, ...]:
        """Return all campaigns, sorted by name."""
        ordered = _CAMPAIGN.order_by(CAMPAIGNS.c.name)
        rows = self._database.execute(lambda connection: connection.execute(ordered).all())
        return tuple(_stored(*row) for row in rows)

    def find(self, name: str) -> StoredCampaign:
        """Return the campaign *name*.

        Raises:
            UsageError: There is none.
            DatabaseError: The database does not answer.
        """
        chosen = _CAMPAIGN.where(CAMPAIGNS.c.name == name)
        row = self._database.execute(lambda connection: connection.execute(chosen).first())
        if row is None:
            raise UsageError(
                f"the database has no campaign {name!r}",
                advice=("list campaigns and runs:", cli("fleet", "status")),
            )
        return _stored(*row)

    def approve(self, name: str, wave: Wave, who: str) -> None:
        """Note that *who* approves that *wave* of the campaign *name* begins as it is now."""
        insert = postgresql.insert(WAVE_APPROVALS).values(
            campaign=name,
            wave=wave.name,
            digest=wave.digest,
            approver=who,
            approved_at=database_now(),
        )
        self._database.execute(lambda c: c.execute(insert.on_conflict_do_nothing()))

    def approved(self, stored: StoredCampaign) -> dict[str, str]:
        """Return who has approved the waves of the campaign as they are now, by their names."""
        columns = WAVE_APPROVALS.c.digest, WAVE_APPROVALS.c.approver
        chosen = sa.select(*columns).where(WAVE_APPROVALS.c.campaign == stored.name)
        rows = self._database.execute(lambda connection: connection.execute(chosen).all())
        given = {row.digest: row.approver for row in rows}
        return {
            wave.name: given[wave.digest]
            for wave in stored.campaign.waves
            if wave.approval and wave.digest in given
        }

    def facts(
        self, stored: StoredCampaign, runs: Sequence[FleetRun], now: datetime, paused: str = ""
    ) -> CampaignFacts:
        """Return what the campaign with *runs* is scheduled from; *paused* is why nothing starts.

        The runs of other campaigns are left out.
        """
        members = _members(runs, stored.name)
        mine = (run for run in runs if run.campaign == stored.name)
        held = frozenset(run.member for run in mine if run.due_at is not None)
        progress = CampaignProgress(members, self.approved(stored), paused, held)
        return CampaignFacts(stored.campaign, progress, stored.freezes_at(now))

    def alone(
        self, campaigns: Iterable[StoredCampaign], runs: Iterable[FleetRun]
    ) -> Iterator[SiteHolder]:
        """Yield the *runs* that hold a slot or are staged, and belong to none of *campaigns*."""
        known = {(each.name, member.id) for each in campaigns for member in each.campaign.members}
        for run in runs:
            state = run.member_progress.state
            if (run.campaign, run.member) not in known and state in AT_DEVICE:
                yield SiteHolder("", self._member_of(run), state)

    def holders(self, runs: Sequence[FleetRun]) -> Sequence[SiteHolder]:
        """Return all of *runs* that hold a slot or are staged."""
        campaigns = self.list()
        found = [*self.alone(campaigns, runs)]
        for each in campaigns:
            found += holders_of(each.campaign, CampaignProgress(_members(runs, each.name)))
        return found

    def start_next(self, now: datetime, deliver: Deliver) -> tuple[tuple[str, RunGoal], ...]:
        """Start the members that may start at *now*; return their runs, and how far each goes.

        Orders that wait for a slot come first, also while the fleet is paused.  Only one worker
        decides at a time; the others skip the decision.

        Raises:
            DatabaseError: The database does not answer.
        """
        state = self._runs.state()
        if state is FleetState.STOPPED or not self.names():
            return ()

        def work(connection: Connection) -> tuple[tuple[str, RunGoal], ...]:
            lock = sa.select(sa.func.pg_try_advisory_xact_lock(_SCHEDULER))
            if not connection.execute(lock).scalar_one():
                return ()
            # Committed by then: what the worker that had the lock before has started.
            runs = self._runs.list()
            begun = {run.id: run.ordered for run, why in self.order_waits(runs) if not why}
            for id_, order in begun.items():
                if order is not None:
                    start_run(connection, id_, order.goal, deliver, order.terms)
            if begun:
                # What else may start is decided next time, when this is committed.
                return tuple((id_, order.goal) for id_, order in begun.items() if order)
            started = tuple(self._starts(runs, now)) if state is FleetState.RUNNING else ()
            for run, goal in started:
                start_run(connection, run, goal, deliver)
            return started

        return self._database.transact(work)

    def _starts(self, runs: Sequence[FleetRun], now: datetime) -> Iterator[tuple[str, RunGoal]]:
        campaigns = self.list()
        facts = [self.facts(each, runs, now) for each in campaigns]
        by_member = {(run.campaign, run.member): run.id for run in runs}
        for name, start in starts_across(facts, self.alone(campaigns, runs), now):
            if (run := by_member.get((name, start.member))) is not None:
                yield run, _GOALS[start.kind]

    def order(self, orders: Mapping[str, WaitingOrder], deliver: Deliver) -> None:
        """Order what members of a wave do; each waits for a slot, unless its run has one already.

        Raises:
            DatabaseError: The database does not answer.
        """

        def work(connection: Connection) -> None:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SCHEDULER)))
            for run in self._runs.list():
                if (order := orders.get(run.id)) is None:
                    continue
                if run.member_progress.state in HOLDS_SLOT:
                    start_run(connection, run.id, order.goal, deliver, order.terms)
                else:
                    order_run(connection, run.id, order)

        self._database.transact(work)

    def withdraw(self, runs: Collection[str]) -> None:
        """Withdraw the orders of *runs* that wait for a slot."""

        def work(connection: Connection) -> None:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SCHEDULER)))
            for run in runs:
                order_run(connection, run, None)

        self._database.transact(work)

    def order_waits(self, runs: Sequence[FleetRun]) -> Iterator[tuple[FleetRun, str]]:
        """Yield each of all *runs* that has an order, and why that waits; empty if it may begin."""
        ordered = {(run.campaign or "", run.member): run for run in runs if run.ordered is not None}
        if not ordered:
            return
        campaigns = self.list()
        facts = [
            CampaignFacts(each.campaign, CampaignProgress(_at_work(runs, each.name)))
            for each in campaigns
        ]
        for campaign, member, why in orders_across(facts, self.alone(campaigns, runs), [*ordered]):
            yield ordered[campaign, member], why

    def start_by_hand(self, terms: Mapping[str, RunTerms], goal: RunGoal, deliver: Deliver) -> None:
        """Start runs that no campaign starts, each with its *terms*.

        Raises:
            RefusedError: A campaign's rules start it, or another run is at its site; then none of
                them is started.
            DatabaseError: The database does not answer.
        """

        def work(connection: Connection) -> None:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SCHEDULER)))
            runs = self._runs.list()
            holders = [*self.holders(runs)]
            for run in runs:
                if run.id in terms:
                    self._require_free(run, holders)
                    holders.append(SiteHolder("", self._member_of(run), MemberState.CUTOVER))
                    start_run(connection, run.id, goal, deliver, terms[run.id])

        self._database.transact(work)

    def neighbour_of(self, run: FleetRun) -> str:
        """Return which other run is under way at the site of *run*, and where; empty for none."""
        mine, every = self._member_of(run), self._runs.list()
        others = [each for each in every if each.id != run.id]
        return next(self._at_site(mine, self.holders(others)), "")

    def _at_site(self, mine: FleetMember, holders: Iterable[SiteHolder]) -> Iterator[str]:
        for each in holders:
            if each.state in HOLDS_SLOT and (path := shared_path(mine, each.member)):
                yield f"{each.label} is under way at the same {path}"

    def _require_free(self, run: FleetRun, holders: Iterable[SiteHolder]) -> None:
        state = run.member_progress.state
        if run.to_roll_back:
            raise RefusedError(
                f"a rollback of run {run.id} is ordered, and waits for a slot; nothing was started",
                advice=(
                    "to see what it waits for:",
                    cli("fleet", "status", run.campaign or run.id),
                ),
            )
        if run.campaign is not None and state in {MemberState.WAITING, MemberState.STAGED}:
            raise RefusedError(
                f"run {run.id} is {run.member} of campaign {run.campaign}, whose rules start it",
                advice=("to see what it waits for:", cli("fleet", "status", run.campaign)),
            )
        if state in HOLDS_SLOT or state is MemberState.DONE:
            return  # It continues at its site, or is left as it is.
        for where in self._at_site(self._member_of(run), holders):
            raise RefusedError(
                f"{where}; nothing was started",
                advice=("start it after that:", cli("fleet", "status")),
            )

    def _member_of(self, run: FleetRun) -> FleetMember:
        """Return *run* as a member, with the resources of its plan that others may share."""
        key = run.id, run.fingerprint
        if key not in self._planned:
            plan, _text = self._runs.plan(run.id)
            self._planned[key] = member_of_plan(f"run {run.id}", plan, "")
        return self._planned[key]


def _members(runs: Iterable[FleetRun], campaign: str) -> dict[str, MemberProgress]:
    """Return the progress of the members of *campaign* that have one of *runs*."""
    return {run.member: run.member_progress for run in runs if run.campaign == campaign}


def _at_work(runs: Iterable[FleetRun], campaign: str) -> dict[str, MemberProgress]:
    """Return the same with a slot for each run that is being finalized."""
    found = _members(runs, campaign)
    for run in runs:
        finalizes = run.goal is RunGoal.FINALIZE and (run.alive or run.wants_work)
        if run.campaign == campaign and finalizes:
            found[run.member] = MemberProgress(MemberState.CUTOVER)
    return found


def _plan_faults(known: Iterable[FleetRun], campaign: str, runs: Sequence[NewRun]) -> Iterator[str]:
    """Yield the changes that the plans of *runs* make to *known* runs that have begun."""
    by_member = {run.at.member: run.plan for run in runs}
    by_id = {str(run.plan.migration): run for run in runs}
    for run in known:
        mine = run.campaign == campaign
        plan = by_member.get(run.member) if mine else None
        if mine and plan is not None and plan.fingerprint != run.fingerprint:
            if run.keeps_plan:
                yield f"{run.member} is {run.state_of_plan}, and its plan changes"
        elif not mine and (given := by_id.get(run.id)) is not None:
            if run.campaign is not None:
                yield f"the plan of {given.at.member} is that of {run.member} in {run.campaign}"
            elif given.plan.fingerprint != run.fingerprint:
                yield f"run {run.id} is in the database with another plan"


def _staged_with_another_plan(
    known: Iterable[FleetRun], campaign: str, runs: Sequence[NewRun]
) -> Iterator[FleetRun]:
    """Yield the *known* runs of staged members that have another plan among *runs*."""
    fingerprints = {run.at.member: run.plan.fingerprint for run in runs}
    for run in known:
        changes = fingerprints.get(run.member, run.fingerprint) != run.fingerprint
        if run.campaign == campaign and run.state_of_plan is MemberState.STAGED and changes:
            yield run


def _irreplaceable(name: str, faults: Sequence[str], staged: Sequence[FleetRun]) -> RefusedError:
    shown = first_of(faults, _FAULTS, "; ")
    if staged:
        why = (
            "to keep the plan of the database, restore its file with fleet plan --again; a new "
            "plan needs a rollback first, which interrupts nothing:"
        )
        return RefusedError(
            f"campaign {name} cannot change what has begun: {shown}; nothing was changed",
            advice=(why, cli("fleet", "rollback", staged[0].id)),
        )
    return RefusedError(
        f"campaign {name} cannot change what has begun: {shown}; nothing was changed",
        advice=(
            "change what has not begun, limits, freeze, error budget or accounts; to see it:",
            cli("fleet", "status", name),
        ),
    )


_FAULTS: Final = 3
"""Faults that a message lists."""
_CAMPAIGN: Final = sa.select(CAMPAIGNS.c.document, CAMPAIGNS.c.text, CAMPAIGNS.c.calendar)


def _stored(document: bytes, text: str, calendar: bytes | None) -> StoredCampaign:
    return StoredCampaign(_campaign(document), text, calendar)


@lru_cache(maxsize=16)
def _campaign(document: bytes) -> Campaign:
    return msgspec.json.decode(document, type=Campaign)
