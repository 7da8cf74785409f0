"""Directions: the periods of a run, and what their steps changed, compared with the plan.

An attempt goes forward, and then back if it is rolled back, or to finalize.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import TypeVar

from msgspec import Struct, field

from vpnmigrate.journal.history import RunChange, SortedEntries
from vpnmigrate.journal.records import (
    DirectionTaken,
    Entry,
    Finished,
    HookRan,
    Opened,
    ResidueLeft,
    StepBegun,
    StepSettled,
)
from vpnmigrate.model.changes import Change
from vpnmigrate.model.changes.base import Later, Performed, Refused
from vpnmigrate.model.plan import Direction, Phase, Plan, PlannedStep

T = TypeVar("T")


class PlanAdherence(Struct, frozen=True):
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


class DirectionPeriod(Struct, frozen=True):
    """One direction of the run, from its start until its end or the start of the next one."""

    direction: Direction
    attempt: int
    began: datetime
    ended: datetime
    finished: bool


class DirectionAdherence(DirectionPeriod, frozen=True):
    """One direction of the run, with what its steps changed, compared with the plan."""

    steps: tuple[PlanAdherence, ...]


def adherence_of(plan: Plan, journal: SortedEntries) -> tuple[DirectionAdherence, ...]:
    """Return every direction taken, compared with *plan*; its rollback starts after step 10."""
    due = {
        Direction.FORWARD: _due(plan.forward),
        Direction.ROLLBACK: _due(plan.back),
        Direction.FINALIZE: _due(plan.finalize),
    }
    legs = _legs(journal.entries)
    return tuple(_adherence(taken, leg, journal, due[taken.direction]) for taken, leg in legs)


def directions_of(entries: Sequence[Entry]) -> tuple[DirectionPeriod, ...]:
    """Return every direction taken; a resumed direction counts once."""
    return tuple(_period(taken, leg) for taken, leg in _legs(entries))


def _legs(entries: Sequence[Entry]) -> Iterator[tuple[DirectionTaken, Sequence[Entry]]]:
    """Yield each direction of each attempt with its entries; a resumed direction counts once."""
    starts: list[tuple[int, DirectionTaken]] = []
    for index, entry in enumerate(entries):
        taken = entry.record
        if type(taken) is DirectionTaken:  # isinstance takes longer for other structs.
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


def _adherence(
    taken: DirectionTaken,
    leg: Sequence[Entry],
    journal: SortedEntries,
    due: Mapping[_StepKey, Counter[str]],
) -> DirectionAdherence:
    period = _period(taken, leg)
    events = _of_leg(leg, journal.events, attrgetter("seq"))
    changes = _of_leg(leg, journal.changes, attrgetter("asked.seq"))
    return DirectionAdherence(
        period.direction,
        period.attempt,
        period.began,
        period.ended,
        period.finished,
        tuple(_WorkOfLeg(events, changes).steps(due)),
    )


def _of_leg(leg: Sequence[Entry], items: Sequence[T], line: Callable[[T], int]) -> Sequence[T]:
    """Return those of *items*, sorted by the number of their *line*, that are in *leg*."""
    begins = bisect_left(items, leg[0].seq, key=line)
    return items[begins : bisect_right(items, leg[-1].seq, key=line)]


class _WorkOfLeg:
    """The changes and steps of one direction."""

    def __init__(self, events: Iterable[Entry], changes: Iterable[RunChange]) -> None:
        self._began: dict[_StepKey, datetime] = {}
        self._settled: dict[_StepKey, datetime] = {}
        self._left_out: Counter[str] = Counter()
        self._cleaning: set[int] = set()
        """The lines at which clean-ups were begun."""
        self._made: defaultdict[_StepKey, dict[Change, None]] = defaultdict(dict)
        """In order; one that was sent twice counts once."""
        for entry in events:
            self._read(entry)
        for (begun, step), group in groupby(changes, attrgetter("begun", "intended.step")):
            made = dict.fromkeys(each.intended.change for each in group if _may_be_made(each))
            self._made[step, begun in self._cleaning].update(made)

    def _read(self, entry: Entry) -> None:
        match entry.record:
            case StepBegun(number=number, cleaning=cleaning):
                if cleaning:
                    self._cleaning.add(entry.seq)
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
        made = {key: Counter(map(_kind, each)) for key, each in self._made.items() if each}
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


def _may_be_made(change: RunChange) -> bool:
    """Return whether the change had an effect, or its outcome is in doubt."""
    return isinstance(change.outcome, Performed) or not isinstance(change.outcome, Later | Refused)


def _kind(change: Change) -> str:
    return type(change).__name__
