"""Commands ``pause``, ``continue``, ``abort`` and ``confirm``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import typer

from vpnmigrate.cli.context import CommandContext, command_context
from vpnmigrate.cli.options import (
    AcceptDegraded,
    AcceptReason,
    OutputOptions,
    RunDirectoryOptions,
    RunId,
)
from vpnmigrate.cli.run_status import status_view_of
from vpnmigrate.journal.orders import answer_to, refusal_reason
from vpnmigrate.journal.records import OrderDeclined, OrderVerb, Record
from vpnmigrate.local.inbox import (
    AbortMessage,
    AcceptMessage,
    ConfirmMessage,
    ContinueMessage,
    Inbox,
    Order,
    PauseMessage,
)
from vpnmigrate.local.journal_file import FileJournal, read_journal
from vpnmigrate.local.lock import acquire_lock
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.errors import LockedError, RefusedError, UsageError
from vpnmigrate.model.errors.commands import Advice, cli
from vpnmigrate.model.plan import Direction
from vpnmigrate.report import results
from vpnmigrate.report.results import OrderResult
from vpnmigrate.report.status import RunStatusView


def pause(
    ctx: typer.Context, run: RunId, home: RunDirectoryOptions, printing: OutputOptions
) -> None:
    """Pause a run at its next safe point.

    The run starts nothing new until continue, also in another process.  During the cutover, while
    traffic is interrupted, pause is refused; use abort to roll back.
    """
    _order(ctx, run, home, printing, "pause")


def continue_(
    ctx: typer.Context,
    run: RunId,
    home: RunDirectoryOptions,
    printing: OutputOptions,
    accept_degraded: AcceptDegraded = None,
    reason: AcceptReason = None,
) -> None:
    """Continue a paused run.

    The run checks for drift before it does anything else.  Also cancels an abort, if the rollback
    has not started yet.  Also answers a run that is past its back-out deadline and asks whether to
    continue.

    With --accept-degraded it does none of that: the cutover may count as stable although a
    connection has fewer tunnels than before, if nothing else is missing.
    """
    if accept_degraded is None and reason is None:
        _order(ctx, run, home, printing, "continue")
        return

    context = command_context(ctx, home, printing)
    given = accept(context, run, accept_degraded or (), reason or ())
    context.results.print(results.order_text(given), results.order_json(given))


def abort(
    ctx: typer.Context, run: RunId, home: RunDirectoryOptions, printing: OutputOptions
) -> None:
    """Abort a migration while its process is running.

    Before the cutover, the process stops at its next safe point and traffic is not interrupted.
    During the cutover, it rolls back at that point and keeps the new gateway and connections for
    another attempt.
    """
    _order(ctx, run, home, printing, "abort")


def confirm(
    ctx: typer.Context, run: RunId, home: RunDirectoryOptions, printing: OutputOptions
) -> None:
    """Confirm a migration, so that it is not rolled back automatically.

    This is the confirmation that apply --confirm-within waits for.  It is refused as too late once
    the rollback has started.
    """
    _order(ctx, run, home, printing, "confirm")


def _order(
    ctx: typer.Context, run: str, home: RunDirectoryOptions, printing: OutputOptions, verb: str
) -> None:

    context = command_context(ctx, home, printing)
    given = send_order(context, run, OrderVerb(verb))
    context.results.print(results.order_text(given), results.order_json(given))


GLANCE = timedelta(milliseconds=200)
LOOKS = 50
"""Ten seconds: a running process reads its inbox every second, but a call to AWS may take longer.
Looks are counted, because the clock of a sandbox may be much faster than its processes."""

_MESSAGES: dict[OrderVerb, type[Order]] = {
    OrderVerb.PAUSE: PauseMessage,
    OrderVerb.CONTINUE: ContinueMessage,
    OrderVerb.ABORT: AbortMessage,
    OrderVerb.CONFIRM: ConfirmMessage,
}


def send_order(context: CommandContext, run_id: str, verb: OrderVerb) -> OrderResult:
    """Send an order to the run, and wait a moment for its answer.

    Raises:
        UsageError: There is nothing to continue.
        RefusedError: The order is not possible in the run's state; nothing has changed.
    """
    view = status_view_of(context, context.runs.find(run_id))
    return _sent(context, view, verb, order_message(context, verb, view.now))


def accept(
    context: CommandContext, run_id: str, degraded: Sequence[str], reasons: Sequence[str]
) -> OrderResult:
    """Accept fewer tunnels for the *degraded* connections.

    Raises:
        UsageError: There is no reason, or more than one.
        RefusedError: Something else is missing too; nothing has changed.
    """
    view = status_view_of(context, context.runs.find(run_id))
    message = accept_message(context, view.now, degraded, reasons)
    return _sent(context, view, OrderVerb.ACCEPT, message)


def accept_message(
    context: CommandContext, at: datetime, degraded: Sequence[str], reasons: Sequence[str]
) -> AcceptMessage:
    """Return the message that accepts fewer tunnels, given at *at* by the user of this process.

    Raises:
        UsageError: There is no reason, or more than one.
    """
    lines = [reason.strip() for reason in reasons]
    if not degraded or len(lines) != 1 or not all(lines):
        raise UsageError(
            "--accept-degraded needs one --reason, and --reason an --accept-degraded",
            advice="--accept-degraded vpn-... --reason 'why fewer tunnels are enough'",
        )
    who = context.dependencies.me
    return AcceptMessage(
        at=at, who=who.user, host=who.host, degraded=tuple(degraded), reason=lines[0]
    )


def _sent(
    context: CommandContext, view: RunStatusView, verb: OrderVerb, message: Order | AcceptMessage
) -> OrderResult:
    run = context.runs.find(view.run)
    require_possible(view, verb, waiting=any(Inbox(run).messages()))
    message_id = Inbox(run).post(message)
    if not view.alive:
        _journal_inbox(context, run)
    clock = context.dependencies.clock
    answer = await_answer(clock, lambda: answer_to(message_id, read_journal(run).entries))
    return order_result(verb, answer, status_view_of(context, run))


def order_message(context: CommandContext, verb: OrderVerb, at: datetime) -> Order:
    """Return the message for *verb*, given at *at* by the user of this process."""
    who = context.dependencies.me
    return _MESSAGES[verb](at=at, who=who.user, host=who.host)


def order_result(verb: OrderVerb, answer: Record | None, after: RunStatusView) -> OrderResult:
    """Return the result of an order with this *answer*, and the run *after* it.

    Raises:
        UsageError: There was nothing to continue or to confirm.
        RefusedError: The order was declined; nothing has changed.
    """
    if isinstance(answer, OrderDeclined):
        raise _refusal(verb, answer.why, after)
    return OrderResult(verb, answer, after)


def require_possible(view: RunStatusView, verb: OrderVerb, *, waiting: bool) -> None:
    """Check that the order makes sense; *waiting* is whether messages are not read yet.

    Raises:
        UsageError: There is nothing to continue or to confirm.
        RefusedError: The order is not possible in the run's state.
    """
    why = refusal_reason(verb, view.state)
    if verb is OrderVerb.ABORT and not why and not view.alive and view.state.cutover_begun:
        why = "no process is working on the run that could roll it back"
    # A message that still waits in the inbox may be the pause that continue is to end.
    if why and not (verb is OrderVerb.CONTINUE and waiting):
        raise _refusal(verb, why, view)


def _refusal(verb: OrderVerb, why: str, view: RunStatusView) -> RefusedError | UsageError:
    message = f"run {view.run} cannot {verb}: {why}"
    if verb is OrderVerb.CONTINUE or (verb is OrderVerb.CONFIRM and _was_never_asked(view)):
        return UsageError(message, advice=cli("status", view.run))
    return RefusedError(message, advice=_next(verb, view))


def _was_never_asked(view: RunStatusView) -> bool:
    """Return whether the run has neither waited for a confirmation nor been rolled back."""
    return view.state.confirm.armed is None and view.state.direction is not Direction.ROLLBACK


def _next(verb: OrderVerb, view: RunStatusView) -> Advice:
    """Return the next command, with its effect if it rolls back.

    After a refused pause the status comes first: the cutover needs no order to continue.
    """
    status, back = cli("status", view.run), view.rollback_advice
    if back is None or (verb is OrderVerb.PAUSE and view.state.finished):
        return status
    if verb is not OrderVerb.PAUSE:
        return back
    parts = back if isinstance(back, tuple) else ("to roll back instead:", back)
    return ("the end of the cutover restores traffic; to see the status:", status, *parts)


def _journal_inbox(context: CommandContext, run: Run) -> None:
    """Write the inbox into the journal of a run that no process works on."""
    clock = context.dependencies.clock
    try:
        lock = acquire_lock(run, clock, context.dependencies.me)
    except LockedError:
        return  # Another process has just locked the run, or did so elsewhere: it reads the inbox.
    try:
        journal = FileJournal.open(run, clock, lock)
        try:
            journal.fold_inbox()
        finally:
            journal.close()
    finally:
        lock.release()


def await_answer(clock: Clock, read: Callable[[], Record | None]) -> Record | None:
    """Return what *read* returns once there is an answer; None if there is none after ``LOOKS``."""
    for _ in range(LOOKS):
        if (answer := read()) is not None:
            return answer
        clock.sleep(GLANCE)
    return read()
