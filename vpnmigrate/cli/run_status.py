"""Run status: the state of runs, read from their directories."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from vpnmigrate.cli.context import CommandContext
from vpnmigrate.journal import RunState
from vpnmigrate.journal.history import replayed_run
from vpnmigrate.journal.records import Entry
from vpnmigrate.journal.run_clock import run_clock
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.local.documents import read_plan
from vpnmigrate.local.inbox import DoneMessage, Inbox
from vpnmigrate.local.live_view import LiveView, read_live
from vpnmigrate.local.lock import Trouble, post_of
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.changes import AskOperator
from vpnmigrate.model.clock import moment
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.errors import HeldByOthersError, VpnMigrateError
from vpnmigrate.model.errors.commands import Command, Invocation
from vpnmigrate.model.plan import Direction, Plan
from vpnmigrate.planning.approvals import ApprovalContext, Approver, approve_command, count_valid
from vpnmigrate.report.errors import RunFailedError
from vpnmigrate.report.runs_table import RunsView
from vpnmigrate.report.status import Retry, RunStatusView

UNSURE = "if AWS identifies this approver as the operator (the login names are the same)"


def status_view_of(context: CommandContext, run: Run) -> RunStatusView:
    """Read the status of *run*, without disturbing a process that works on it.

    Raises:
        JournalError: Its journal is damaged or cannot be read.
        UsageError: Its plan cannot be read.
    """
    access = context.dependencies.run_access
    alive = access.is_at_work(run, context.dependencies.me)
    return run_status(context, run, read_plan(run.plan), access.read(run).entries, alive=alive)


def status_view_without_process(context: CommandContext, run: Run) -> RunStatusView:
    """Read the status of *run*, whose lock this process holds and is about to release.

    Raises:
        JournalError: Its journal is damaged or cannot be read.
        UsageError: Its plan cannot be read.
    """
    entries = context.dependencies.run_access.read(run).entries
    return run_status(context, run, read_plan(run.plan), entries, alive=False)


def run_status(
    context: CommandContext, run: Run, plan: Plan, entries: Sequence[Entry], *, alive: bool
) -> RunStatusView:
    """Return the status of *run* for views."""
    replayed, clock = replayed_run(entries), run_clock(context.dependencies.clock, entries)
    state = replayed.state
    watched = state.confirm.armed is not None or state.direction is Direction.ROLLBACK
    post = post_of(run) if watched else None
    live = read_live(run) if alive else LiveView()
    return RunStatusView(
        run=run.id,
        fingerprint=plan.fingerprint,
        state=state,
        connections=plan.old_connections,
        now=clock.now(),
        ahead=clock.ahead(),
        folder=str(run.path),
        alive=alive,
        watchdog=None if post is None or post.stopped else post.process,
        stopped_watchdog=post.process if post is not None and post.stopped else None,
        retry=None if post is None or post.trouble is None else _retry(post.trouble),
        change=plan.decisions.change,
        void=_void(plan, state, clock.wall()),
        approve_again=_approve_again(context, run, plan, state),
        waiting=live.waiting,
        sight=live.sight,
        usual_outage=live.usual_outage,
        unread=_unread(run, state),
        unread_done=_unread_done(run, state, clock.ahead()),
        unreadable=live.unreadable,
        invocation=_invocation(context, plan, state),
        plan=plan,
        entries=tuple(entries),
        outages=replayed.outages,
    )


def _unread(run: Run, state: RunState) -> frozenset[VpnConnectionId]:
    """Return the devices reported for the open task in messages that no process has read."""
    task = state.task
    if not isinstance(task, AskOperator):
        return frozenset()
    return frozenset(
        item.message.connection
        for item in Inbox(run).messages()
        if isinstance(item.message, DoneMessage)
        and item.message.step == task.step
        and item.message.connection is not None
    )


def _unread_done(run: Run, state: RunState, ahead: timedelta) -> str:
    """Return who confirmed the whole open task, and when, in a message that is not read yet."""
    task = state.task
    if not isinstance(task, AskOperator):
        return ""
    given = [
        item.message
        for item in Inbox(run).messages()
        if isinstance(item.message, DoneMessage)
        and item.message.step == task.step
        and item.message.connection is None
    ]
    if not given:
        return ""
    last = given[-1]
    return f"{last.who} on {last.host} at {moment(last.at + ahead)}"


def _retry(trouble: Trouble) -> Retry:
    return Retry(trouble.why, trouble.again)


def _invocation(context: CommandContext, plan: Plan, state: RunState) -> Invocation:
    """Return the invocation for commands on the run, with the AWS options of its last process.

    That process may have been refused for its Region, so a Region is the plan's.
    """
    found = context.invocation
    if state.opened is not None:
        found = found.about(state.opened.invocation)
    return replace(found, region=plan.region) if found.region else found


def _approve_again(
    context: CommandContext, run: Run, plan: Plan, state: RunState
) -> Command | None:
    """Return the command that approves another attempt, once a rollback is done."""
    rule = plan.decisions.approvals
    if not rule.needed or state.status is not RunStatus.ROLLED_BACK:
        return None
    command = approve_command(str(run.plan), state.approved_after, signed=rule.signed)
    return _invocation(context, plan, state).complete(command)


def _void(plan: Plan, state: RunState, now: datetime) -> dict[str, str]:
    """Return the approvals that do not count, as far as the journal names the operator.

    After the cutover has started, approvals are judged at the time of the gates, so that a later
    expiry does not show.
    """
    user = state.opened.user if state.opened else ""
    asked = state.gates.seen
    if asked is None or not asked.operator:
        mine = {a.digest for a in state.approvals.added if a.user == user}
        return dict.fromkeys(mine if plan.decisions.approvals.four_eyes else (), UNSURE)
    from vpnmigrate.local.signatures import noted_checks

    at = state.gates.at if state.cutover_begun and state.gates.at else now
    signatures = noted_checks(state) if plan.decisions.approvals.signed else None
    context = ApprovalContext(
        Approver(asked.operator, user), at, state.approved_after, signatures, state.journal_lost
    )
    judged = count_valid(plan, state.approvals.added, context)
    return {approval.digest: f"it {why}" for approval, why in judged.void}


def status_views(context: CommandContext) -> RunsView:
    """Read the status of every run, and the reason for each run that cannot be read.

    One damaged journal must not hide the other runs.
    """
    views: list[RunStatusView] = []
    unreadable: dict[str, str] = {}
    in_database: dict[str, str] = {}
    for run in context.runs.list():
        try:
            if address := run.database_address:
                in_database[run.id] = address
            else:
                views.append(status_view_of(context, run))
        except VpnMigrateError as error:
            unreadable[run.id] = error.message
    return RunsView(views, unreadable, in_database)


@contextmanager
def with_run_status(
    context: CommandContext, run: Run, read: Callable[[CommandContext, Run], RunStatusView]
) -> Iterator[None]:
    """Add the status of *run* to an error that prevents work on it, if *read* can read it.

    A full disk during an outage must not hide that traffic is down.
    """
    try:
        yield
    except HeldByOthersError:
        raise
    except VpnMigrateError as error:
        try:
            view = read(context, run)
        except VpnMigrateError:
            raise error from None
        raise RunFailedError(error, view) from error
