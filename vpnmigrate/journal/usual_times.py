"""Usual times of a run's steps and outage, as a rehearsal or other runs showed.

They are only displayed; every limit has a source of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from statistics import median_high

from msgspec import Struct

from vpnmigrate.journal.history import outages_of
from vpnmigrate.journal.records import (
    DirectionTaken,
    Entry,
    Opened,
    OutageBegan,
    OutageEnded,
    Paused,
)
from vpnmigrate.journal.timing import step_timings
from vpnmigrate.model.clock import rounded, span
from vpnmigrate.model.plan import Direction

Timed = tuple[Direction, int]
"""A step in a direction; step 0 is the whole outage."""
OUTAGE = 0


class UsualTime(Struct, frozen=True):
    """A usual duration and its source."""

    length: timedelta
    source: str

    def __str__(self) -> str:
        return f"usually {span(rounded(self.length))} ({self.source})"


def times_of_run(entries: Sequence[Entry]) -> dict[Timed, timedelta]:
    """Return how long each step took that is done, and each outage that is over.

    Left out are steps and outages during which the run was paused or another process took it over,
    and outages that were rolled back.
    """
    found: dict[Timed, timedelta] = {}
    idle = [entry for entry in entries if isinstance(entry.record, Opened | Paused)]
    direction: Direction | None = None
    legs: dict[Direction, list[Entry]] = defaultdict(list)
    for entry in entries:
        if isinstance(entry.record, DirectionTaken):
            if entry.record.direction is not direction:
                legs[entry.record.direction] = []
            direction = entry.record.direction
        if direction is not None:
            legs[direction].append(entry)
    for taken, leg in legs.items():
        start = leg[0].at
        for timing in step_timings(leg):
            begun, settled = start + timing.begun, start + timing.settled
            left_alone = any(begun < entry.at < settled for entry in idle)
            if not timing.cleaning and not left_alone:
                found[taken, timing.step] = timing.settled - timing.begun
    over = [outage for outage in outages_of(entries) if outage.over]
    for outage, left_alone in zip(over, _outages_left_alone(entries), strict=True):
        if not outage.earlier and outage.rolled_back_in is None and not left_alone:
            found[outage.direction, OUTAGE] = outage.lasted
    return found


def _outages_left_alone(entries: Sequence[Entry]) -> list[bool]:
    """Return for each outage that is over whether another process took over the run meanwhile."""
    found: list[bool] = []
    left_alone = False
    for entry in entries:
        match entry.record:
            case OutageBegan():
                left_alone = False
            case Opened():
                left_alone = True
            case OutageEnded():
                found.append(left_alone)
            case _:
                pass  # Within an outage, or outside of all.
    return found


def usual_of_runs(runs: Iterable[Mapping[Timed, timedelta]]) -> dict[Timed, UsualTime]:
    """Return the median of the times of *runs*."""
    known: dict[Timed, list[timedelta]] = defaultdict(list)
    for run in runs:
        for what, length in run.items():
            known[what].append(length)
    return {what: UsualTime(median_high(times), _runs(len(times))) for what, times in known.items()}


def _runs(number: int) -> str:
    return "an earlier run" if number == 1 else f"{number} earlier runs"


class UsualTimes:
    """The usual times of one run, in the direction that it takes.

    *limits* are those of the steps: a wait with another limit, such as that for an operator's
    consent, has no usual time.
    """

    def __init__(
        self,
        known: Mapping[Timed, UsualTime] | None = None,
        limits: Mapping[int, timedelta] | None = None,
        direction: Direction | None = None,
    ) -> None:
        self._known = known or {}
        self._limits = limits or {}
        self._direction = direction

    def read(self, entry: Entry) -> None:
        """Follow the direction, if *entry* takes one."""
        if isinstance(entry.record, DirectionTaken):
            self._direction = entry.record.direction

    def of_wait(self, step: int, limit: timedelta) -> str:
        """Return how long *step* usually takes; empty if it is not known or not awaited."""
        return self._text(step) if step and self._limits.get(step) == limit else ""

    @property
    def of_outage(self) -> str:
        """How long the outage usually is; empty if it is not known."""
        return self._text(OUTAGE)

    def _text(self, step: int) -> str:
        if self._direction is None:
            return ""
        found = self._known.get((self._direction, step))
        return "" if found is None else str(found)
