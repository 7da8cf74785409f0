"""Commands ``pause``, ``continue``, ``abort`` and ``confirm``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

import typer

from vpnmigrate.cli.context import CommandContext, command_context
from vpnmigrate.cli.options import OutputOptions, RunDirectoryOptions, RunId
from vpnmigrate.cli.run_status import status_view_of
from vpnmigrate.commands import Command, cli
from vpnmigrate.errors import LockedError, RefusedError, UsageError
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
from vpnmigrate.model.plan import Direction
from vpnmigrate.report import results
from vpnmigrate.report.results import OrderResult
from vpnmigrate.report.status import RunStatusView


def pause(
    ctx: typer.Context, run: RunId, home: RunDirectoryOptions, printing: OutputOptions
) -> None:
    """Let a run rest at its next safe point.

    It starts nothing new until continue, whichever process has it in hand.  In the cutover, while
    traffic hangs on the run, this is refused: abort turns back.
    """
    _order(ctx, run, home, printing, "pause")


def continue_(
    ctx: typer.Context,
    run: RunId,
    home: RunDirectoryOptions,
    printing: OutputOptions,
    accept_degraded: Annotated[
        list[str] | None,
        typer.Option(
            "--accept-degraded",
            metavar="vpn-...",
            show_default=False,
            help="Be content with fewer tunnels of it than before; once for each, with --reason.",
        ),
    ] = None,
    reason: Annotated[
        list[str] | None,
        typer.Option("--reason", metavar="TEXT", show_default=False, help="Why; kept for good."),
    ] = None,
) -> None:
    """Let a paused run go on.

    It looks for drift again before it does anything.  Takes an abort back as well, if the run has
    not turned back yet; and it answers a run that asks, past its back-out deadline, whether to go
    on.

    With --accept-degraded it does nothing of that, but lets the cutover be green although a
    connection has fewer tunnels than before, where those are all that is lacking.
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
    """Give a migration up while its process is at work.

    Before the cutover the process stops at its next safe point, and nothing was interrupted.  In
    the cutover it turns back there, and keeps the new side for another attempt.
    """
    _order(ctx, run, home, printing, "abort")


def confirm(
    ctx: typer.Context, run: RunId, home: RunDirectoryOptions, printing: OutputOptions
) -> None:
    """Confirm a migration that would go back by itself.

    What apply --confirm-within waits for.  It counts until the way back has begun, and is refused
    as too late from then on.
    """
    _order(ctx, run, home, printing, "confirm")


def _order(
    ctx: typer.Context, run: str, home: RunDirectoryOptions, printing: OutputOptions, verb: str
) -> None:

    context = command_context(ctx, home, printing)
    given = send_order(context, run, OrderVerb(verb))
    context.results.print(results.order_text(given), results.order_json(given))


ANSWER_WITHIN = timedelta(seconds=10)
"""A process at work looks into its inbox every second, but a call to AWS may take its time."""

GLANCE = timedelta(milliseconds=200)

_MESSAGES: dict[OrderVerb, type[Order]] = {
    OrderVerb.PAUSE: PauseMessage,
    OrderVerb.CONTINUE: ContinueMessage,
    OrderVerb.ABORT: AbortMessage,
    OrderVerb.CONFIRM: ConfirmMessage,
}


def send_order(context: CommandContext, run_id: str, verb: OrderVerb) -> OrderResult:
    """Return the run an order and wait a moment for what becomes of it.

    Raises:
        UsageError: There is nothing to continue.
        RefusedError: It cannot be heeded where the run stands; nothing has changed.
    """
    who, view = context.parts.me, status_view_of(context, context.runs.find(run_id))
    message = _MESSAGES[verb](at=view.now, who=who.user, host=who.host)
    return _given(context, view, verb, message)


def accept(
    context: CommandContext, run_id: str, degraded: Sequence[str], reasons: Sequence[str]
) -> OrderResult:
    """Let the run be content with fewer tunnels of the *degraded* connections.

    Raises:
        UsageError: There is no reason, or more than one.
        RefusedError: That is not all that is lacking; nothing has changed.
    """
    lines = [reason.strip() for reason in reasons]
    if not degraded or len(lines) != 1 or not all(lines):
        raise UsageError(
            "--accept-degraded needs one --reason, and --reason an --accept-degraded",
            advice="--accept-degraded vpn-... --reason 'why fewer tunnels will do'",
        )
    who, view = context.parts.me, status_view_of(context, context.runs.find(run_id))
    message = AcceptMessage(
        at=view.now,
        who=who.user,
        host=who.host,
        degraded=tuple(degraded),
        reason=lines[0],
    )
    return _given(context, view, OrderVerb.ACCEPT, message)


def _given(
    context: CommandContext, view: RunStatusView, verb: OrderVerb, message: Order | AcceptMessage
) -> OrderResult:
    run = context.runs.find(view.run)
    _require_sense(view, verb, waiting=any(Inbox(run).messages()))
    letter = Inbox(run).post(message)
    if not view.alive:
        _take_up(context, run)
    answer = _await_answer(context, run, letter)
    after = status_view_of(context, run)
    if isinstance(answer, OrderDeclined):
        raise _refusal(verb, answer.why, after)
    return OrderResult(verb, answer, after)


def _require_sense(view: RunStatusView, verb: OrderVerb, *, waiting: bool) -> None:
    why = refusal_reason(verb, view.state)
    if verb is OrderVerb.ABORT and not why and not view.alive and view.state.cutover_begun:
        why = "no process has it in hand, so nobody would turn it back"
    # What still waits in the inbox may be the very pause that is to be lifted.
    if why and not (verb is OrderVerb.CONTINUE and waiting):
        raise _refusal(verb, why, view)


def _refusal(verb: OrderVerb, why: str, view: RunStatusView) -> RefusedError | UsageError:
    message = f"run {view.run} cannot {verb}: {why}"
    if verb is OrderVerb.CONTINUE or (verb is OrderVerb.CONFIRM and _was_never_asked(view)):
        return UsageError(message, advice=cli("status", view.run))
    return RefusedError(message, advice=_instead(verb, view))


def _was_never_asked(view: RunStatusView) -> bool:
    """Return whether there is nothing to be too late for."""
    return view.state.armed is None and view.state.direction is not Direction.ROLLBACK


def _instead(verb: OrderVerb, view: RunStatusView) -> Command:
    """Return what to do; nobody who wanted a rest at the end of a run meant to take it back."""
    look = cli("status", view.run)
    if verb is OrderVerb.PAUSE and view.state.finished:
        return look
    return view.way_back or look


def _take_up(context: CommandContext, run: Run) -> None:
    """Write the order into the journal of a run that nobody has in hand."""
    clock = context.parts.clock
    try:
        lock = acquire_lock(run, clock, context.parts.me)
    except LockedError:
        return  # somebody has just taken it in hand, or did so elsewhere: they find the message
    try:
        journal = FileJournal.open(run, clock, lock)
        try:
            journal.fold_inbox()
        finally:
            journal.close()
    finally:
        lock.release()


def _await_answer(context: CommandContext, run: Run, letter: str) -> Record | None:
    """Wait for the record that the message becomes; None if none comes in time."""
    clock = context.parts.clock
    until = clock.now() + ANSWER_WITHIN
    while True:
        answer = answer_to(letter, read_journal(run).entries)
        if answer is not None or clock.now() >= until:
            return answer
        clock.sleep(GLANCE)
