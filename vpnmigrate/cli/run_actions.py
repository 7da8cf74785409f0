"""Run actions: apply, rollback and finalize, with their questions.

Each one calls an ``engine.runner.Runner``, which ``run_session`` creates.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TextIO

from vpnmigrate.cli.back_out import is_left_to_the_policy, roll_back_until_done
from vpnmigrate.cli.context import CommandContext
from vpnmigrate.cli.dependencies import new_holder
from vpnmigrate.cli.options import PromptOptions
from vpnmigrate.cli.prompt_help import ASKS_FOR_HELP, YES
from vpnmigrate.cli.prompts import read_line
from vpnmigrate.cli.run_selection import SelectedRun, by_id, by_plan_or_id
from vpnmigrate.cli.run_session import ActiveRun, RunAction, RunOptions, run_session
from vpnmigrate.cli.run_status import status_view_of, with_run_status
from vpnmigrate.journal import RunState, Traffic, finalize_command, replay
from vpnmigrate.journal.interruption import interrupts_traffic
from vpnmigrate.journal.records import FinalizeRequested
from vpnmigrate.journal.run_clock import run_clock
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.local.documents import require_unedited
from vpnmigrate.local.program_files import require_programs_unchanged
from vpnmigrate.model.clock import moment, span
from vpnmigrate.model.errors import (
    HeldError,
    RefusedError,
    StagedError,
    UsageError,
    VpnMigrateError,
)
from vpnmigrate.model.errors.commands import Advice, Command, cli
from vpnmigrate.model.plan import LAST_OF_PREPARE, Direction, Plan
from vpnmigrate.model.signatures import SignedKind, signing_command
from vpnmigrate.planning.outage_estimate import rollback_estimate
from vpnmigrate.report.console import MessageOutput, on_terminal
from vpnmigrate.report.errors import RunFailedError
from vpnmigrate.report.names import names_of
from vpnmigrate.report.status import RunStatusView, deletion_begun
from vpnmigrate.report.text import wrapped


def apply(context: CommandContext, plan_or_run: str, options: RunOptions) -> RunStatusView:
    """Apply a plan up to the end of step 10, or resume its run."""
    selected = by_plan_or_id(context, plan_or_run, new_holder(context.dependencies.me))
    consent = _consent(context, selected, options, Direction.FORWARD)
    action = migration(context, selected, options, consent)
    try:
        return run_session(context, selected, options, action)
    except RunFailedError as stopped:
        if not is_left_to_the_policy(selected.plan, stopped):
            raise
        return roll_back_until_done(context, selected, options, stopped)


def migration(
    context: CommandContext, selected: SelectedRun, options: RunOptions, consent: TrafficConsent
) -> RunAction:
    """Return the action that migrates, up to the end of step 10."""

    def action(active: ActiveRun) -> None:
        _require_not_finalized(selected, active.before)
        consent.require(active.before)
        if active.before.status is not RunStatus.CUT_OVER:
            _require_planned_programs(selected, active.before)
            _require_signed_plan(selected, active)
            active.runner.apply()
        elif options.confirm_within and active.before.confirm.armed is None:
            raise RefusedError(
                f"run {selected.run.id} is migrated: --confirm-within has to be set before the "
                "cutover",
                advice=cli("status", selected.run.id),
            )
        elif (seen := active.before.crypto) is not None and (seen.below or seen.unknown):
            active.runner.check_crypto()
        if active.runner.read_inbox().confirm.armed is not None:
            active.runner.restore_watchdog()
        require_confirmed(context, selected, options, active.runner.read_inbox())

    return action


def stage(context: CommandContext, plan_or_run: str, options: RunOptions) -> RunStatusView:
    """Do the steps that do not interrupt traffic, and hold before the cutover.

    A run that is prepared already is verified in AWS again.
    """
    selected = by_plan_or_id(context, plan_or_run, new_holder(context.dependencies.me))
    return run_session(context, selected, options, preparation(selected))


def preparation(selected: SelectedRun) -> RunAction:
    """Return the action that does everything before the cutover."""

    def action(active: ActiveRun) -> None:
        before = active.before
        _require_not_finalized(selected, before)
        if before.cutover_begun and before.status is not RunStatus.ROLLED_BACK:
            raise RefusedError(
                f"run {selected.run.id} has started its cutover, so it cannot be held before it",
                advice=cli("status", selected.run.id),
            )
        _require_planned_programs(selected, before)
        _require_signed_plan(selected, active)
        with suppress(StagedError):  # It is in the journal, and the result says so.
            active.runner.apply(until=LAST_OF_PREPARE)

    return action


def require_step_prompt(
    context: CommandContext, prompt_options: PromptOptions, *, staging: bool
) -> None:
    """Check that the questions of ``--step`` can be asked.

    Raises:
        UsageError: Another option excludes them.
        HeldError: There is no operator at a terminal.
    """
    if prompt_options.yes or prompt_options.no_input or staging:
        other = (
            "--yes"
            if prompt_options.yes
            else "--no-input"
            if prompt_options.no_input
            else "--until cutover"
        )
        raise UsageError(
            f"--step asks before each change of the cutover; {other} excludes that",
            advice=cli("apply", "--help"),
        )
    if not context.dependencies.operator_present(prompt_options):
        raise HeldError(
            "--step asks before each change of the cutover, and it cannot ask here (no terminal, "
            "or in the background); nothing in AWS was changed",
            advice="run the same command at a terminal, or without --step",
        )


def rollback(
    context: CommandContext, plan_or_run: str, options: RunOptions, *, keep_new: bool
) -> RunStatusView:
    """Roll back to the gateway and connections from before the run."""
    selected = by_plan_or_id(
        context, plan_or_run, new_holder(context.dependencies.me), require_unedited
    )
    consent = _consent(context, selected, options, Direction.ROLLBACK)

    def action(active: ActiveRun) -> None:
        if deletion_begun(active.before):
            raise finalized_error(selected.run.id)
        consent.require(active.before)
        active.runner.rollback(keep_new=keep_new)

    return run_session(context, selected, options, action)


def finalize(
    context: CommandContext,
    run: str,
    options: RunOptions,
    named: Sequence[str],
    *,
    delete_old_gateway: bool,
) -> RunStatusView:
    """Delete the old connections, all of which have to be named."""
    selected = by_id(context, run)
    with with_run_status(context, selected.run, status_view_of):
        # A run that cannot be finalized yet is not advised to name its connections.
        unnamed = set(selected.plan.old_connections) - set(named)
        if unnamed and (state := _state_of(context, selected)) is not None:
            require_cut_over(selected.run.id, state)
        command = finalize_command(
            selected.run.id, selected.plan.old_connections, delete_old_gateway=delete_old_gateway
        )
        require_every_name(
            selected.run.id, selected.plan, named, _once_due(context, selected, command)
        )

    def action(active: ActiveRun) -> None:
        require_cut_over(selected.run.id, active.before)
        require_confirmed(context, selected, options, active.runner.read_inbox())
        active.write(FinalizeRequested(delete_old_gateway))
        active.runner.finalize(delete_old_gateway=delete_old_gateway)

    return run_session(context, selected, options, action)


def _state_of(context: CommandContext, selected: SelectedRun) -> RunState | None:
    """Return the state of a run, or None: opening the run reports the error, with its state."""
    try:
        return replay(context.dependencies.run_access.read(selected.run).entries)
    except VpnMigrateError:
        return None


def require_cut_over(run: str, state: RunState) -> None:
    """Check that a run has migrated, or that its finalize has started.

    Raises:
        RefusedError: It has not, so that its old connections may carry traffic.
    """
    if state.status is not RunStatus.CUT_OVER and state.direction is not Direction.FINALIZE:
        raise RefusedError(
            f"run {run} is {state.status}: only a migration with verified traffic can be finalized",
            advice=cli("status", run),
        )


def require_confirmed(
    context: CommandContext, selected: SelectedRun, options: RunOptions, now: RunState
) -> None:
    """Hold a run that waits for ``confirm``.

    Raises:
        HeldError: The run is not confirmed yet.
    """
    until = now.confirm.until
    if until is None:
        return
    clock = run_clock(
        context.dependencies.clock, context.dependencies.run_access.read(selected.run).entries
    )
    at = moment(until + clock.ahead())
    if not context.dependencies.watchdog(selected.run, options.aws).on_duty():
        message = "migrated, UNCONFIRMED: no watchdog is running, so there is no automatic rollback"
    elif until <= clock.now():
        message = f"migrated, NOT CONFIRMED by {at}: it is being rolled back"
    else:
        message = f"migrated, UNCONFIRMED: it is rolled back at {at} unless you confirm"
    raise HeldError(message, advice=cli("confirm", selected.run.id))


def _require_planned_programs(selected: SelectedRun, before: RunState) -> None:
    """Check, before the cutover, that the plan's programs are unchanged.

    During the cutover a changed program is not run and does not stop the run.

    Raises:
        RefusedError: A program has changed since the plan was made.
    """
    if not before.cutover_open:
        plan = selected.plan
        require_programs_unchanged(plan.decisions, plan.programs, plan.migration)


def _require_signed_plan(selected: SelectedRun, active: ActiveRun) -> None:
    """Check, before the cutover, that the author signed a plan that demands it.

    During the cutover a signature that cannot be checked does not stop the run.

    Raises:
        RefusedError: The plan is not signed, or its signature is not good.
    """
    if active.before.cutover_open or not selected.plan.decisions.approvals.signed:
        return
    checked = active.check_plan_signature()
    if not checked.fault:
        return
    file = str(selected.file or selected.run.plan)
    raise RefusedError(
        f"the plan {checked.fault}; nothing was started",
        advice=(
            "have its author sign it, then apply that file:",
            signing_command(SignedKind.PLAN, file),
            cli("apply", file),
        ),
    )


def _require_not_finalized(selected: SelectedRun, before: RunState) -> None:
    if deletion_begun(before):
        raise RefusedError(
            f"run {selected.run.id} has migrated, and finalize has begun to delete the old "
            "connections; there is nothing left to apply",
            advice=cli("status", selected.run.id),
        )
    if before.direction is Direction.FINALIZE:
        raise RefusedError(
            f"run {selected.run.id} is migrated, and finalize has started; nothing is deleted yet",
            advice=cli("status", selected.run.id),
        )


def finalized_error(run: str) -> RefusedError:
    """Return the refusal to roll back a run whose old connections are deleted."""
    return RefusedError(
        f"run {run} is finalized: the old connections are deleted, so it cannot be rolled back",
        advice=cli("status", run),
    )


def _once_due(context: CommandContext, selected: SelectedRun, command: Command) -> Advice:
    """Return *command*, after the end of the plan's soak if that has not passed."""
    try:
        view = status_view_of(context, selected.run)
    except VpnMigrateError:
        return command
    if view.soak_left <= timedelta(0):
        return command
    ends = moment(view.shown(view.now + view.soak_left))
    return (f"observe until {ends}, when the plan's soak ends; then:", command)


def require_every_name(run: str, plan: Plan, named: Sequence[str], advice: Advice) -> None:
    """Check that exactly the old connections are named; *advice* shows how.

    Raises:
        UsageError: A connection is missing, or a name is not that of an old connection.
    """
    old = plan.old_connections
    stray = [name for name in named if name not in old]
    missing = [name for name in old if name not in named]
    if stray:
        raise UsageError(f"{', '.join(stray)}: not an old connection of run {run}", advice=advice)
    if missing:
        raise UsageError(
            f"finalize permanently deletes {', '.join(old)}; not named: {', '.join(missing)}",
            advice=advice,
        )


@dataclass(frozen=True)
class TrafficConsent:
    """The operator's consent to interrupt traffic, as far as the state of the run needed it."""

    direction: Direction
    given: bool
    again: Command

    def require(self, state: RunState) -> None:
        """Check the consent again, once the run is locked and cannot change any more.

        Raises:
            HeldError: The run changed after the question, and would interrupt traffic now.
        """
        if self.given or not interrupts_traffic(self.direction, state):
            return
        raise HeldError(
            f"the run has changed while {_verb(self.direction)} started, and now it would "
            "interrupt traffic; nothing in AWS was changed",
            advice=self.again,
        )


def _consent(
    context: CommandContext, selected: SelectedRun, options: RunOptions, direction: Direction
) -> TrafficConsent:
    """Return the operator's consent where a run in *direction* interrupts traffic.

    Raises:
        HeldError: It is needed, and was not given.
    """
    again = context.line or cli(_verb(direction), selected.run.id)
    state = _state_of(context, selected)
    if state is None or deletion_begun(state) or not interrupts_traffic(direction, state):
        return TrafficConsent(direction, options.prompt_options.yes, again)
    with with_run_status(context, selected.run, status_view_of):
        if direction is Direction.ROLLBACK:
            require_rollback_consent(context, selected.plan, state, options.prompt_options)
        else:
            _require_askable(context, selected.plan, direction, options.prompt_options)
    # Forward, the runner asks once the gates are open.
    return TrafficConsent(direction, given=True, again=again)


def require_rollback_consent(
    context: CommandContext, plan: Plan, state: RunState, prompt_options: PromptOptions
) -> None:
    """Request confirmation where a rollback of the run in *state* interrupts traffic.

    Raises:
        HeldError: It is needed, and was not given.
    """
    if interrupts_traffic(Direction.ROLLBACK, state):
        _require_askable(context, plan, Direction.ROLLBACK, prompt_options)
        require_yes(context, prompt_options, _question(context, plan, state))


def _require_askable(
    context: CommandContext, plan: Plan, direction: Direction, prompt_options: PromptOptions
) -> None:
    if prompt_options.yes or context.dependencies.operator_present(prompt_options):
        return
    again = context.line or cli(_verb(direction), plan.migration)
    raise HeldError(
        f"{_verb(direction)} interrupts VPN traffic of {plan.vpc}, and it cannot ask here (no "
        "terminal, in the background, or --no-input), so it needs --yes; nothing in AWS was "
        "changed",
        advice=again.with_words("--yes"),
    )


def _verb(direction: Direction) -> str:
    return "rollback" if direction is Direction.ROLLBACK else "apply"


def _question(context: CommandContext, plan: Plan, state: RunState) -> str:
    """Return the question before a rollback that interrupts traffic, or may interrupt it."""
    names = names_of(plan)
    vpc, gateway = names.named(plan.vpc), names.named(plan.old_gateway)
    back = f"Roll back {vpc} to {gateway}?"
    if state.direction is None or state.traffic is not Traffic.NEW:
        return f"The path of VPN traffic is not known here, and it may be interrupted. {back}"
    length, source = rollback_estimate(plan, context.rehearsal_of(plan))
    return (
        "VPN traffic flows through the new gateway, and a rollback interrupts it for about "
        f"{span(length)} ({source}). {back}"
    )


def require_yes(context: CommandContext, prompt_options: PromptOptions, question: str) -> None:
    """Request confirmation at the terminal, unless ``--yes`` was given or there is no terminal.

    Raises:
        HeldError: The answer is not yes.
    """
    if prompt_options.yes or not context.dependencies.operator_present(prompt_options):
        return
    if not says_yes(on_terminal(context.console), sys.stdin, question):
        raise HeldError(
            "cancelled; nothing in AWS was changed",
            advice="answer y to continue; to run without the question, add --yes",
        )


def says_yes(console: MessageOutput, stdin: TextIO, question: str) -> bool:
    """Return whether the answer to *question* is yes; help is given, and then it is asked again."""
    while True:
        console.print_line(wrapped(f"{question} [y/N]"))
        typed = read_line(stdin).strip().lower()
        if typed not in ASKS_FOR_HELP:
            return typed in YES
        console.print_line("  y  do what the question says\n  n  change nothing in AWS (default)")
