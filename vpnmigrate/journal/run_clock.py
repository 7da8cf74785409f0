"""Run clock: time that continues from the last journal entry, across boots.

Entries have the boot and the uptime of the machine that wrote them.  Within one boot the time
between two entries is exact.  Across boots and hosts only the wall clocks are available, which may
be wrong in either direction: then a duration is their difference, at least zero, and the
consistency delay (``consistency``) counts none of it, since nothing proves that the time passed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from vpnmigrate.journal.records import Entry, Record
from vpnmigrate.model.clock import Clock, Stamp


class RunClock:
    """A clock (``clock.Clock``) that continues from *last*, the last entry of a run's journal."""

    def __init__(self, clock: Clock, last: Entry | None) -> None:
        self._clock = clock
        self._shift = _continued_at(clock, last) - clock.now()

    def now(self) -> datetime:
        """Return the run time, which is never before the last entry."""
        return self._clock.now() + self._shift

    def wall(self) -> datetime:
        """Return the time of the machine's clock."""
        return self._clock.wall()

    def ahead(self) -> timedelta:
        """Return how far the machine's clock is ahead of the run time."""
        return self._clock.ahead() - self._shift

    def stamp(self) -> Stamp:
        """Return the machine's boot and uptime."""
        return self._clock.stamp()

    def sleep(self, span: timedelta) -> None:
        """Wait for *span*."""
        self._clock.sleep(span)


def run_clock(clock: Clock, entries: Sequence[Entry]) -> RunClock:
    """Return the clock of the run whose journal has *entries*."""
    return RunClock(clock, entries[-1] if entries else None)


def stamped(clock: Clock, first: int, records: Iterable[Record]) -> tuple[Entry, ...]:
    """Return *records* as entries of this moment, numbered from *first*."""
    now, stamp = clock.now(), clock.stamp()
    ahead = timedelta(seconds=round(clock.ahead().total_seconds()))
    return tuple(
        Entry(first + i, now, record, stamp.boot, stamp.up, ahead)
        for i, record in enumerate(records)
    )


def gaps_in(entries: Iterable[Entry]) -> tuple[tuple[datetime, datetime], ...]:
    """Return the periods between consecutive entries whose length was not measured."""
    return tuple(
        (before.at, after.at)
        for before, after in pairwise(entries)
        if not _is_measured(before, Stamp(after.boot, after.up)) and after.at > before.at
    )


def latest(at: datetime, gaps: Iterable[tuple[datetime, datetime]]) -> datetime:
    """Return the latest possible moment of an entry written *at*: gaps count as zero."""
    return at + sum((end - begin for begin, end in gaps if begin >= at), timedelta(0))


def _is_measured(before: Entry, stamp: Stamp) -> bool:
    return before.boot == stamp.boot and before.up <= stamp.up


def _continued_at(clock: Clock, last: Entry | None) -> datetime:
    wall, stamp = clock.wall(), clock.stamp()
    if last is None:
        return wall
    if stamp.boot and _is_measured(last, stamp):
        return last.at + (stamp.up - last.up)
    return last.at + max(timedelta(0), wall - last.wall)
