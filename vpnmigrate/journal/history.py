"""History: the changes, outages and operators of a run.

Everything is derived from journal and plan, so a report is the same on every host and at any time.
A survey at the end is compared elsewhere (``planner.unexpected``, ``drift``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final, get_args

from msgspec import Struct
from msgspec.structs import replace

from vpnmigrate.journal.records import (
    Answered,
    Armed,
    DirectionTaken,
    Entry,
    Intended,
    Opened,
    OutageBegan,
    OutageEnded,
    Replanned,
    StepBegun,
)
from vpnmigrate.journal.replay import Replay
from vpnmigrate.journal.state import Intent, RunState
from vpnmigrate.model.changes import ArchiveConfiguration, Change, CreateVpnConnection, Creation
from vpnmigrate.model.changes.base import BaseCreation, Later, Outcome, Performed, Refused
from vpnmigrate.model.ec2 import Role
from vpnmigrate.model.plan import (
    GATEWAY_ROLE,
    Direction,
    connection_role,
)


class RunChange(Struct, frozen=True, gc=False):
    """A change that a run intended: a call, or a task that needs none.

    It is made of the records before and after it.
    """

    asked: Entry
    """The line of its intent; the call was sent directly after."""
    intended: Intended
    begun: int
    """The last journal line before it at which a step was begun; 0 if there is none."""
    answer: Entry | None = None
    """The line of its outcome; None if the process died before it wrote one."""
    outcome: Outcome | None = None
    earlier: tuple[Entry, ...] = ()
    """The lines of other outcomes before it: a usual journal has none."""

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All its lines."""
        answers = self.earlier if self.answer is None else (*self.earlier, self.answer)
        return (self.asked, *answers)

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


class SortedEntries(Struct, frozen=True, dict=True):
    """The entries of a journal: changes, which are nearly all of a long one, and events."""

    entries: Sequence[Entry]
    changes: Sequence[RunChange]
    """Every change, in the order of the intents."""
    events: Sequence[Entry]
    """All other entries."""

    @cached_property
    def calls(self) -> Sequence[RunChange]:
        """The changes that are calls: all but tasks of the operator."""
        return tuple(each for each in self.changes if each.change.call)


def sorted_entries(entries: Sequence[Entry]) -> SortedEntries:
    """Return *entries* as changes and events.

    ``isinstance`` takes several times as long for a struct of another type.
    """
    changes: list[RunChange] = []
    events: list[Entry] = []
    places: dict[int, int] = {}
    begun = 0
    for entry in entries:
        record = entry.record
        if type(record) is Intended:
            places[record.intent] = len(changes)
            changes.append(RunChange(entry, record, begun))
        elif type(record) is Answered and (place := places.get(record.intent)) is not None:
            each = changes[place]
            earlier = each.entries[1:] if each.answer is not None else ()
            changes[place] = RunChange(
                each.asked, each.intended, each.begun, entry, record.outcome, earlier
            )
        else:
            events.append(entry)
            if isinstance(record, StepBegun):
                begun = entry.seq
    return SortedEntries(entries, changes, events)


class OutagePeriod(Struct, frozen=True):
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


class PersonEntry(Struct, frozen=True):
    """A journal entry that names a person."""

    seq: int
    at: datetime
    who: str
    host: str


class ReplayedRun(Struct, frozen=True):
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


def made_by(entries: Sequence[Entry]) -> dict[Role, str]:
    """Return the id of the resource created last for each role."""
    return made_by_changes(sorted_entries(entries).changes)


def made_by_changes(changes: Iterable[Intent | RunChange]) -> dict[Role, str]:
    """Return the id of the resource created last for each role, from *changes* in their order.

    If the answer to a creation was lost, the id is taken from later changes to the resource.
    """
    made: dict[Role, str] = {}
    for each in changes:
        if type(each.change) not in _NAMING:
            continue
        match each.change:
            case BaseCreation(role=role) as creation:
                if isinstance(creation, CreateVpnConnection):
                    made[GATEWAY_ROLE] = creation.gateway
                if isinstance(each.outcome, Performed) and each.outcome.made is not None:
                    made[role] = each.outcome.made
            case ArchiveConfiguration(connection=connection, replaces=str(old)) if old:
                made[connection_role(old)] = connection
    return made


_NAMING: Final = frozenset({*get_args(Creation), ArchiveConfiguration})
"""Changes that name a resource that the run has created: few, in a journal of any length."""


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
