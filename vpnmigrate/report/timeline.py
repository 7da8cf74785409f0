"""Timeline of a run as a picture: bars of steps with the outages below them.

Shapes with positions and without markup: the template draws them.  Each bar of a phase has its own
scale, because staging takes days and a cutover minutes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from vpnmigrate.journal.directions import DirectionAdherence, PlanAdherence
from vpnmigrate.journal.history import OutagePeriod, PersonEntry
from vpnmigrate.model.clock import moment, span
from vpnmigrate.model.plan import LAST_OF_CUTOVER, LAST_OF_PREPARE, Direction

WIDTH = 1000
LEFT, RIGHT = 10, 990
LANE = 84
"""Height of a bar with its title above and the outages below."""
_BAR_TOP, BAR_HEIGHT = 28, 22
_OUTAGE_GAP = 4
LEAST = 3
"""Width of the shortest step, so that it is seen."""
_LETTERS = 9
"""Width of a digit of the template's font, rounded up."""


LEGEND = (
    "Numbers are AWS's steps, red is an outage, a triangle is a confirmation or an order of a "
    "person. Each bar has its own scale."
)


class BarStyle(StrEnum):
    """How a step is drawn; also the names of its classes in the template."""

    PREPARE = "prepare"
    CUTOVER = "cutover"
    FINALIZE = "finalize"
    CLEAN_UP = "clean-up"
    RESERVED = "reserved"
    """Time that is kept free."""


class StepBar(Struct, frozen=True):
    """A step in progress; the label is empty if it does not fit."""

    x: int
    width: int
    style: BarStyle
    label: str
    full: str


class OutageBar(Struct, frozen=True):
    """The part of an outage within a lane."""

    x: int
    width: int
    label: str
    label_x: int
    anchor: str
    """Which end of the label is at its position: ``start`` or ``end``."""


class PersonMark(Struct, frozen=True):
    """The moment at which a person confirmed or ordered something."""

    x: int
    full: str


class Flag(Struct, frozen=True):
    """A moment with a label below the bars."""

    x: int
    label: str
    anchor: str


class TimelineLane(Struct, frozen=True):
    """A phase of an attempt, from its first step to the end of its last one."""

    y: int
    title: str
    length: str
    bars: tuple[StepBar, ...]
    outages: tuple[OutageBar, ...]
    people: tuple[PersonMark, ...] = ()
    flags: tuple[Flag, ...] = ()

    @property
    def bar_y(self) -> int:
        """The top edge of the bars of steps."""
        return self.y + _BAR_TOP

    @property
    def outage_y(self) -> int:
        """The top edge of the bars of outages."""
        return self.bar_y + BAR_HEIGHT + _OUTAGE_GAP


class TimelinePicture(Struct, frozen=True):
    """A drawing, and the same in words for readers who cannot see it."""

    title: str
    description: str
    height: int
    lanes: tuple[TimelineLane, ...]


def timeline_with(title: str, lanes: Sequence[TimelineLane]) -> TimelinePicture:
    """Return the drawing of *lanes*."""
    description = "; ".join(f"{lane.title}: {lane.length}" for lane in lanes)
    return TimelinePicture(title, description, len(lanes) * LANE + 4, tuple(lanes))


def timeline_of(
    directions: Sequence[DirectionAdherence],
    outages: Sequence[OutagePeriod],
    people: Sequence[PersonEntry],
) -> TimelinePicture | None:
    """Return the picture of a run; None if no step began."""
    lanes = [
        _lane(at * LANE, title, steps, period.ended, outages, people)
        for at, (title, steps, period) in enumerate(_phases(directions))
    ]
    if not lanes:
        return None
    return timeline_with("Timeline of the run", lanes)


def _phases(
    directions: Sequence[DirectionAdherence],
) -> Iterator[tuple[str, list[PlanAdherence], DirectionAdherence]]:
    """Yield the steps that are drawn to one scale, with their title."""
    for period in directions:
        begun = [step for step in period.steps if step.began is not None]
        for name, steps in _parts(period.direction, begun):
            if steps:
                yield f"attempt {period.attempt}, {name}", steps, period


def _parts(
    direction: Direction, begun: Sequence[PlanAdherence]
) -> Iterator[tuple[str, list[PlanAdherence]]]:
    match direction:
        case Direction.FORWARD:
            yield "staging", [step for step in begun if step.number <= LAST_OF_PREPARE]
            yield "cutover", [step for step in begun if step.number > LAST_OF_PREPARE]
        case Direction.ROLLBACK:
            yield "rollback", [step for step in begun if not step.cleaning]
            yield "clean-up after the rollback", [step for step in begun if step.cleaning]
        case Direction.FINALIZE:
            yield "finalize", list(begun)


def _style(step: PlanAdherence) -> BarStyle:
    if step.cleaning:
        return BarStyle.CLEAN_UP
    if step.number <= LAST_OF_PREPARE:
        return BarStyle.PREPARE
    return BarStyle.CUTOVER if step.number <= LAST_OF_CUTOVER else BarStyle.FINALIZE


class _Scale(Struct, frozen=True):
    start: datetime
    end: datetime

    def x(self, at: datetime) -> int:
        whole = max((self.end - self.start).total_seconds(), 1)
        part = (min(max(at, self.start), self.end) - self.start).total_seconds() / whole
        return round(LEFT + part * (RIGHT - LEFT))

    def contains(self, at: datetime) -> bool:
        return self.start <= at <= self.end


def _lane(
    y: int,
    title: str,
    steps: Sequence[PlanAdherence],
    ended: datetime,
    outages: Sequence[OutagePeriod],
    people: Sequence[PersonEntry],
) -> TimelineLane:
    starts = [step.began for step in steps if step.began is not None]
    ends = [step.settled or ended for step in steps]
    scale = _Scale(min(starts), max(ends))
    return TimelineLane(
        y,
        title,
        f"{moment(scale.start)}, {span(scale.end - scale.start)}",
        tuple(_bars(steps, ended, scale)),
        tuple(_outages(outages, scale)),
        tuple(
            PersonMark(scale.x(voice.at), f"{voice.who}, {moment(voice.at)}")
            for voice in people
            if scale.contains(voice.at)
        ),
    )


def _bars(steps: Sequence[PlanAdherence], ended: datetime, scale: _Scale) -> Iterator[StepBar]:
    for step in steps:
        if step.began is None:
            continue
        end = step.settled or ended
        x = scale.x(step.began)
        width = scale.x(end) - x
        text = f"step {step.number}: {moment(step.began)}, {span(end - step.began)}"
        yield bar(x, width, _style(step), str(step.number), text)


def bar(x: int, width: int, style: BarStyle, label: str, full: str) -> StepBar:
    """Return a bar with *label*, if it fits."""
    width = max(LEAST, width)
    fits = width > _LETTERS * len(label) + 4
    return StepBar(x, width, style, label if fits else "", full)


def _outages(outages: Sequence[OutagePeriod], scale: _Scale) -> Iterator[OutageBar]:
    for down in outages:
        end = down.since + max(down.lasted, timedelta(seconds=1))
        if end < scale.start or down.since > scale.end:
            continue
        x, right = scale.x(down.since), scale.x(end)
        middle = (LEFT + RIGHT) // 2
        anchor, at = ("start", x) if x < middle else ("end", right)
        over = "" if down.over else ", not over"
        least = "at least " if down.earlier or not down.over else ""
        label = f"OUTAGE {least}{span(down.lasted)}{over}"
        yield OutageBar(x, max(LEAST, right - x), label, at, anchor)
