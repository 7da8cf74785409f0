"""History: the calls, outages, operators and timing of a finished run.

Everything is derived from journal and plan, so a report does not depend on where or when it is
made.  A survey at the end is compared elsewhere (``planner.unexpected``, ``drift``).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from msgspec import Struct

from vpnmigrate.journal.records import (
    Answered,
    Armed,
    DirectionTaken,
    Entry,
    Finished,
    HookRan,
    Intended,
    Opened,
    OutageBegan,
    OutageEnded,
    Replanned,
    ResidueLeft,
    StepBegun,
    StepSettled,
)
from vpnmigrate.journal.replay import Replay
from vpnmigrate.journal.state import RunState
from vpnmigrate.model.changes import ArchiveConfiguration, Change, CreateVpnConnection
from vpnmigrate.model.changes.base import BaseCreation, Later, Outcome, Performed, Refused
from vpnmigrate.model.ec2 import Role
from vpnmigrate.model.plan import (
    GATEWAY_ROLE,
    Direction,
    Phase,
    Plan,
    PlannedStep,
    connection_role,
)

ABOUT_A_CHANGE = Intended | Answered
"""Records of one change: nearly all of a long journal.  A new union for each record is slow."""


class MutatingCall(Struct, frozen=True, gc=False):
    """A call that changes AWS, from the records before and after it was sent."""

    asked: Entry
    """The line of its intent; the call was sent directly after."""
    intended: Intended
    begun: int
    """The last journal line before it at which a step was begun; 0 if there is none."""
    answer: Entry | None = None
    """The line of its outcome; None if the process died before it wrote one."""
    outcome: Outcome | None = None

    @property
    def intent(self) -> int:
        """The number of its intent."""
        return self.intended.intent

    @property
    def step(self) -> int:
        """The step that made it."""
        return self.intended.step

    @property
    def change(self) -> Change:
        """What it changes."""
        return self.intended.change

    @property
    def at(self) -> datetime:
        """When it was sent."""
        return self.asked.wall

    @property
    def answered(self) -> datetime | None:
        """When its outcome was written; None if it was not."""
        return None if self.answer is None else self.answer.wall

    @property
    def request_id(self) -> str:
        """The request id, as in CloudTrail; empty if the answer was lost."""
        match self.outcome:
            case Performed(request_id=given) | Later(request_id=given) | Refused(request_id=given):
                return given
            case _:
                return ""


@dataclass(frozen=True)
class OutagePeriod:
    """One outage in the control plane: from the first interrupting call to observed traffic."""

    since: datetime
    direction: Direction
    """Direction of the run when the outage began."""
    lasted: timedelta
    """Duration; up to the last journal entry if it is not over."""
    over: bool
    earlier: bool
    """Whether it may have begun earlier, under a lost journal."""
    rolled_back_in: int | None = None
    """The step in progress when a rollback began during the outage; None if none began."""


@dataclass(frozen=True)
class PersonEntry:
    """A journal entry that names a person."""

    seq: int
    at: datetime
    who: str
    host: str


@dataclass(frozen=True)
class PlanAdherence:
    """Planned and made changes of a step, counted by kind, and when the step was in progress."""

    number: int
    planned: Counter[str]
    made: Counter[str]
    cleaning: bool = False
    began: datetime | None = None
    """When it began; None if the attempt did not reach it."""
    settled: datetime | None = None
    """When AWS showed its goal; None if it was not done."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Changes of the whole attempt that AWS did not make; the run continued without them."""

    @property
    def missing(self) -> Counter[str]:
        """Planned changes that were not made."""
        return self.planned - self.made

    @property
    def added(self) -> Counter[str]:
        """Changes that were made and not planned."""
        return self.made - self.planned

    @property
    def to_plan(self) -> bool:
        """Whether nothing was added, and nothing is missing of a step that was in progress.

        A change is not missing if the goal of its step held without it, as after a rollback from an
        early step, nor if the attempt ended before the step.
        """
        if self.added or self.missing & self.left_out:
            return False
        reached = self.began is not None or bool(self.made)
        return self.settled is not None or not reached or not self.missing


@dataclass(frozen=True)
class DirectionPeriod:
    """One direction of the run, from its start until its end or the start of the next one."""

    direction: Direction
    attempt: int
    began: datetime
    ended: datetime
    finished: bool


@dataclass(frozen=True)
class RunAttempt(DirectionPeriod):
    """One direction of the run, with what its steps changed."""

    steps: tuple[PlanAdherence, ...]


def calls_of(entries: Iterable[Entry]) -> tuple[MutatingCall, ...]:
    """Return every call in the order of their intents, without operator tasks."""
    calls: dict[int, MutatingCall] = {}
    begun = 0
    for entry in entries:
        record = entry.record
        if isinstance(record, Intended):
            if record.change.call:
                calls[record.intent] = MutatingCall(entry, record, begun)
        elif isinstance(record, Answered):
            if (call := calls.get(record.intent)) is not None:
                calls[record.intent] = MutatingCall(
                    call.asked, call.intended, call.begun, entry, record.outcome
                )
        elif isinstance(record, StepBegun):
            begun = entry.seq
    return tuple(calls.values())


@dataclass(frozen=True)
class ReplayedRun:
    """The state of a run and its outages, from one replay of its journal."""

    state: RunState
    outages: tuple[OutagePeriod, ...]
    """Every outage, oldest first; an outage whose first call was refused is left out."""
    first: datetime | None = None
    """The wall clock's time of the first entry; None for an empty journal."""
    last: datetime | None = None
    """That of the last one."""


def outages_of(entries: Sequence[Entry]) -> tuple[OutagePeriod, ...]:
    """Return every outage, oldest first."""
    return replayed_run(entries).outages


def replayed_run(entries: Sequence[Entry]) -> ReplayedRun:
    """Return the state after *entries*, and the outages in them."""
    found: list[OutagePeriod] = []
    direction = Direction.FORWARD
    so_far = Replay()
    step_now = 0
    for entry in so_far.turns(entries):
        step, step_now = step_now, so_far.beside_intents.step
        is_open = bool(found) and not found[-1].over
        match entry.record:
            case Answered():
                if is_open and not so_far.beside_intents.outage.open:
                    found.pop()
            case DirectionTaken(direction=taken):
                if is_open and taken is Direction.ROLLBACK is not direction:
                    found[-1] = replace(found[-1], rolled_back_in=step)
                direction = taken
            case OutageBegan(since=since, earlier=earlier) if not is_open:
                lasted = entries[-1].at - since
                found.append(
                    OutagePeriod(
                        since + entry.ahead, direction, lasted, over=False, earlier=earlier
                    )
                )
            case OutageEnded(lasted=lasted) if is_open:
                found[-1] = replace(found[-1], lasted=lasted, over=True)
            case OutageEnded(at=at, lasted=lasted, earlier=earlier):
                found.append(
                    OutagePeriod(
                        at + entry.ahead - lasted, direction, lasted, over=True, earlier=earlier
                    )
                )
            case _:
                pass  # Does not affect traffic.
    first, last = (entries[0].wall, entries[-1].wall) if entries else (None, None)
    return ReplayedRun(so_far.state, tuple(found), first, last)


def person_entries(entries: Iterable[Entry]) -> tuple[PersonEntry, ...]:
    """Return every entry that names a person."""
    return tuple(
        PersonEntry(entry.seq, entry.wall, who, getattr(entry.record, "host", ""))
        for entry in entries
        if (who := getattr(entry.record, "who", ""))
    )


def processes_of(entries: Iterable[Entry]) -> tuple[tuple[datetime, Opened], ...]:
    """Return every process that opened the run, with the time."""
    return tuple((e.wall, e.record) for e in entries if isinstance(e.record, Opened))


def plans_of(entries: Iterable[Entry]) -> tuple[tuple[int, str], ...]:
    """Return the number of each entry that names a plan in use, with the fingerprint."""
    return tuple(
        (entry.seq, entry.record.fingerprint)
        for entry in entries
        if isinstance(entry.record, Opened | Replanned)
    )


def attempts_of(plan: Plan, entries: Sequence[Entry]) -> tuple[RunAttempt, ...]:
    """Return every direction taken, compared with *plan*; its rollback starts after step 10."""
    due = {
        Direction.FORWARD: _due(plan.forward),
        Direction.ROLLBACK: _due(plan.back),
        Direction.FINALIZE: _due(plan.finalize),
    }
    return tuple(_attempt(taken, leg, due[taken.direction]) for taken, leg in _legs(entries))


def directions_of(entries: Sequence[Entry]) -> tuple[DirectionPeriod, ...]:
    """Return every direction taken; one that was resumed is not another one."""
    return tuple(_period(taken, leg) for taken, leg in _legs(entries))


def made_by(entries: Iterable[Entry]) -> dict[Role, str]:
    """Return the id of the resource created last for each role.

    If the answer to a creation was lost, the id is taken from later changes to the resource.
    """
    made: dict[Role, str] = {}
    asked: dict[int, Role] = {}
    for entry in entries:
        record = entry.record
        if isinstance(record, Intended):
            change = record.change
            if isinstance(change, BaseCreation):
                asked[record.intent] = change.role
                if isinstance(change, CreateVpnConnection):
                    made[GATEWAY_ROLE] = change.gateway
            elif isinstance(change, ArchiveConfiguration) and change.replaces:
                made[connection_role(change.replaces)] = change.connection
        elif isinstance(record, Answered) and record.intent in asked:
            match record.outcome:
                case Performed(made=str(id_)):
                    made[asked[record.intent]] = id_
                case _:
                    pass  # Nothing was created, or the answer was lost.
    return made


def turned_back(entries: Iterable[Entry]) -> bool:
    """Return whether the last process rolled back without the command ``rollback``.

    It had gone forward, and an abort, a deadline or a failure made it roll back; or it was the
    watchdog of a cutover that was not confirmed.
    """
    went_forward = turned = False
    so_far = Replay()
    for entry in entries:
        match entry.record:
            case Opened():
                went_forward = turned = False
            case StepBegun():
                went_forward |= so_far.beside_intents.direction is Direction.FORWARD
            case DirectionTaken(direction=Direction.ROLLBACK):
                turned = went_forward or _is_watchdog(so_far.state)
            case _:
                pass  # Does not change the direction.
        so_far.add((entry,))
    return turned


def rolled_back_unconfirmed(entries: Iterable[Entry]) -> bool:
    """Return whether the last direction is a rollback by the watchdog of an unconfirmed cutover."""
    by_watchdog = False
    armed: Armed | None = None
    opened: Opened | None = None
    for entry in entries:
        match entry.record:
            case Armed() as record:
                armed = record
            case Opened() as record:
                opened = record
            case DirectionTaken(direction=direction):
                by_watchdog = direction is Direction.ROLLBACK and _are_same(armed, opened)
            case _:
                pass  # Takes no direction.
    return by_watchdog


def _is_watchdog(state: RunState) -> bool:
    """Return whether the process that has the run is its watchdog."""
    return _are_same(state.confirm.armed, state.opened)


def _are_same(armed: Armed | None, opened: Opened | None) -> bool:
    """Return whether the process that opened the run is the watchdog that was armed."""
    if armed is None or opened is None:
        return False
    return (armed.process, armed.host) == (opened.process, opened.host)


def _legs(entries: Sequence[Entry]) -> Iterator[tuple[DirectionTaken, Sequence[Entry]]]:
    """Yield each direction of each attempt with its entries; a resumed one is not another one."""
    starts: list[tuple[int, DirectionTaken]] = []
    for index, entry in enumerate(entries):
        if isinstance(taken := entry.record, DirectionTaken):
            last = starts[-1][1] if starts else None
            if last is None or (last.direction, last.attempt) != (taken.direction, taken.attempt):
                starts.append((index, taken))
    ends = [*(index for index, _ in starts[1:]), len(entries)][: len(starts)]
    for (start, taken), end in zip(starts, ends, strict=True):
        yield taken, entries[start:end]


def _period(taken: DirectionTaken, leg: Sequence[Entry]) -> DirectionPeriod:
    # Later entries of its last process, or of the next one, are not part of it.
    finished = next((e for e in reversed(leg) if isinstance(e.record, Finished)), None)
    # A hook ends after its event, and a later process may open the journal days later.
    last = finished or next(e for e in reversed(leg) if not isinstance(e.record, HookRan | Opened))
    return DirectionPeriod(
        taken.direction,
        taken.attempt,
        began=leg[0].wall,
        ended=leg[0].wall + (last.at - leg[0].at),
        finished=finished is not None,
    )


_StepKey = tuple[int, bool]
"""The number of a step, and whether it is a clean-up."""


def _due(planned: Sequence[PlannedStep]) -> Mapping[_StepKey, Counter[str]]:
    """Return the planned changes of each step, by kind."""
    due: dict[_StepKey, Counter[str]] = {}
    for step in planned:
        key = (step.number, step.phase is Phase.CLEAN_UP)
        due.setdefault(key, Counter()).update(map(_kind, step.changes))
    return due


def _attempt(
    taken: DirectionTaken, leg: Sequence[Entry], due: Mapping[_StepKey, Counter[str]]
) -> RunAttempt:
    period = _period(taken, leg)
    return RunAttempt(
        period.direction,
        period.attempt,
        period.began,
        period.ended,
        period.finished,
        tuple(_WorkOfLeg(leg).steps(due)),
    )


class _WorkOfLeg:
    """The changes and steps of one direction, collected in one pass over its entries."""

    def __init__(self, leg: Sequence[Entry]) -> None:
        self._began: dict[_StepKey, datetime] = {}
        self._settled: dict[_StepKey, datetime] = {}
        self._left_out: Counter[str] = Counter()
        self._changes: defaultdict[_StepKey, dict[int, Change]] = defaultdict(dict)
        """Those sent and not refused, by the number of the intent."""
        self._cleaning = False
        for entry in leg:
            record = entry.record
            if isinstance(record, Intended):
                self._changes[record.step, self._cleaning][record.intent] = record.change
            elif not isinstance(record, Answered):
                self._read(entry)
            elif not isinstance(record.outcome, Performed):
                self._take_back(record)

    def _take_back(self, answered: Answered) -> None:
        """Remove a change that was refused; one whose outcome is in doubt stays."""
        if isinstance(answered.outcome, Later | Refused):
            for changes in self._changes.values():
                changes.pop(answered.intent, None)

    def _read(self, entry: Entry) -> None:
        match entry.record:
            case StepBegun(number=number, cleaning=cleaning):
                self._cleaning = cleaning
                # A resumed run begins and verifies a step again, later.
                self._began.setdefault((number, cleaning), entry.wall)
            case StepSettled(number=number, cleaning=cleaning):
                self._settled.setdefault((number, cleaning), entry.wall)
            case ResidueLeft(changes=left):
                self._left_out = Counter(_kind(each.change) for each in left)
            case _:
                pass  # Not about a change or a step.

    def steps(self, due: Mapping[_StepKey, Counter[str]]) -> Iterator[PlanAdherence]:
        """Yield the steps of the plan in its order, then those with changes not planned."""
        made = self._made()
        for key in dict.fromkeys((*due, *sorted(made))):
            number, cleaning = key
            yield PlanAdherence(
                number,
                due.get(key, Counter()),
                made.get(key, Counter()),
                cleaning,
                self._began.get(key),
                self._settled.get(key),
                self._left_out,
            )

    def _made(self) -> dict[_StepKey, Counter[str]]:
        """Return the changes made per step: one that was sent twice counts once."""
        return {
            key: Counter(map(_kind, dict.fromkeys(changes.values())))
            for key, changes in self._changes.items()
            if changes
        }


def _kind(change: Change) -> str:
    return type(change).__name__
