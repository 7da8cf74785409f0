"""Live progress: one line per journal record, and current waits with their limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from vpnmigrate.commands import Invocation
from vpnmigrate.journal import RunState
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
    RunNote,
    StepBegun,
    StepSettled,
    TakenOver,
    WatchdogMissed,
)
from vpnmigrate.model.changes import AskOperator, Change, CreateVpnConnection
from vpnmigrate.model.changes.base import InDoubt, Later, Performed, Refused
from vpnmigrate.model.clock import Clock, span, time_of_day
from vpnmigrate.model.plan import Direction
from vpnmigrate.model.probes import ProbeEvent, ProbeStats
from vpnmigrate.model.progress import Sighting
from vpnmigrate.report import gates
from vpnmigrate.report.console import Console
from vpnmigrate.report.text import Labelled, RunCommands, safe

LAST_STEP = 11
REMINDER = timedelta(minutes=1)
"""Off a terminal an unchanged wait is told once in this time: a log must stay readable."""

_SETS_OUT = {
    Direction.FORWARD: "sets out forward",
    Direction.ROLLBACK: "turns back: the same cutover the other way round",
    Direction.FINALIZE: "sets out to delete what was there before",
}


class Narrator:
    """Turns journal entries into lines, and remembers which change an answer is about.

    With *on*, lines that ask for a decision have the commands that decide.
    """

    def __init__(self, on: RunCommands | None = None) -> None:
        self._on = on
        self._intents: dict[int, Change] = {}

    def lines(self, entry: Entry) -> Iterator[str | Labelled]:
        """Yield what *entry* has to tell a person: often one line, sometimes none."""
        lead = f"{time_of_day(entry.wall)} "
        for each in self._lines_of(entry):
            yield (each.after(lead) if isinstance(each, Labelled) else f"{lead}{safe(each)}")

    def _lines_of(self, entry: Entry) -> Iterator[str | Labelled]:
        match entry.record:
            case DirectionTaken(direction=direction, attempt=attempt):
                yield f"attempt {attempt} {_SETS_OUT[direction]}"
            case Replanned():
                yield "goes on with the newer plan"
            case OperatorConfirmed(word=word, who=who):
                yield f"  {who} said: {word.value}"
            case OutageBegan() | OutageEnded() | Flapped() | Degraded() as about:
                yield f"  {_of_traffic(about)}"
            case Probed():
                yield from _of_probes(entry.record)
            case ExternalChange(what=what):
                yield f"  another hand: {what}"
            case Noted() | ClockMoved() | TakenOver() | JournalLost() | FinalizeRequested() as note:
                yield f"  note: {noted(note)}"
            case (
                DeadlineSet() | DeadlinePassed() | ConfirmRequested() | Armed() | WatchdogMissed()
            ) as about:
                yield from _indented(gates.deadline_lines(about, self._on))
            case (
                Paused() | Continued() | AbortAsked() | Confirmed() | OrderDeclined() | Accepted()
            ) as order:
                yield from _ordered_lines(order, self._on)
            case Finished(direction=direction):
                yield f"{direction.value}: finished"
            case Approved() | GatesSeen() | Forced() as about:
                yield from _at_the_gates(about, self._on)
            case record:
                yield from self._work(record)

    def _work(self, record: Record) -> Iterator[str | Labelled]:
        match record:
            case StepBegun(number=number, title=title, cleaning=cleaning):
                yield f"step {number} of {LAST_STEP}: {title}{' (clean-up)' if cleaning else ''}"
            case StepSettled(number=number, lost=lost):
                yield f"  step {number} settled"
                for what in lost:
                    yield f"  gone by another hand: {what}"
            case Intended(intent=intent, change=change):
                self._intents[intent] = change
                mark = "TO DO: " if isinstance(change, AskOperator) else ""
                yield f"  {mark}{change}"
            case Answered():
                yield from self._answer(record)
            case Adopted(role=role, id=id_, who=who):
                yield f"  {id_} is this run's {role}{f', says {who}' if who else ''}"
            case Acceptable(what=what) if what:
                yield from _indented(gates.acceptable_lines(what, self._on))
            case HookRan(moment=moment, fault=fault):
                yield f"  hook of {moment}: {fault or 'done'}"
            case _:
                pass  # told by the outcome, or of no use to a person

    def _answer(self, record: Answered) -> Iterator[str]:
        change = self._intents.get(record.intent)
        match record.outcome:
            case Performed(made=str(made)):
                yield f"    made {made}{_successor(change)}"
            case Performed():
                pass  # the next look tells more than AWS's nod
            case Later(why=why, limit=limit):
                yield f"    not yet, tries again for up to {span(limit)}: {why} ({change})"
            case Refused(code=code, message=message):
                yield f"    REFUSED by AWS, {code}: {message} ({change})"
            case InDoubt(why=why):
                yield f"    no answer, looks before it repeats anything: {why} ({change})"


def noted(note: Noted | ClockMoved | RunNote) -> str:
    """Return what a note says; of a clock that was set, also what that does not touch."""
    match note:
        case Noted(what=what):
            return what
        case TakenOver() | JournalLost() | FinalizeRequested():
            return str(note)
        case ClockMoved(by=by):
            way = "back" if by < timedelta(0) else "forward"
            return f"the clock went {way} by {span(abs(by))}; no duration is counted by it"


def _of_probes(probed: Probed) -> Iterator[str]:
    """Return which probes work before step 7, which change, and what was lost in all."""
    for stats in probed.stats:
        match probed.moment:
            case ProbeEvent.BEFORE:
                text = "works" if stats.ever_worked else "does not work, so it is only reported"
                yield f"  probe {stats.probe} {text}"
            case ProbeEvent.NEWS | ProbeEvent.END:
                yield f"  probe {probe_line(stats)}"


def probe_line(stats: ProbeStats) -> str:
    """Return how a probe stands and what it has lost."""
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
    """Return how probes did, each way by itself where the run has gone both."""
    both = bool(state.probes_forward)
    for stats in state.probes_forward.values():
        yield f"on the way forward: {probe_line(stats)}"
    for stats in state.probes.values():
        yield f"on the way back: {probe_line(stats)}" if both else probe_line(stats)


def _of_traffic(about: OutageBegan | OutageEnded | Flapped | Degraded) -> str:
    """Return what has become of traffic."""
    match about:
        case OutageBegan(earlier=earlier):
            return "TRAFFIC IS DOWN, maybe for longer" if earlier else "OUTAGE BEGINS"
        case OutageEnded(lasted=lasted, earlier=earlier):
            return f"OUTAGE ENDED after {'at least ' if earlier else ''}{span(lasted)}"
        case Flapped(why=why):
            return f"TRAFFIC FLAPPED, what has to hold begins anew: {why}"
        case Degraded(what=what):
            return f"DEGRADED: {'; '.join(what)}" if what else "no longer degraded"


def _ordered_lines(
    order: Paused | Continued | AbortAsked | Confirmed | OrderDeclined | Accepted,
    on: RunCommands | None,
) -> Iterator[str | Labelled]:
    yield f"  {_ordered(order)}"
    if isinstance(order, Paused) and on is not None:
        yield Labelled("  to go on: ", on.command("continue"))


def _ordered(
    order: Paused | Continued | AbortAsked | Confirmed | OrderDeclined | Accepted,
) -> str:
    """Return who told the run what from another terminal, and whether it is heeded."""
    who = f"{order.who} on {order.host}"
    match order:
        case Paused():
            return f"PAUSED by {who}: the run rests at the next safe point"
        case Continued():
            return f"CONTINUED by {who}"
        case AbortAsked():
            return f"ABORTED by {who}"
        case Confirmed():
            return f"CONFIRMED by {who}: nothing goes back by itself any more"
        case Accepted():
            return gates.accepted_line(order)
        case OrderDeclined(verb=verb, why=why):
            return f"{who} said: {verb.value}; that cannot be heeded: {why}"


def _indented(lines: Iterable[str | Labelled]) -> Iterator[str | Labelled]:
    for line in lines:
        yield line.after("  ") if isinstance(line, Labelled) else f"  {line}"


def _at_the_gates(
    record: Approved | GatesSeen | Forced, on: RunCommands | None
) -> Iterator[str | Labelled]:
    match record:
        case Approved(approval=approval):
            yield f"  approved by {approval.approver} ({approval.user})"
        case GatesSeen() as seen:
            yield gates.title(seen)
            yield from _indented(gates.lines(seen.gates, on.invocation if on else Invocation()))
        case Forced() as forced:
            yield gates.forced_line(forced)


def _successor(change: Change | None) -> str:
    """Return whose successor was made: several are made at the same time."""
    return f", successor of {change.replaces}" if isinstance(change, CreateVpnConnection) else ""


class OutageClock:
    """How long traffic has been down: since *since* to begin with, then by the journal's marks."""

    def __init__(
        self, clock: Clock, since: datetime | None, decide_by: datetime | None = None
    ) -> None:
        self._clock = clock
        self._since = since
        self._decide_by = decide_by

    def on_entry(self, entry: Entry) -> None:
        """Start or stop the clock if *entry* says so."""
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
                pass  # the others do not touch traffic

    def waiting(self, step: int, why: str, waited: timedelta, limit: timedelta) -> str:
        """Return how long *step* has waited of what limit, how long traffic is down, and for what."""
        down = "" if self._since is None else f", outage {span(self._clock.now() - self._since)}"
        if self._since is not None and self._decide_by is not None:
            down += f", {gates.left(self._decide_by, self._clock.wall())}"
        who = f"step {step} waits" if step else "waits"
        return f"{who} {span(waited)} of {span(limit)}{down}: {safe(why)}"


class PlainProgress:
    """Progress for a log or a pipe: whole lines, and an unchanged wait only now and then.

    *down_since* is when an outage began that an earlier process left open, *decide_by* its
    back-out deadline; *narrator* is one that has told the beginning.
    """

    def __init__(
        self,
        console: Console,
        clock: Clock,
        down_since: datetime | None = None,
        decide_by: datetime | None = None,
        *,
        on: RunCommands | None = None,
        narrator: Narrator | None = None,
    ) -> None:
        self._console = console
        self._clock = clock
        self._narrator = narrator or Narrator(on)
        self._outage = OutageClock(clock, down_since, decide_by)
        self._lines_of: tuple[int, str, timedelta] | None = None

    def on_entry(self, entry: Entry) -> None:
        """Print *entry*."""
        self._outage.on_entry(entry)
        for line in self._narrator.lines(entry):
            self._console.print_line(line.folded() if isinstance(line, Labelled) else line)

    def on_wait(self, step: int, why: str, waited: timedelta, limit: timedelta) -> None:
        """Print the wait if it is news, or if the last word about it is old."""
        if self._lines_of is not None:
            told_step, told_why, told_at = self._lines_of
            if (step, why) == (told_step, told_why) and timedelta() <= waited - told_at < REMINDER:
                return
        self._lines_of = step, why, waited
        line = self._outage.waiting(step, why, waited, limit)
        self._console.print_line(f"{time_of_day(self._clock.wall())}   {line}")

    def on_view(self, sighting: Sighting) -> None:
        """Print nothing: what is lacking is in the wait that follows, changes are journalled."""
