"""What a watchdog does: reads the journal until nobody has confirmed in time, then goes back."""

from __future__ import annotations

from datetime import datetime, timedelta

from vpnmigrate.admission import require_account
from vpnmigrate.aws.account import Account
from vpnmigrate.calls import LimitedReader
from vpnmigrate.cli.desk import Desk
from vpnmigrate.cli.flags import Asking, Aws
from vpnmigrate.cli.running import Hand, Terms, work_on
from vpnmigrate.cli.signals import deaf_to_hang_ups
from vpnmigrate.cli.standings import standing_of
from vpnmigrate.cli.subject import Subject, by_id
from vpnmigrate.confirming import GoBack, Move, StandDown, Watching, move, was_armed, watch
from vpnmigrate.duty import on_duty
from vpnmigrate.errors import LockedError
from vpnmigrate.inbox import Abort, Inbox
from vpnmigrate.journal import read_journal
from vpnmigrate.lock import owner_at_work
from vpnmigrate.records import Direction, Entry
from vpnmigrate.replay import RunState, replay
from vpnmigrate.report.standing import Standing
from vpnmigrate.run_clock import run_clock
from vpnmigrate.rundir import Run
from vpnmigrate.times import moment
from vpnmigrate.vault import Vault

GLANCE = timedelta(seconds=5)
"""Between two looks at the journal."""
WHO = "the watchdog"


def guard(desk: Desk, run_id: str, aws: Aws) -> Standing:
    """Watch over a run, go back with it if nobody confirms in time, and give where it stands.

    Raises:
        LockedError: It has a watchdog already.
        StoppedError: The way back did not get to its end.
    """
    subject, me = by_id(desk, run_id), desk.parts.me
    clients = desk.parts.clients(aws)
    vault = Vault(subject.run.vault, desk.redaction.learn)
    desk.redaction.learn(vault.every_key())
    account = Account(clients, desk.parts.clock, vault)
    identity = LimitedReader(account, desk.parts.calls(clients)).identity()
    require_account(subject.plan, identity.account, identity.arn)
    with on_duty(subject.run, me.process), deaf_to_hang_ups():
        _say(desk, f"process {me.process} watches over run {subject.run.id}")
        end = _wait(desk, subject.run, me.process)
        match end:
            case StandDown(why):
                _say(desk, f"stands down: {why}")
            case GoBack(until):
                _say(desk, f"nobody has confirmed by {_shown(desk, subject, until)}: goes back")
                _go_back(desk, subject, aws, until)
        return standing_of(desk, subject.run)


def _wait(desk: Desk, run: Run, process: int) -> StandDown | GoBack:
    entries = read_journal(run).entries
    clock = run_clock(desk.parts.clock, entries)
    began = clock.now()
    seen = -1
    state = RunState()
    named = forsaken = False
    while True:
        if (size := _size(run)) != seen:
            seen, entries = size, read_journal(run).entries
            state, named = replay(entries), was_armed(entries, process, began)
        last, now = _last(entries, began), clock.now()
        match watch(state, process=process, named=named, began=began, last=last, now=now):
            case Watching():
                pass
            case end:
                return end
        idle = state.cutover_begun and state.told.verified is None
        was, forsaken = forsaken, idle and owner_at_work(run, desk.parts.me) is None
        if forsaken and not was:
            _say(desk, "nobody has the run in hand, and traffic is not verified: a person must act")
        clock.sleep(GLANCE)


def _size(run: Run) -> int:
    """Give how long the journal is: it only grows, and to read it takes more than to ask."""
    return run.journal.stat().st_size if run.journal.exists() else 0


def _go_back(desk: Desk, subject: Subject, aws: Aws, until: datetime) -> None:
    """Have the process at work turn back, or go back in its place once it cannot.

    Raises:
        StoppedError: The way back did not get to its end.
    """
    me, run = desk.parts.me, subject.run
    clock = run_clock(desk.parts.clock, read_journal(run).entries)
    asked: datetime | None = None
    while True:
        entries, owner = read_journal(run).entries, owner_at_work(run, me)
        state, now = replay(entries), clock.now()
        match move(
            state, at_work=owner is not None, asked=asked, last=_last(entries, until), now=now
        ):
            case Move.LEAVE:
                _say(desk, f"leaves the run as it is: {state.status}")
                return
            case Move.ASK:
                asked = now
                abort = Abort(at=now, who=WHO, host=me.host, unless_confirmed=True)
                Inbox(run).leave(abort)
                at_work = owner.name if owner is not None else "a process"
                _say(desk, f"{at_work} has the run in hand and is told to turn back")
            case Move.TAKE:
                take_over = owner.name if owner is not None else None
                if _gone_back(desk, subject, Terms(aws, _UNATTENDED, take_over), until):
                    return
            case Move.WAIT:
                pass
        clock.sleep(GLANCE)


_UNATTENDED = Asking(yes=True, no_input=True)


def _gone_back(desk: Desk, subject: Subject, terms: Terms, until: datetime) -> bool:
    """Go back with the run in this process's hand; tell whether it could be had."""

    def journey(hand: Hand) -> None:
        now = hand.runner.hear()
        if now.armed is None and now.direction is not Direction.BACK:
            return  # confirmed before we had it
        hand.note(f"nobody confirmed by {_shown(desk, subject, until)}: {WHO} goes back")
        hand.runner.back(keep_new=True)

    try:
        work_on(desk, subject, terms, journey)
    except LockedError as error:
        _say(desk, error.message)
        return False
    return True


def _last(entries: tuple[Entry, ...], at_least: datetime) -> datetime:
    """Give when the journal was last written, or *at_least* that."""
    return max(entries[-1].at, at_least) if entries else at_least


def _shown(desk: Desk, subject: Subject, at: datetime) -> str:
    """Return a moment of the run's own time as the clock on the wall would show it."""
    clock = run_clock(desk.parts.clock, read_journal(subject.run).entries)
    return moment(at + clock.ahead())


def _say(desk: Desk, text: str) -> None:
    desk.console.say(f"{moment(desk.parts.clock.wall())} {text}")
