"""Fleet actions: what a worker does with a run, by its goal and the state of its journal."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vpnmigrate.cli.context import CommandContext
from vpnmigrate.cli.run_actions import (
    TrafficConsent,
    finalized_error,
    migration,
    preparation,
    require_confirmed,
    require_cut_over,
)
from vpnmigrate.cli.run_selection import SelectedRun
from vpnmigrate.cli.run_session import ActiveRun, RunAction, RunOptions, run_session
from vpnmigrate.fleet.database.schema import RunGoal
from vpnmigrate.fleet.run_terms import RunTerms
from vpnmigrate.journal import RunState
from vpnmigrate.journal.orders import RollBack, due_order_effect
from vpnmigrate.journal.records import FinalizeRequested, Noted
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.model.plan import Direction
from vpnmigrate.report.status import RunStatusView, deletion_begun

_ENDS: Final = {Direction.ROLLBACK: RunGoal.ROLLBACK, Direction.FINALIZE: RunGoal.FINALIZE}


def work_on(
    context: CommandContext,
    selected: SelectedRun,
    options: RunOptions,
    goal: RunGoal,
    terms: RunTerms,
) -> RunStatusView:
    """Work on a run that operators control from elsewhere, towards *goal* and by their *terms*.

    They have consented by setting the goal.  A rollback that was begun, or that an abort or a
    missing confirmation demands, comes before everything else.  A run that has reached its goal is
    left as it is, and so is one that was rolled back, unless the terms are for another attempt.  A
    cutover that was begun is completed; with the goal to prepare, none is begun.
    """
    consent = TrafficConsent(
        Direction.FORWARD, given=True, again=cli("fleet", "status", selected.run.id)
    )
    # Every session has the options of the start, also those after the cutover.
    migrate = migration(context, selected, replace(options, confirm_within=None), consent)
    prepare, finalize = preparation(selected), _finalize(context, selected, options, terms)

    def action(active: ActiveRun) -> None:
        state, now = active.runner.read_inbox(), active.now()
        if is_reached(state, goal, terms):
            return
        until = state.confirm.until
        going_back = state.direction is Direction.ROLLBACK and not state.finished
        if isinstance(due_order_effect(state, cutover_open=state.cutover_open), RollBack):
            active.runner.rollback(keep_new=True)
        elif until is not None and now >= until:
            active.write(Noted("not confirmed in time: a worker rolls back"))
            active.runner.rollback(keep_new=True)
        elif going_back:
            ordered = goal is RunGoal.ROLLBACK
            active.runner.rollback(keep_new=terms.keep_new if ordered else state.keep_new)
        elif goal is RunGoal.ROLLBACK:
            _roll_back(active, selected, terms)
        elif goal is RunGoal.FINALIZE:
            finalize(active)
        elif goal is RunGoal.CUTOVER or state.cutover_begun:
            migrate(active)
        else:
            prepare(active)

    return run_session(context, selected, options, action)


def is_reached(state: RunState, goal: RunGoal, terms: RunTerms) -> bool:
    """Return whether nothing is left to do for *goal* by *terms*."""
    if not state.finished or state.direction is None or state.direction is Direction.FORWARD:
        return False
    if _ENDS[state.direction] is goal:
        kept = state.keep_new and not terms.keep_new
        return not (kept or state.residue.changes)
    # What was finalized stays; what was rolled back begins again with the consent of a start.
    return state.direction is Direction.FINALIZE or terms.attempt <= state.attempt


def _roll_back(active: ActiveRun, selected: SelectedRun, terms: RunTerms) -> None:
    if deletion_begun(active.before):
        raise finalized_error(selected.run.id)
    _note_once(active, f"{terms.who} has ordered the rollback")
    active.runner.rollback(keep_new=terms.keep_new)


def _note_once(active: ActiveRun, text: str) -> bool:
    """Write *text* unless an earlier session has; return whether it is new."""
    if text in active.before.notes:
        return False
    active.write(Noted(text))
    return True


def _finalize(
    context: CommandContext, selected: SelectedRun, options: RunOptions, terms: RunTerms
) -> RunAction:
    """Return the action that deletes the old connections, which the operator has named."""

    def action(active: ActiveRun) -> None:
        state = active.runner.read_inbox()
        require_cut_over(selected.run.id, state)
        require_confirmed(context, selected, options, state)
        if _note_once(active, f"{terms.who} has ordered finalize"):
            active.write(FinalizeRequested(terms.delete_old_gateway))
        active.runner.finalize(delete_old_gateway=terms.delete_old_gateway)

    return action
