"""Command ``watchdog``.

It acts for a person who may be cut off, so it tries again after whatever may pass.
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
    was_armed,
    watch,
    watchdog_decision,
)
from vpnmigrate.engine.persistence import is_exhausted, may_pass, pause_after
from vpnmigrate.engine.preconditions import require_account
from vpnmigrate.errors import AwsError, LockedError, VpnMigrateError
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
    """Roll a run back if nobody confirms it in time.

    What apply --confirm-within starts in a process of its own; not for the hand.  It only reads
    the journal until that time has passed.
    """
    context = command_context(ctx, home, printing)
    view = run_watchdog(context, run, aws)
    context.results.print(results.outcome_text(view), results.outcome_json(view))


GLANCE = timedelta(seconds=5)
"""Between two looks at the journal."""

WHO = "the watchdog"


def run_watchdog(context: CommandContext, run_id: str, aws: AwsOptions) -> RunStatusView:
    """Watch over a run, roll it back if nobody confirms it in time, and give where it stands.

    Raises:
        LockedError: It has a watchdog already.
        RunFailedError: The rollback failed for good, or somebody stopped this process.
    """
    subject, me = by_id(context, run_id), context.parts.me
    try:
        _require_aws(context, subject, aws)
    except AwsError as error:
        # One that takes the place of another comes when things go wrong, and does not add to it.
        if replay(read_journal(subject.run).entries).armed is None:
            raise
        context.console.print_line(error.message)
    with hold_watchdog_lock(subject.run, me.process), ignore_sighup():
        return _Watch(context, subject, aws).keep()


def _require_aws(context: CommandContext, subject: SelectedRun, aws: AwsOptions) -> None:
    """Refuse a watch that could not end in a rollback.

    Raises:
        AwsError: AWS cannot be read.
        WrongAccountError: It is another account than the plan's.
    """
    clients = context.parts.clients(aws)
    vault = Vault(subject.run.vault, context.redaction.learn)
    context.redaction.learn(vault.every_key())
    account = Account(clients, context.parts.clock, vault)
    identity = LimitedReader(account, context.parts.calls(clients)).identity()
    require_account(subject.plan, identity.account, identity.arn)


class _Watch:
    """One watch over one run; what fails is tried again."""

    def __init__(self, context: CommandContext, subject: SelectedRun, aws: AwsOptions) -> None:
        self._context = context
        self._subject = subject
        self._aws = aws
        self._run = subject.run
        self._me = context.parts.me
        self._clock = context.parts.clock
        self._failures = 0
        """Failed tries since something last worked."""
        self._failing_since: datetime | None = None

    def keep(self) -> RunStatusView:
        """Watch to the end, and give where the run stands then."""
        self._say(f"process {self._me.process} watches over run {self._run.id}")
        match self._wait():
            case StopWatching(why):
                self._say(f"stands down: {why}")
            case RollBackNow(until):
                shown = moment(until + self._run_clock().ahead())
                self._say(f"nobody has confirmed by {shown}: goes back")
                self._go_back(until, f"nobody confirmed by {shown}: {WHO} goes back")
        return status_view_of(self._context, self._run)

    def _wait(self) -> StopWatching | RollBackNow:
        clock = self._run_clock()
        began = clock.now()
        seen = -1
        entries: tuple[Entry, ...] = ()
        state = RunState()
        named = forsaken = False
        while True:
            with self._persisting():
                if (size := _size(self._run)) != seen:
                    entries = read_journal(self._run).entries
                    seen, state = size, replay(entries)
                    named = was_armed(entries, self._me.process, began)
            last, now = _last(entries, began), clock.now()
            match watch(
                state, process=self._me.process, named=named, began=began, last=last, now=now
            ):
                case KeepWatching():
                    pass
                case end:
                    return end
            idle = state.cutover_begun and state.journal_facts.verified is None
            was, forsaken = forsaken, idle and owner_at_work(self._run, self._me) is None
            if forsaken and not was:
                self._say(
                    "nobody has the run in hand, and traffic is not verified: a person must act"
                )
            self._clock.sleep(GLANCE)

    def _go_back(self, until: datetime, why: str) -> None:
        """Have the process at work turn back, or go back in its place and note *why*.

        Raises:
            RunFailedError: It failed for good, or somebody stopped this process.
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
        """Do what comes next; tell whether nothing is left to do, and who was *asked* when."""
        run = self._run
        owner = owner_at_work(run, self._me)
        entries = read_journal(run).entries
        now = run_clock(self._clock, entries).now()
        state, last = replay(entries), _last(entries, until)
        match watchdog_decision(state, at_work=owner is not None, asked=asked, last=last, now=now):
            case WatchdogDecision.LEAVE:
                self._say(f"leaves the run as it is: {state.status}")
                return True, asked
            case WatchdogDecision.ASK:
                Inbox(run).post(
                    AbortMessage(at=now, who=WHO, host=self._me.host, unless_confirmed=True)
                )
                at_work = owner.name if owner is not None else "a process"
                self._say(f"{at_work} has the run in hand and is told to turn back")
                return False, now
            case WatchdogDecision.TAKE:
                take_over = owner.name if owner is not None else None
                return self._gone_back(RunOptions(self._aws, _UNATTENDED, take_over), why), asked
            case WatchdogDecision.WAIT:
                return False, asked

    def _gone_back(self, terms: RunOptions, why: str) -> bool:
        """Go back with the run in this process's hand; tell whether it could be had."""

        def action(active: ActiveRun) -> None:
            now = active.runner.read_inbox()
            if now.armed is None and now.direction is not Direction.ROLLBACK:
                return  # confirmed before we had it
            if why not in now.notes:
                active.write(Noted(why))
            active.runner.rollback(keep_new=True)

        try:
            run_session(self._context, self._subject, terms, action)
        except LockedError as error:
            self._say(error.message)
            return False
        return True

    @contextmanager
    def _persisting(self) -> Iterator[None]:
        """Let a failure that may pass end this try alone, after a pause.

        Raises:
            VpnMigrateError: What does not pass, or has not passed for too long.
        """
        try:
            yield
        except (VpnMigrateError, OSError) as error:
            if not _may_pass(error) or self._is_exhausted():
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
        """Return the run's own time, once its journal can be read."""
        while True:
            with self._persisting():
                return run_clock(self._clock, read_journal(self._run).entries)

    def _is_exhausted(self) -> bool:
        now = self._clock.now()
        self._failing_since = self._failing_since or now
        return is_exhausted(self._failing_since, now)

    def _pause(self, why: str, *, outage: bool) -> None:
        self._failures += 1
        pause = pause_after(self._failures, outage=outage)
        note_trouble(self._run, self._me.process, Trouble(why, self._clock.wall() + pause))
        self._say(f"failed, and tries again in {span(pause)}: {why}")
        self._clock.sleep(pause)

    def _say(self, text: str) -> None:
        line = safe(f"{moment(self._clock.wall())} {text}")
        if not self._context.console.stream.full:
            self._context.console.print_line(line)
        if self._context.console.stream.full:
            _append_to_log(self._run, line)


_UNATTENDED = PromptOptions(yes=True, no_input=True)


def _append_to_log(run: Run, line: str) -> None:
    """Write *line* where a full disk has ended the ordinary stream, if there is room again."""
    with suppress(OSError):
        handle = log_of_watchdog(run)
        try:
            os.write(handle, f"{line}\n".encode())
        finally:
            os.close(handle)


def _may_pass(error: VpnMigrateError | OSError) -> bool:
    match error:
        case RunFailedError(error=cause):
            return may_pass(cause)
        case VpnMigrateError():
            return may_pass(error)
        case OSError():
            return True


def _why(error: VpnMigrateError | OSError) -> str:
    return error.message if isinstance(error, VpnMigrateError) else (error.strerror or repr(error))


def _in_outage(error: VpnMigrateError | OSError) -> bool:
    return isinstance(error, RunFailedError) and error.view.state.outage_open


def _size(run: Run) -> int:
    """Return how long the journal is: it only grows, and to read it takes more than to ask."""
    return run.journal.stat().st_size if run.journal.exists() else 0


def _last(entries: tuple[Entry, ...], at_least: datetime) -> datetime:
    """Return when the journal was last written, or *at_least* that."""
    return max(entries[-1].at, at_least) if entries else at_least
