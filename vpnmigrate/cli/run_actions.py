"""Run actions: apply, resume, rollback and finalize, with their questions."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from vpnmigrate.cli.back_out import is_left_to_the_policy, roll_back_until_done
from vpnmigrate.cli.context import CommandContext
from vpnmigrate.cli.dependencies import new_holder
from vpnmigrate.cli.options import PromptOptions
from vpnmigrate.cli.run_selection import SelectedRun, by_id, by_plan_or_id
from vpnmigrate.cli.run_session import ActiveRun, RunOptions, run_session
from vpnmigrate.commands import cli, options
from vpnmigrate.errors import HeldError, RefusedError, UsageError
from vpnmigrate.journal import RunState
from vpnmigrate.journal.records import FinalizeRequested
from vpnmigrate.journal.run_clock import run_clock
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.local.documents import require_unedited
from vpnmigrate.local.journal_file import read_journal
from vpnmigrate.local.program_files import require_unchanged
from vpnmigrate.model.clock import moment
from vpnmigrate.model.plan import LAST_OF_PREPARE, Direction
from vpnmigrate.report.errors import RunFailedError
from vpnmigrate.report.status import RunStatusView, deletion_begun
from vpnmigrate.report.text import wrapped


def apply(context: CommandContext, plan_or_run: str, terms: RunOptions) -> RunStatusView:
    """Carry a plan out to the end of step 10."""
    subject = by_plan_or_id(context, plan_or_run, new_holder(context.parts.me))
    require_yes(
        context,
        terms.asking,
        f"Steps 7 to 10 interrupt on-premises traffic of {subject.plan.vpc}. Go on?",
    )

    def action(active: ActiveRun) -> None:
        _require_not_finalized(subject, active.before)
        if active.before.status is not RunStatus.CUT_OVER:
            _require_planned_programs(subject, active.before)
            active.runner.apply()
        elif terms.confirm_within and active.before.armed is None:
            raise RefusedError(
                f"run {subject.run.id} is migrated: --confirm-within is armed before the cutover",
                advice=cli("status", subject.run.id),
            )
        if active.runner.read_inbox().armed is not None:
            active.runner.restore_watchdog()
        _require_confirmed(context, subject, terms, active.runner.read_inbox())

    try:
        return run_session(context, subject, terms, action)
    except RunFailedError as stopped:
        if not is_left_to_the_policy(subject.plan, stopped):
            raise
        return roll_back_until_done(context, subject, terms, stopped)


def stage(context: CommandContext, plan_or_run: str, terms: RunOptions) -> RunStatusView:
    """Carry out everything that interrupts nothing, and hold."""
    subject = by_plan_or_id(context, plan_or_run, new_holder(context.parts.me))

    def action(active: ActiveRun) -> None:
        before = active.before
        _require_not_finalized(subject, before)
        if before.cutover_begun and before.status is not RunStatus.ROLLED_BACK:
            raise RefusedError(
                f"run {subject.run.id} has begun its cutover: it cannot be held before that",
                advice=cli("status", subject.run.id),
            )
        if before.direction is Direction.FORWARD and LAST_OF_PREPARE in before.settled:
            raise HeldError(
                "everything is staged already; the cutover has not begun",
                advice=cli("apply", subject.run.id),
            )
        _require_planned_programs(subject, before)
        active.runner.apply(until=LAST_OF_PREPARE)

    return run_session(context, subject, terms, action)


def rollback(
    context: CommandContext, plan_or_run: str, terms: RunOptions, *, keep_new: bool
) -> RunStatusView:
    """Bring back what was there before."""
    subject = by_plan_or_id(context, plan_or_run, new_holder(context.parts.me), require_unedited)
    require_yes(
        context,
        terms.asking,
        f"Bring back {subject.plan.old_gateway} on {subject.plan.vpc}? "
        "If the cutover has begun, traffic is interrupted again.",
    )

    def action(active: ActiveRun) -> None:
        if deletion_begun(active.before):
            raise _nothing_leads_back(subject)
        active.runner.rollback(keep_new=keep_new)

    return run_session(context, subject, terms, action)


def finalize(
    context: CommandContext,
    run: str,
    terms: RunOptions,
    named: Sequence[str],
    *,
    delete_old_gateway: bool,
) -> RunStatusView:
    """Delete what was there before, once every connection has been named."""
    subject = by_id(context, run)
    _require_every_name(subject, named)

    def action(active: ActiveRun) -> None:
        before = active.before
        if before.status is not RunStatus.CUT_OVER and before.direction is not Direction.FINALIZE:
            raise RefusedError(
                f"run {subject.run.id} is {before.status}: only a migration whose traffic was "
                "verified can be finalized",
                advice=cli("status", subject.run.id),
            )
        _require_confirmed(context, subject, terms, active.runner.read_inbox())
        active.write(FinalizeRequested(delete_old_gateway))
        active.runner.finalize(delete_old_gateway=delete_old_gateway)

    return run_session(context, subject, terms, action)


def _require_confirmed(
    context: CommandContext, subject: SelectedRun, terms: RunOptions, now: RunState
) -> None:
    """Hold a run that waits for somebody to confirm.

    Raises:
        HeldError: It waits for them.
    """
    until = now.unconfirmed_until
    if until is None:
        return
    clock = run_clock(context.parts.clock, read_journal(subject.run).entries)
    at = moment(until + clock.ahead())
    if not context.parts.watchdog(subject.run, terms.aws).on_duty():
        message = "migrated, and UNCONFIRMED: no watchdog is on duty, so it stays as it is"
    elif until <= clock.now():
        message = f"migrated, and NOT CONFIRMED by {at}: it is being rolled back"
    else:
        message = f"migrated, and UNCONFIRMED: at {at} it is rolled back, unless somebody confirms"
    raise HeldError(message, advice=cli("confirm", subject.run.id))


def _require_planned_programs(subject: SelectedRun, before: RunState) -> None:
    """Refuse to go on towards a cutover with other programs than were planned.

    In the cutover they are not run and hold up nothing.

    Raises:
        RefusedError: One has changed since.
    """
    if not before.cutover_open:
        plan = subject.plan
        require_unchanged(plan.decisions, plan.programs, plan.migration)


def _require_not_finalized(subject: SelectedRun, before: RunState) -> None:
    if deletion_begun(before):
        raise _nothing_leads_back(subject)
    if before.direction is Direction.FINALIZE:
        raise RefusedError(
            f"run {subject.run.id} is migrated, and finalize has begun; it has deleted nothing yet",
            advice=cli("status", subject.run.id),
        )


def _nothing_leads_back(subject: SelectedRun) -> RefusedError:
    return RefusedError(
        f"run {subject.run.id} was finalized: what was there before is deleted, "
        "and nothing leads back",
        advice=cli("status", subject.run.id),
    )


def _require_every_name(subject: SelectedRun, named: Sequence[str]) -> None:
    """Refuse to delete what was not named, and to be told to delete something else.

    Raises:
        UsageError: The names are not exactly those of the old connections.
    """
    old = subject.plan.old_connections
    stray = [name for name in named if name not in old]
    missing = [name for name in old if name not in named]
    command = cli("finalize", subject.run.id, *options("--confirm", old))
    if stray:
        raise UsageError(
            f"{', '.join(stray)}: not an old connection of run {subject.run.id}", advice=command
        )
    if missing:
        raise UsageError(
            f"finalize deletes {', '.join(old)} for good; not named: {', '.join(missing)}",
            advice=command,
        )


def require_yes(context: CommandContext, asking: PromptOptions, question: str) -> None:
    """Ask the person at the terminal, if there is one who has not said yes beforehand.

    Off a terminal the command itself is the answer: it names what it works on.

    Raises:
        HeldError: They did not say yes.
    """
    if asking.yes or not context.parts.attended(asking):
        return
    context.console.print_line(wrapped(f"{question} [y/N]"))
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise HeldError("not begun: nobody said yes", advice="say yes, or give --yes")
