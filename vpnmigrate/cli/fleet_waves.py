"""Orders for a wave of a campaign: what each of its members does, shown and asked once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec

from vpnmigrate.cli.context import CommandContext
from vpnmigrate.cli.fleet_actions import is_reached
from vpnmigrate.cli.fleet_journals import FleetJournals
from vpnmigrate.cli.options import PromptOptions
from vpnmigrate.cli.run_actions import finalized_error, require_cut_over, require_yes
from vpnmigrate.fleet.campaign import FleetMember, Wave
from vpnmigrate.fleet.campaign_file import load_campaign, names_a_campaign
from vpnmigrate.fleet.database.campaigns import FleetCampaigns, StoredCampaign
from vpnmigrate.fleet.database.connection import Database
from vpnmigrate.fleet.database.deliveries import deliver
from vpnmigrate.fleet.database.rehearsals import FleetRehearsals
from vpnmigrate.fleet.database.run_rows import FleetRun, WaitingOrder
from vpnmigrate.fleet.database.runs import FleetRuns
from vpnmigrate.fleet.database.schema import RunGoal
from vpnmigrate.fleet.progress import HOLDS_SLOT, MemberState
from vpnmigrate.fleet.run_terms import RunTerms
from vpnmigrate.journal import RunState
from vpnmigrate.journal.interruption import interrupts_traffic
from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.clock import span
from vpnmigrate.model.errors import (
    DatabaseError,
    HeldError,
    MalformedFileError,
    RefusedError,
    UsageError,
    VpnMigrateError,
)
from vpnmigrate.model.errors.commands import cli, options
from vpnmigrate.model.plan import Direction, Plan
from vpnmigrate.planning.outage_estimate import rollback_estimate
from vpnmigrate.report.fleet_waves import OrderedMember, WaveOrders, WaveResult, preview_text
from vpnmigrate.report.status import deletion_begun
from vpnmigrate.report.text import count


def wave_of(campaigns: FleetCampaigns, named: str, wave: str) -> tuple[StoredCampaign, Wave]:
    """Return the campaign in the database with the name or the file *named*, and its *wave*.

    Raises:
        UsageError: There is no such campaign or wave.
    """
    name = load_campaign(Path(named)).campaign.name if names_a_campaign(named) else named
    stored = campaigns.find(name)
    for each in stored.campaign.waves:
        if each.name == wave:
            return stored, each
    known = ", ".join(each.name for each in stored.campaign.waves)
    raise UsageError(f"campaign {name} has no wave {wave}", advice=f"its waves: {known}")


Judge = Callable[[FleetRun, FleetMember], OrderedMember]
"""What an order does with a run of a member."""


class WaveControl:
    """Orders of an operator for the waves of campaigns in *database*."""

    def __init__(self, context: CommandContext, database: Database, who: str) -> None:
        self._context = context
        self._runs = FleetRuns(database)
        self._campaigns = FleetCampaigns(database)
        self._journals = FleetJournals(context, database)
        self._rehearsals = FleetRehearsals(database)
        self._who = who

    def roll_back(
        self, named: str, wave: str, prompt_options: PromptOptions, *, keep_new: bool
    ) -> WaveOrders:
        """Order the rollback of every member of *wave* that has begun.

        Raises:
            UsageError: There is no such campaign or wave.
            HeldError: The operator does not consent.
        """
        stored, chosen = wave_of(self._campaigns, named, wave)
        terms = RunTerms(who=self._who, keep_new=keep_new)

        def judged(row: FleetRun, member: FleetMember) -> OrderedMember:
            return self._to_roll_back(row, member, terms)

        found = self._judged(stored, chosen, "rollback", judged)
        if found.ordered:
            self._context.console.print_line(preview_text(found))
            self._require_consent(found, prompt_options)
            self._order(found, RunGoal.ROLLBACK, terms)
        return found

    def finalize(
        self, named: str, wave: str, connections: Sequence[str], *, delete_old_gateway: bool
    ) -> WaveOrders:
        """Order finalize of every migrated member of *wave*; their *connections* are named.

        Raises:
            UsageError: There is no such campaign or wave; or an old connection is not named, or
                another one is.
        """
        stored, chosen = wave_of(self._campaigns, named, wave)
        terms = RunTerms(who=self._who, delete_old_gateway=delete_old_gateway)

        def judged(row: FleetRun, member: FleetMember) -> OrderedMember:
            return self._to_finalize(row, member, terms)

        found = self._judged(stored, chosen, "finalize", judged)
        self._require_names(found, connections, delete_old_gateway=delete_old_gateway)
        if found.ordered:
            self._context.console.print_line(preview_text(found))
            self._order(found, RunGoal.FINALIZE, terms)
        return found

    def withdraw(self, named: str, wave: str, verb: str) -> WaveOrders:
        """Withdraw the orders of *wave* for *verb* that still wait for a slot.

        Raises:
            UsageError: There is no such campaign or wave.
        """
        stored, chosen = wave_of(self._campaigns, named, wave)

        def judged(row: FleetRun, member: FleetMember) -> OrderedMember:
            waits = row.ordered is not None and row.ordered.goal == verb
            result = WaveResult.WITHDRAWN if waits else WaveResult.LEFT
            why = "" if waits else "no order waits"
            return OrderedMember(member, row.id, row.member_progress.state, result, why)

        found = self._judged(stored, chosen, verb, judged)
        rows = found.of(WaveResult.WITHDRAWN)
        self._campaigns.withdraw([each.run for each in rows])
        return found

    def _judged(self, stored: StoredCampaign, wave: Wave, verb: str, judged: Judge) -> WaveOrders:
        """Return what each member of *wave* does, as *judged* for those with a run."""
        runs = {row.member: row for row in self._runs.list() if row.campaign == stored.name}

        def each(member: FleetMember) -> OrderedMember:
            row = runs.get(member.id)
            if row is None:
                return OrderedMember(member, "", MemberState.WAITING, WaveResult.LEFT, _NOT_BEGUN)
            try:
                return judged(row, member)
            except DatabaseError:
                raise
            except VpnMigrateError as error:
                found = OrderedMember(member, row.id, row.member_progress.state)
                return replace(
                    found, result=WaveResult.REFUSED, why=error.message, advice=error.advice
                )

        rows = tuple(each(member) for member in wave.members)
        return WaveOrders(verb, stored.name, wave.name, rows)

    def _to_roll_back(self, row: FleetRun, member: FleetMember, terms: RunTerms) -> OrderedMember:
        """Return what a rollback by *terms* does with the run of *row*.

        Raises:
            RefusedError: A worker migrates it now, or it is finalized.
        """
        found = OrderedMember(member, row.id, row.member_progress.state)
        if row.lines == 0 and not row.alive:
            return replace(found, result=WaveResult.LEFT, why=_NOT_BEGUN)
        state = self._journals.view(row).state
        if deletion_begun(state):
            raise finalized_error(row.id)
        if left := _left(row, state, RunGoal.ROLLBACK, terms):
            return replace(found, result=WaveResult.LEFT, why=left)
        if row.alive and not state.finished and state.direction is not Direction.ROLLBACK:
            raise RefusedError(
                f"worker {row.lease_owner} works on it",
                advice=("to roll it back at its next safe point:", cli("fleet", "abort", row.id)),
            )
        interrupts = interrupts_traffic(Direction.ROLLBACK, state)
        effect = "restores traffic, which is down" if state.outage.open else "interrupts nothing"
        if interrupts:
            effect = self._interruption(self._journals.plan(row))
        if found.state not in HOLDS_SLOT:
            effect += "; begins when a slot is free"
        return replace(found, effect=effect, interrupts=interrupts, attempt=state.attempt)

    def _interruption(self, plan: Plan) -> str:
        length, source = rollback_estimate(plan, self._rehearsed(plan))
        return f"interrupts traffic for about {span(length)} ({source})"

    def _rehearsed(self, plan: Plan) -> RehearsalResult | None:
        """Return the result of this machine or of the database; an unreadable one is left out."""
        try:
            return self._context.rehearsal_of(plan) or self._rehearsals.of(plan)
        except MalformedFileError:
            return None

    def _to_finalize(self, row: FleetRun, member: FleetMember, terms: RunTerms) -> OrderedMember:
        """Return what a finalize by *terms* does with the run of *row*.

        Raises:
            RefusedError: It has not migrated, is not confirmed, or is to be rolled back.
        """
        found = OrderedMember(member, row.id, row.member_progress.state)
        view = self._journals.view(row)
        if left := _left(row, view.state, RunGoal.FINALIZE, terms):
            return replace(found, result=WaveResult.LEFT, why=left)
        if found.state in {MemberState.TO_ROLL_BACK, MemberState.ROLLING_BACK}:
            raise RefusedError(
                "its rollback is ordered",
                advice=cli("fleet", "status", row.id),
            )
        require_cut_over(row.id, view.state)
        if view.state.confirm.until is not None:
            raise RefusedError(
                "its migration is not confirmed", advice=cli("fleet", "confirm", row.id)
            )
        old = self._journals.plan(row).old_connections
        effect = f"deletes {', '.join(old)}, once its gates are open"
        return replace(found, effect=effect, connections=tuple(old), attempt=view.state.attempt)

    def _require_consent(self, found: WaveOrders, prompt_options: PromptOptions) -> None:
        """Ask the operator to confirm all orders of the wave.

        Raises:
            HeldError: No operator can be asked, or the answer is not yes.
        """
        context, members = self._context, count(len(found.ordered), "member")
        if not prompt_options.yes and not context.dependencies.operator_present(prompt_options):
            again = context.line or cli("fleet", "rollback", found.campaign, "--wave", found.wave)
            raise HeldError(
                f"rollback of {members} of wave {found.wave} needs --yes, because it cannot ask "
                "here (no terminal, in the background, or --no-input); nothing was ordered",
                advice=again.with_words("--yes"),
            )
        down = sum(each.interrupts for each in found.ordered)
        where = f"Traffic is interrupted at {down} of them. " if down else ""
        require_yes(context, prompt_options, f"{where}Roll back {members} of wave {found.wave}?")

    def _require_names(
        self, found: WaveOrders, named: Sequence[str], *, delete_old_gateway: bool
    ) -> None:
        """Check that every connection that is to be deleted is named, and none outside the wave.

        Raises:
            UsageError: A connection is missing, or a name is not that of an old connection.
        """
        old = [name for each in found.ordered for name in each.connections]
        known = {*old, *self._connections_of(found)}
        stray = [name for name in named if name not in known]
        missing = [name for name in old if name not in named]
        if not stray and not missing:
            return
        words = ("fleet", "finalize", found.campaign, "--wave", found.wave)
        flag = ("--delete-old-gateway",) if delete_old_gateway else ()
        advice = cli(*words, *options("--confirm", old), *flag)
        if stray:
            raise UsageError(
                f"{', '.join(stray)}: not an old connection of wave {found.wave}; nothing was "
                "ordered",
                advice=advice,
            )
        raise UsageError(
            f"finalize of wave {found.wave} permanently deletes {', '.join(old)}; not named: "
            f"{', '.join(missing)}; nothing was ordered",
            advice=advice,
        )

    def _connections_of(self, found: WaveOrders) -> Iterator[str]:
        """Yield the old connections of all members with a run, so that an order can be repeated."""
        for each in found.members:
            if each.run and not each.connections:
                yield from self._runs.plan(each.run)[0].old_connections

    def _order(self, found: WaveOrders, goal: RunGoal, terms: RunTerms) -> None:
        orders = {
            each.run: WaitingOrder(goal, msgspec.structs.replace(terms, attempt=each.attempt))
            for each in found.ordered
        }
        self._campaigns.order(orders, deliver)


_NOT_BEGUN: Final = "it has not begun"


def _left(row: FleetRun, state: RunState, goal: RunGoal, terms: RunTerms) -> str:
    """Return why nothing is left to do for *goal* by *terms*; empty if something is."""
    if is_reached(state, goal, terms):
        return f"it is {state.status}"
    if row.ordered is not None and row.ordered == WaitingOrder(goal, _as(row.ordered.terms, terms)):
        return "ordered before; it waits for a slot"
    under_way = row.alive or row.wants_work or row.due_at is not None
    if row.goal is goal and row.terms == _as(row.terms, terms) and under_way:
        return "ordered before"
    return ""


def _as(given: RunTerms, terms: RunTerms) -> RunTerms:
    """Return *given* with what an order for a wave decides as in *terms*."""
    return msgspec.structs.replace(
        given, keep_new=terms.keep_new, delete_old_gateway=terms.delete_old_gateway
    )
