"""Live progress: one line per journal record, and current waits with their limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from vpnmigrate.journal import RunState
from vpnmigrate.journal.crypto_record import CryptoSeen
from vpnmigrate.journal.record_base import (
    DeviceConfirmed,
    DriverAnswered,
    DriverCalled,
    DriverGaveUp,
)
from vpnmigrate.journal.records import (
    AbortAsked,
    Acceptable,
    Accepted,
    Adopted,
    Answered,
    Approved,
    Armed,
    ClockMoved,
    Confirmed,
    ConfirmRequested,
    Continued,
    CredentialsExpired,
    CredentialsRenewed,
    DeadlinePassed,
    DeadlineSet,
    Degraded,
    DirectionTaken,
    Entry,
    ExternalChange,
    FinalizeRequested,
    Finished,
    Flapped,
    Forced,
    GatesSeen,
    HookRan,
    Intended,
    JournalLost,
    Noted,
    OperatorConfirmed,
    OrderDeclined,
    OutageBegan,
    OutageEnded,
    Paused,
    Probed,
    Record,
    Replanned,
    ResidueLeft,
    RunNote,
    StepBegun,
    StepSettled,
    TakenOver,
    WatchdogMissed,
)
from vpnmigrate.journal.usual_times import UsualTimes
from vpnmigrate.model.changes import AskOperator, Change, CreateVpnConnection
from vpnmigrate.model.changes.base import InDoubt, Later, Performed, Refused
from vpnmigrate.model.clock import Clock, span, time_of_day
from vpnmigrate.model.errors.commands import Advice, Invocation
from vpnmigrate.model.plan import Direction
from vpnmigrate.model.probes import ProbeEvent, ProbeStats
from vpnmigrate.model.progress import Sighting, Unreadable
from vpnmigrate.report import gates
from vpnmigrate.report.console import Console
from vpnmigrate.report.crypto import crypto_lines
from vpnmigrate.report.device_progress import device_work_line
from vpnmigrate.report.names import NamesOfRun
from vpnmigrate.report.text import Labelled, RunCommands, safe

LAST_STEP = 11
REMINDER = timedelta(minutes=1)
"""Without a terminal an unchanged wait is printed this often, to keep the log readable."""

_STARTS = {
    Direction.FORWARD: "migration started",
    Direction.ROLLBACK: "rolling back",
    Direction.FINALIZE: "finalize started (deletes the old connections)",
}
_CONTINUES = {
    Direction.FORWARD: "migration continues",
    Direction.ROLLBACK: "rollback continues",
    Direction.FINALIZE: "finalize continues (deletes the old connections)",
}


DIRECTION_NAMES = {
    Direction.FORWARD: "forward",
    Direction.ROLLBACK: "rollback",
    Direction.FINALIZE: "finalize",
}
"""Directions in text for people."""


def step_line(number: int, title: str, *, cleaning: bool) -> str:
    """Return the number of a step out of eleven, with its title."""
    return f"step {number} of {LAST_STEP}: {title}{' (clean-up)' if cleaning else ''}"


class Narrator:
    """Converts journal entries into lines, and remembers which change an answer belongs to.

    With *on*, lines that need a decision have the commands for it; with *names*, ids have their
    names beside them.  *before* is the state of the run before the first entry.
    """

    def __init__(
        self,
        on: RunCommands | None = None,
        names: NamesOfRun | None = None,
        before: RunState | None = None,
    ) -> None:
        self.on = on
        self.names = names or NamesOfRun()
        self._intents: dict[int, Change] = {}
        self._under_way: tuple[Direction, int] | None = None
        """Direction and attempt that were taken, and have not finished."""
        if before is not None and before.direction is not None and not before.finished:
            self._under_way = before.direction, before.attempt

    def lines(self, entry: Entry) -> Iterator[str | Labelled]:
        """Yield the lines about *entry*: usually one, sometimes none."""
        self.names.read(entry)
        lead = f"{time_of_day(entry.wall)} "
        record = entry.record
        match record:
            case Intended() | Answered():  # Nearly all entries of a long journal.
                lines = self._of_change(record)
            case _:
                lines = self._lines_of(record)
        for each in lines:
            if isinstance(each, Labelled):
                yield each.after(lead)
            else:
                yield f"{lead}{self.names.now.text(safe(each))}"
        if isinstance(record, DriverAnswered):
            # As the device writes them: its descriptions have ids too.
            yield from (f"{lead}    {safe(line)}" for line in record.result.changes.splitlines())

    def _lines_of(self, record: Record) -> Iterator[str | Labelled]:
        match record:
            case DirectionTaken(direction=direction, attempt=attempt):
                again = self._under_way == (direction, attempt)
                self._under_way = direction, attempt
                yield f"attempt {attempt}: {(_CONTINUES if again else _STARTS)[direction]}"
            case Replanned():
                yield "continues with the newer plan"
            case OutageBegan() | OutageEnded() | Flapped() | Degraded() | CryptoSeen() as about:
                yield from _indented(_of_traffic(about))
            case Probed():
                yield from _of_probes(record)
            case ExternalChange(what=what):
                yield f"  external change: {what}"
            case Noted() | ClockMoved() | TakenOver() | JournalLost() | FinalizeRequested() as note:
                yield f"  note: {noted(note)}"
            case (
                DeadlineSet() | DeadlinePassed() | ConfirmRequested() | Armed() | WatchdogMissed()
            ) as about:
                yield from _indented(gates.deadline_lines(about, self.on))
            case (
                Paused() | Continued() | AbortAsked() | Confirmed() | OrderDeclined() | Accepted()
            ) as order:
                yield from _ordered_lines(order, self.on)
            case Finished(direction=direction):
                self._under_way = None
                yield f"{DIRECTION_NAMES[direction]}: finished"
            case Approved() | GatesSeen() | Forced() as about:
                yield from _at_the_gates(about, self.on)
            case (
                OperatorConfirmed()
                | DeviceConfirmed()
                | DriverCalled()
                | DriverAnswered()
                | DriverGaveUp()
            ) as work:
                yield f"  {device_work_line(work)}"
            case record:
                yield from self._work(record)

    def _work(self, record: Record) -> Iterator[str | Labelled]:
        match record:
            case StepBegun(number=number, title=title, cleaning=cleaning):
                yield step_line(number, title, cleaning=cleaning)
            case StepSettled(number=number, lost=lost):
                yield f"  step {number} done"
                for what in lost:
                    yield f"  changed outside this run: {what}"
            case Adopted(role=role, id=id_, who=who):
                yield f"  {id_} is this run's {role}{f', confirmed by {who}' if who else ''}"
            case Acceptable(what=what) if what:
                yield from _indented(gates.acceptable_lines(what, self.on))
            case ResidueLeft(changes=(), unreached=unreached):
                lines = [f"NO PATH: {destination}" for destination in unreached]
                yield from _indented(lines or ["every change is made now"])
            case ResidueLeft(changes=changes):
                lines = [f"NOT DONE, run continues: {left.change}: {left.why}" for left in changes]
                yield from _indented(lines)
            case CredentialsExpired() | CredentialsRenewed() as about:
                yield from _of_credentials(about, self.on)
            case HookRan(moment=moment, fault=fault):
                yield f"  hook {moment}: {fault or 'done'}"
            case _:
                pass  # Shown with the outcome, or of no use to the operator.

    def _of_change(self, about: Intended | Answered) -> Iterator[str | Labelled]:
        match about:
            case Intended(intent=intent, change=change):
                self._intents[intent] = change
                mark = "TO DO: " if isinstance(change, AskOperator) else ""
                yield f"  {mark}{change}"
            case Answered():
                yield from self._answer(about)

    def _answer(self, record: Answered) -> Iterator[str]:
        change = self._intents.get(record.intent)
        match record.outcome:
            case Performed(made=str(made)):
                yield f"    made {made}{_successor(change)}"
            case Performed():
                pass  # The next observation shows the result.
            case Later(why=why, limit=limit):
                yield f"    not done yet, retrying for up to {span(limit)}: {why} ({change})"
            case Refused(code=code, message=message):
                yield f"    REFUSED by AWS, {code}: {message} ({change})"
            case InDoubt(why=why):
                yield f"    no answer, checking AWS before any retry: {why} ({change})"


def noted(note: Noted | ClockMoved | RunNote) -> str:
    """Return the text of a note."""
    match note:
        case Noted(what=what):
            return what
        case TakenOver() | JournalLost() | FinalizeRequested():
            return str(note)
        case ClockMoved(by=by):
            way = "back" if by < timedelta(0) else "forward"
            return f"the clock was set {way} by {span(abs(by))}; durations are not affected"


def _of_probes(probed: Probed) -> Iterator[str]:
    """Yield which probes work before step 7, which change, and the total losses."""
    for stats in probed.stats:
        match probed.moment:
            case ProbeEvent.BEFORE:
                text = "works" if stats.ever_worked else "does not work, so it is only reported"
                yield f"  probe {stats.probe} {text}"
            case ProbeEvent.NEWS | ProbeEvent.END:
                yield f"  probe {probe_line(stats)}"


def probe_line(stats: ProbeStats) -> str:
    """Return the state of a probe and its losses."""
    if stats.halted:
        return f"{stats.probe} IS NOT SENT: {stats.halted}"
    view = {True: "answers", False: "IS LOST", None: "has not answered yet"}[stats.works]
    if not stats.lost or stats.first_loss is None or stats.last_loss is None:
        return f"{stats.probe} {view}, none of {stats.sent} lost"
    return (
        f"{stats.probe} {view}, {stats.lost} of {stats.sent} lost, "
        f"{time_of_day(stats.first_loss)} to {time_of_day(stats.last_loss)}"
    )


def probe_lines(state: RunState) -> Iterator[str]:
    """Yield the results of probes, by direction if the run has gone in both."""
    both = bool(state.probes.forward)
    for stats in state.probes.forward.values():
        yield f"forward: {probe_line(stats)}"
    for stats in state.probes.latest.values():
        yield f"rollback: {probe_line(stats)}" if both else probe_line(stats)


def _of_traffic(
    about: OutageBegan | OutageEnded | Flapped | Degraded | CryptoSeen,
) -> Iterator[str]:
    """Yield the change in the state of traffic, or what its tunnels have negotiated."""
    match about:
        case OutageBegan(earlier=earlier):
            yield "TRAFFIC IS DOWN, possibly for longer" if earlier else "OUTAGE BEGINS"
        case OutageEnded(lasted=lasted, earlier=earlier):
            yield f"OUTAGE ENDED after {'at least ' if earlier else ''}{span(lasted)}"
        case Flapped(why=why):
            yield f"TRAFFIC FLAPPED, the stability count restarts: {why}"
        case Degraded(what=what):
            yield f"DEGRADED: {'; '.join(what)}" if what else "no longer degraded"
        case CryptoSeen() as seen:
            yield from crypto_lines(seen)


def _of_credentials(
    about: CredentialsExpired | CredentialsRenewed, on: RunCommands | None
) -> Iterator[str | Labelled]:
    """Yield that AWS refuses the credentials, and how to renew them; or that it accepts them."""
    match about:
        case CredentialsRenewed():
            yield "  credentials accepted again"
        case CredentialsExpired(why, renew):
            yield f"  CREDENTIALS EXPIRED, observing AWS continues: {why}"
            yield from _indented(renewal_lines(renew, on))


def renewal_lines(renew: Advice, on: RunCommands | None) -> Iterator[str | Labelled]:
    """Yield how to renew the credentials, with complete commands if *on* is set."""
    for part in renew if isinstance(renew, tuple) else (renew,):
        if isinstance(part, str):
            yield part
        else:
            yield Labelled("  ", on.invocation.complete(part) if on is not None else part)


def _ordered_lines(
    order: Paused | Continued | AbortAsked | Confirmed | OrderDeclined | Accepted,
    on: RunCommands | None,
) -> Iterator[str | Labelled]:
    yield f"  {_ordered(order)}"
    if isinstance(order, Paused) and on is not None:
        yield Labelled("  to continue: ", on.command("continue"))


def _ordered(
    order: Paused | Continued | AbortAsked | Confirmed | OrderDeclined | Accepted,
) -> str:
    """Return who gave which order from another terminal, and what the run does."""
    who = f"{order.who} on {order.host}"
    match order:
        case Paused():
            return f"PAUSED by {who}: stopping before the next change"
        case Continued():
            return f"CONTINUED by {who}"
        case AbortAsked():
            return f"ABORTED by {who}"
        case Confirmed():
            return f"CONFIRMED by {who}: automatic rollback is off"
        case Accepted():
            return gates.accepted_line(order)
        case OrderDeclined(verb=verb, why=why):
            return f"{verb.value} by {who} declined: {why}"


def _indented(lines: Iterable[str | Labelled]) -> Iterator[str | Labelled]:
    for line in lines:
        yield line.after("  ") if isinstance(line, Labelled) else f"  {line}"


def _at_the_gates(
    record: Approved | GatesSeen | Forced, on: RunCommands | None
) -> Iterator[str | Labelled]:
    match record:
        case Approved(approval=approval) as added:
            signed = ", signed" if added.signed else ""
            yield f"  approved by {approval.approver} ({approval.user}){signed}"
        case GatesSeen() as seen:
            yield gates.title(seen)
            yield from _indented(gates.lines(seen.gates, on.invocation if on else Invocation()))
        case Forced() as forced:
            yield gates.forced_line(forced)


def _successor(change: Change | None) -> str:
    """Return which connection the new one replaces: several are created at the same time."""
    return f", successor of {change.replaces}" if isinstance(change, CreateVpnConnection) else ""


class OutageClock:
    """Duration of the outage: from *since* at first, then from the journal's outage records."""

    def __init__(
        self, clock: Clock, since: datetime | None, decide_by: datetime | None = None
    ) -> None:
        self._clock = clock
        self._since = since
        self._decide_by = decide_by

    def on_entry(self, entry: Entry) -> None:
        """Start or stop the clock if *entry* begins or ends an outage."""
        match entry.record:
            case OutageBegan(since=since):
                self._since = since
            case OutageEnded():
                self._since = None
            case DeadlineSet(at=at):
                self._decide_by = at
            case DirectionTaken():
                self._decide_by = None
            case _:
                pass  # The other records do not affect traffic.

    def waiting(
        self, step: int, why: str, waited: timedelta, limit: timedelta, usual: str = ""
    ) -> str:
        """Return how long *step* has waited, its limit, the outage so far, and the reason."""
        down = "" if self._since is None else f", outage {span(self._clock.now() - self._since)}"
        if self._since is not None and self._decide_by is not None:
            down += f", {gates.left(self._decide_by, self._clock.wall())}"
        who = f"step {step} waits" if step else "waits"
        usually = f", {usual}" if usual else ""
        return f"{who} {span(waited)} of {span(limit)}{usually}{down}: {safe(why)}"


class PlainProgress:
    """Progress for a log or a pipe: whole lines, with an unchanged wait once a minute.

    *down_since* is the start of an outage that an earlier process left open, *decide_by* its
    back-out deadline; *narrator* has the run and the entries that were read; *usual* has the usual
    time of a step.
    """

    def __init__(
        self,
        console: Console,
        clock: Clock,
        down_since: datetime | None = None,
        decide_by: datetime | None = None,
        *,
        narrator: Narrator | None = None,
        usual: UsualTimes | None = None,
    ) -> None:
        self._usual = usual or UsualTimes()
        self._console = console
        self._clock = clock
        self._narrator = narrator or Narrator()
        self._outage = OutageClock(clock, down_since, decide_by)
        self._shown: tuple[int, str, timedelta] | None = None

    def on_entry(self, entry: Entry) -> None:
        """Print *entry*."""
        self._usual.read(entry)
        self._outage.on_entry(entry)
        for line in self._narrator.lines(entry):
            self._console.print_line(line.below_time() if isinstance(line, Labelled) else line)

    def on_wait(self, step: int, why: str, waited: timedelta, limit: timedelta) -> None:
        """Print the wait if it has changed, or if it was last printed a minute ago."""
        if self._shown is not None:
            shown_step, shown_why, shown_at = self._shown
            unchanged = (step, why) == (shown_step, shown_why)
            if unchanged and timedelta() <= waited - shown_at < REMINDER:
                return
        self._shown = step, why, waited
        usual = self._usual.of_wait(step, limit)
        line = self._narrator.names.now.text(self._outage.waiting(step, why, waited, limit, usual))
        self._console.print_line(f"{time_of_day(self._clock.wall())}   {line}")

    def on_view(self, sighting: Sighting) -> None:
        """Print nothing: the next wait names what is missing, and changes are journalled."""

    def on_reading(self, unreadable: Unreadable | None) -> None:
        """Print nothing: the next wait says that AWS cannot be read."""


def approved_line(added: Approved) -> str:
    """Return a message about an approval that was added."""
    who = f"Approved by {added.approval.approver} ({added.approval.user})"
    if added.signed:
        return f"{who}, signed."
    return f"{who}; not signed, so any person who can write the file may have given it."
