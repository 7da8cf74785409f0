"""History: the calls, outages, operators and timing of a finished run.

Everything follows from journal and plan, so a report says the same wherever and whenever it is
made.  What a survey at the end adds is compared elsewhere (``planner.unexpected``, ``drift``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec

from vpnmigrate.journal.records import (
    Answered,
    DirectionTaken,
    Entry,
    Finished,
    HookRan,
    Intended,
    Opened,
    OutageBegan,
    OutageEnded,
    Replanned,
    StepBegun,
)
from vpnmigrate.journal.replay import replay
from vpnmigrate.journal.state import RunState
from vpnmigrate.model.changes import ArchiveConfiguration, Change, CreateVpnConnection, Creation
from vpnmigrate.model.changes.base import InDoubt, Later, Outcome, Performed, Refused
from vpnmigrate.model.ec2 import Role, VpnConnectionId
from vpnmigrate.model.plan import GATEWAY_ROLE, Direction, Plan, PlannedStep, connection_role


@dataclass(frozen=True)
class MutatingCall:
    """A call that alters AWS, as it was written down before and after it was sent."""

    at: datetime
    """When its intent was durable; it was sent right after."""
    step: int
    change: Change
    outcome: Outcome | None = None
    """None where the process died before it could write down what became of it."""
    answered: datetime | None = None

    @property
    def request_id(self) -> str:
        """What CloudTrail files it under; empty where no answer came."""
        match self.outcome:
            case Performed(request_id=given) | Later(request_id=given) | Refused(request_id=given):
                return given
            case _:
                return ""


@dataclass(frozen=True)
class OutagePeriod:
    """One outage as the control plane saw it: first interrupting call to traffic seen to flow."""

    since: datetime
    direction: Direction
    """Which way the run went when it began."""
    lasted: timedelta
    """Until the last entry of the journal where it is not over."""
    over: bool
    earlier: bool
    """Whether it may have begun earlier, under a journal that is lost."""


@dataclass(frozen=True)
class PersonEntry:
    """An entry in which a person is named."""

    seq: int
    at: datetime
    who: str
    host: str


@dataclass(frozen=True)
class PlanAdherence:
    """How a step of a journey kept to the plan: kinds of change, and how many of each."""

    number: int
    planned: Counter[str]
    made: Counter[str]

    @property
    def to_plan(self) -> bool:
        """Whether nothing was missing and nothing was added."""
        return self.planned == self.made


@dataclass(frozen=True)
class RunAttempt:
    """One way that the run took, from setting out until its end or the next setting out."""

    direction: Direction
    attempt: int
    began: datetime
    ended: datetime
    finished: bool
    steps: tuple[PlanAdherence, ...]


def calls_of(entries: Iterable[Entry]) -> tuple[MutatingCall, ...]:
    """Return every call in the order of their intents; tasks of people are none."""
    calls: dict[int, MutatingCall] = {}
    for entry in entries:
        match entry.record:
            case Intended(intent=number, step=step, change=change) if change.call:
                calls[number] = MutatingCall(entry.wall, step, change)
            case Answered(intent=number, outcome=outcome) if number in calls:
                calls[number] = replace(calls[number], outcome=outcome, answered=entry.wall)
            case _:
                pass  # no call
    return tuple(calls.values())


def outages_of(entries: Sequence[Entry]) -> tuple[OutagePeriod, ...]:
    """Return every outage, oldest first; one that AWS refused to begin has been none."""
    found: list[OutagePeriod] = []
    direction = Direction.FORWARD
    state = RunState()
    for entry in entries:
        state = replay((entry,), state)
        match entry.record:
            case DirectionTaken(direction=taken):
                direction = taken
            case OutageBegan(since=since, earlier=earlier) if not (found and not found[-1].over):
                lasted = entries[-1].at - since
                found.append(
                    OutagePeriod(
                        since + entry.ahead, direction, lasted, over=False, earlier=earlier
                    )
                )
            case OutageEnded(lasted=lasted) if found and not found[-1].over:
                found[-1] = replace(found[-1], lasted=lasted, over=True)
            case OutageEnded(at=at, lasted=lasted, earlier=earlier):
                found.append(
                    OutagePeriod(
                        at + entry.ahead - lasted, direction, lasted, over=True, earlier=earlier
                    )
                )
            case Answered() if found and not found[-1].over and not state.outage_open:
                found.pop()
            case _:
                pass  # does not touch traffic
    return tuple(found)


def person_entries(entries: Iterable[Entry]) -> tuple[PersonEntry, ...]:
    """Return every entry in which a person speaks, whatever they say."""
    return tuple(
        PersonEntry(entry.seq, entry.wall, who, getattr(entry.record, "host", ""))
        for entry in entries
        if (who := getattr(entry.record, "who", ""))
    )


def processes_of(entries: Iterable[Entry]) -> tuple[tuple[datetime, Opened], ...]:
    """Return every process that took the run up, with when."""
    return tuple((e.wall, e.record) for e in entries if isinstance(e.record, Opened))


def plans_of(entries: Iterable[Entry]) -> tuple[tuple[int, str], ...]:
    """Return the fingerprint of every plan that a process went by, with the entry that says so."""
    return tuple(
        (entry.seq, entry.record.fingerprint)
        for entry in entries
        if isinstance(entry.record, Opened | Replanned)
    )


def journeys_of(plan: Plan, entries: Sequence[Entry]) -> tuple[RunAttempt, ...]:
    """Return every journey with how it kept to *plan*, whose way back begins after step 10."""
    planned = {
        Direction.FORWARD: plan.forward,
        Direction.ROLLBACK: plan.back,
        Direction.FINALIZE: plan.finalize,
    }
    return tuple(
        _journey(set_out, timing, planned[set_out.direction]) for set_out, timing in _legs(entries)
    )


def made_by(entries: Iterable[Entry]) -> dict[Role, str]:
    """Return the id that was made last for each role.

    One whose creation was never answered is known from what was then done with it.
    """
    made: dict[Role, str] = {}
    asked: dict[int, Role] = {}
    for entry in entries:
        match entry.record:
            case Intended(intent=number, change=change) if isinstance(change, Creation):
                asked[number] = change.role
                if isinstance(change, CreateVpnConnection):
                    made[GATEWAY_ROLE] = change.gateway
            case Intended(change=ArchiveConfiguration(connection=new, replaces=str(old))):
                made[connection_role(VpnConnectionId(old))] = new
            case Answered(intent=number, outcome=Performed(made=str(id_))) if number in asked:
                made[asked[number]] = id_
            case _:
                pass  # names nothing that was made
    return made


def turned_back(entries: Iterable[Entry]) -> bool:
    """Return whether the last process went back although nobody had called rollback.

    It had gone forward, and an abort, a deadline or a failure turned it round; or it was the
    watchdog, whom nobody had confirmed.
    """
    went_forward = turned = False
    state = RunState()
    for entry in entries:
        before, state = state, replay((entry,), state)
        match entry.record:
            case Opened():
                went_forward = turned = False
            case StepBegun():
                went_forward |= state.direction is Direction.FORWARD
            case DirectionTaken(direction=Direction.ROLLBACK):
                turned = went_forward or _is_watchdog(before)
            case _:
                pass  # takes no way
    return turned


def _is_watchdog(state: RunState) -> bool:
    """Return whether the process that has the run is the one that was armed to take it back."""
    armed, opened = state.armed, state.opened
    same = armed and opened and (armed.process, armed.host) == (opened.process, opened.host)
    return bool(same)


def _legs(entries: Sequence[Entry]) -> Iterator[tuple[DirectionTaken, Sequence[Entry]]]:
    starts = [
        (i, entry.record)
        for i, entry in enumerate(entries)
        if isinstance(entry.record, DirectionTaken)
    ]
    ends = [*(i for i, _ in starts[1:]), len(entries)]
    for (start, set_out), end in zip(starts, ends, strict=True):
        yield set_out, entries[start:end]


def _journey(
    set_out: DirectionTaken, timing: Sequence[Entry], planned: Sequence[PlannedStep]
) -> RunAttempt:
    due: dict[int, Counter[str]] = {}
    for step in planned:
        due.setdefault(step.number, Counter()).update(_kind(c) for c in step.changes)
    made = _made(timing)
    # Hooks end after what they were told of, and the next process opens the journal any day.
    last = [entry for entry in timing if not isinstance(entry.record, HookRan | Opened)][-1]
    return RunAttempt(
        set_out.direction,
        set_out.attempt,
        began=timing[0].wall,
        ended=timing[0].wall + (last.at - timing[0].at),
        finished=any(isinstance(entry.record, Finished) for entry in timing),
        steps=tuple(
            PlanAdherence(number, due.get(number, Counter()), made.get(number, Counter()))
            for number in sorted(due.keys() | made.keys())
        ),
    )


def _made(timing: Iterable[Entry]) -> dict[int, Counter[str]]:
    """Count what was done, by step: a change that was sent twice, or refused, is counted once."""
    changes: dict[int, tuple[int, Change]] = {}
    for entry in timing:
        match entry.record:
            case Intended(intent=number, step=step, change=change):
                changes[number] = (step, change)
            case Answered(intent=number, outcome=Later() | Refused()):
                changes.pop(number, None)
            case Answered(outcome=Performed() | InDoubt()):
                pass  # done, or so it may be
            case _:
                pass  # no change
    once = {(step, msgspec.json.encode(change)): change for step, change in changes.values()}
    made: dict[int, Counter[str]] = {}
    for (step, _), change in once.items():
        made.setdefault(step, Counter())[_kind(change)] += 1
    return made


def _kind(change: Change) -> str:
    return type(change).__name__
