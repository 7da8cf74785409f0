"""Command ``watchdog``.

The watchdog acts for an operator who may be disconnected, so it retries after temporary errors.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

import typer

from vpnmigrate.aws.account import Account
from vpnmigrate.cli.context import CommandContext, command_context
from vpnmigrate.cli.crash_log import keep
from vpnmigrate.cli.options import (
    AwsOptions,
    OutputOptions,
    PromptOptions,
    RunDirectoryOptions,
    RunId,
)
from vpnmigrate.cli.run_selection import SelectedRun, by_id
from vpnmigrate.cli.run_session import ActiveRun, RunOptions, run_session
from vpnmigrate.cli.run_status import status_view_of
from vpnmigrate.cli.signals import ignore_sighup
from vpnmigrate.engine.call_limits import LimitedReader
from vpnmigrate.engine.commit_confirm import (
    KeepWatching,
    RollBackNow,
    StopWatching,
    WatchdogDecision,
    is_awaited,
    was_armed,
    watch,
    watchdog_decision,
)
from vpnmigrate.engine.preconditions import require_account
from vpnmigrate.engine.rollback_retries import backoff_after, is_exhausted, may_be_temporary
from vpnmigrate.journal import RunState, replay
from vpnmigrate.journal.records import Entry, Noted
from vpnmigrate.journal.run_clock import RunClock, run_clock
from vpnmigrate.local.inbox import AbortMessage, Inbox
from vpnmigrate.local.journal_file import read_journal
from vpnmigrate.local.lock import (
    Trouble,
    hold_watchdog_lock,
    log_of_watchdog,
    note_trouble,
    owner_at_work,
)
from vpnmigrate.local.run_directory import Run
from vpnmigrate.local.vault import Vault
from vpnmigrate.model.clock import moment, span
from vpnmigrate.model.errors import AwsError, LockedError, VpnMigrateError
from vpnmigrate.model.plan import Direction
from vpnmigrate.report import results
from vpnmigrate.report.errors import RunFailedError
from vpnmigrate.report.status import RunStatusView
from vpnmigrate.report.text import safe


def watchdog(
    ctx: typer.Context,
    run: RunId,
    aws: AwsOptions,
    home: RunDirectoryOptions,
    printing: OutputOptions,
) -> None:
    """Roll a run back if it is not confirmed in time.

    Started automatically by apply --confirm-within; do not run it yourself.  It only reads the
    journal until that time has passed.
    """
    context = command_context(ctx, home, printing)
    view = run_watchdog(context, run, aws)
    context.results.print(results.outcome_text(view), results.outcome_json(view))


GLANCE = timedelta(seconds=5)
"""Time between two reads of the journal."""

WHO = "the watchdog"


def run_watchdog(context: CommandContext, run_id: str, aws: AwsOptions) -> RunStatusView:
    """Watch a run, roll it back if it is not confirmed in time, and return its status.

    Raises:
        LockedError: The run has a watchdog already.
        RunFailedError: The rollback failed permanently, or this process was stopped by a signal.
    """
    selected, me = by_id(context, run_id), context.dependencies.me
    try:
        _require_aws(context, selected, aws)
    except AwsError as error:
        # A watchdog that replaces another one keeps trying: the run is armed already.
        if replay(read_journal(selected.run).entries).confirm.armed is None:
            raise
        context.console.print_line(error.message)
    with hold_watchdog_lock(selected.run, me.process), ignore_sighup():
        return _Watch(context, selected, aws).keep()


def _require_aws(context: CommandContext, selected: SelectedRun, aws: AwsOptions) -> None:
    """Check that this process could roll the run back.

    Raises:
        AwsError: AWS cannot be read.
        WrongAccountError: The credentials belong to another account than the plan's.
    """
    clients = context.dependencies.clients(aws)
    vault = Vault(selected.run.vault, context.redaction.learn)
    context.redaction.learn(vault.every_key())
    account = Account(clients, context.dependencies.clock, vault)
    identity = LimitedReader(account, context.dependencies.calls(clients)).identity()
    require_account(selected.plan, identity.account, identity.arn)


class _Watch:
    """Watch over one run; temporary failures are retried."""

    def __init__(self, context: CommandContext, selected: SelectedRun, aws: AwsOptions) -> None:
        self._context = context
        self._selected = selected
        self._aws = aws
        self._run = selected.run
        self._me = context.dependencies.me
        self._clock = context.dependencies.clock
        self._failures = 0
        """Failed attempts since the last success."""
        self._failing_since: datetime | None = None

    def keep(self) -> RunStatusView:
        """Watch until the end, and return the status of the run."""
        self._print(f"process {self._me.process} watches run {self._run.id}")
        match self._wait():
            case StopWatching(why):
                self._print(f"stops watching: {why}")
            case RollBackNow(until):
                shown = moment(until + self._run_clock().ahead())
                self._print(f"not confirmed by {shown}: rolling back")
                self._roll_back(until, f"not confirmed by {shown}: {WHO} rolls back")
        return status_view_of(self._context, self._run)

    def _wait(self) -> StopWatching | RollBackNow:
        clock = self._run_clock()
        began = clock.now()
        starter = owner_at_work(self._run, self._me)
        seen = -1
        entries: tuple[Entry, ...] = ()
        state = RunState()
        named = abandoned = False
        while True:
            # Read before the journal, in which that process may record this one and end.
            starting = starter is not None and owner_at_work(self._run, self._me) == starter
            with self._persisting():
                if (size := _size(self._run)) != seen:
                    entries = read_journal(self._run).entries
                    seen, state = size, replay(entries)
                    named = was_armed(entries, self._me.process, began)
            last, now = _last(entries, began), clock.now()
            awaited = is_awaited(named=named, starting=starting, began=began, now=now)
            match watch(state, process=self._me.process, awaited=awaited, last=last, now=now):
                case KeepWatching():
                    pass
                case end:
                    return end
            idle = state.cutover_begun and state.journal_facts.verified is None
            was, abandoned = abandoned, idle and owner_at_work(self._run, self._me) is None
            if abandoned and not was:
                self._print(
                    "no process is working on the run, and traffic is not verified: "
                    "an operator must act"
                )
            self._clock.sleep(GLANCE)

    def _roll_back(self, until: datetime, why: str) -> None:
        """Make the running process roll back, or roll back in its place and note *why*.

        Raises:
            RunFailedError: It failed permanently, or this process was stopped by a signal.
        """
        asked: datetime | None = None
        over = False
        while not over:
            with self._persisting():
                over, asked = self._move(until, why, asked)
            if not over:
                self._clock.sleep(GLANCE)

    def _move(
        self, until: datetime, why: str, asked: datetime | None
    ) -> tuple[bool, datetime | None]:
        """Do the next action; return whether the watch is over, and when a process was *asked*."""
        run = self._run
        owner = owner_at_work(run, self._me)
        entries = read_journal(run).entries
        now = run_clock(self._clock, entries).now()
        state, last = replay(entries), _last(entries, until)
        match watchdog_decision(state, at_work=owner is not None, asked=asked, last=last, now=now):
            case WatchdogDecision.LEAVE:
                self._print(f"nothing to roll back: the run is {state.status}")
                return True, asked
            case WatchdogDecision.ASK:
                Inbox(run).post(
                    AbortMessage(at=now, who=WHO, host=self._me.host, unless_confirmed=True)
                )
                at_work = owner.name if owner is not None else "a process"
                self._print(f"{at_work} is working on the run and was asked to roll back")
                return False, now
            case WatchdogDecision.TAKE:
                take_over = owner.name if owner is not None else None
                options = RunOptions(self._aws, _UNATTENDED, take_over)
                return self._rolled_back(options, why), asked
            case WatchdogDecision.WAIT:
                return False, asked

    def _rolled_back(self, options: RunOptions, why: str) -> bool:
        """Roll back in this process; return whether the run could be locked."""

        def action(active: ActiveRun) -> None:
            now = active.runner.read_inbox()
            if now.confirm.armed is None and now.direction is not Direction.ROLLBACK:
                return  # The run was confirmed before this process had the lock.
            if why not in now.notes:
                active.write(Noted(why))
            active.runner.rollback(keep_new=True)

        try:
            run_session(self._context, self._selected, options, action)
        except LockedError as error:
            self._print(error.message)
            return False
        return True

    @contextmanager
    def _persisting(self) -> Iterator[None]:
        """Suppress a temporary failure after a wait, so that the caller tries again.

        Raises:
            VpnMigrateError: The failure is permanent, or has lasted too long.
        """
        try:
            yield
        except (VpnMigrateError, OSError) as error:
            if not _may_be_temporary(error) or self._is_exhausted():
                raise
            self._pause(_why(error), outage=_in_outage(error))
        except Exception as error:
            keep(error, ("watchdog", self._run.id))
            if self._is_exhausted():
                raise
            self._pause(f"unexpected {type(error).__name__}, see crash.log", outage=True)
        else:
            if self._failures:
                self._failures, self._failing_since = 0, None
                note_trouble(self._run, self._me.process, None)

    def _run_clock(self) -> RunClock:
        """Return the clock of the run, once its journal can be read."""
        while True:
            with self._persisting():
                return run_clock(self._clock, read_journal(self._run).entries)

    def _is_exhausted(self) -> bool:
        now = self._clock.now()
        self._failing_since = self._failing_since or now
        return is_exhausted(self._failing_since, now)

    def _pause(self, why: str, *, outage: bool) -> None:
        self._failures += 1
        wait = backoff_after(self._failures, outage=outage)
        note_trouble(self._run, self._me.process, Trouble(why, self._clock.wall() + wait))
        self._print(f"failed; next attempt in {span(wait)}: {why}")
        self._clock.sleep(wait)

    def _print(self, text: str) -> None:
        line = safe(f"{moment(self._clock.wall())} {text}")
        if not self._context.console.stream.full:
            self._context.console.print_line(line)
        if self._context.console.stream.full:
            _append_to_log(self._run, line)


_UNATTENDED = PromptOptions(yes=True, no_input=True)


def _append_to_log(run: Run, line: str) -> None:
    """Write *line* to the log after a full disk has closed the stream, if there is room again."""
    with suppress(OSError):
        handle = log_of_watchdog(run)
        try:
            os.write(handle, f"{line}\n".encode())
        finally:
            os.close(handle)


def _may_be_temporary(error: VpnMigrateError | OSError) -> bool:
    match error:
        case RunFailedError(error=cause):
            return may_be_temporary(cause)
        case VpnMigrateError():
            return may_be_temporary(error)
        case OSError():
            return True


def _why(error: VpnMigrateError | OSError) -> str:
    return error.message if isinstance(error, VpnMigrateError) else (error.strerror or repr(error))


def _in_outage(error: VpnMigrateError | OSError) -> bool:
    return isinstance(error, RunFailedError) and error.view.state.outage.open


def _size(run: Run) -> int:
    """Return the size of the journal, which only grows; reading it would take longer."""
    return run.journal.stat().st_size if run.journal.exists() else 0


def _last(entries: tuple[Entry, ...], at_least: datetime) -> datetime:
    """Return the time of the last journal entry, but not before *at_least*."""
    return max(entries[-1].at, at_least) if entries else at_least
