"""Clocks: hosts whose clocks are wrong or set, late wake-ups, and the judge of recorded times."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from vpnmigrate.journal import RunState
from vpnmigrate.journal.records import Entry, OutageBegan, OutageEnded
from vpnmigrate.model.clock import Clock, Stamp, stamp_of
from vpnmigrate.sandbox.world import World

NEARLY = timedelta(seconds=1)
"""How exact a duration has to be that one machine has measured."""


@dataclass(frozen=True)
class Jump:
    """Somebody sets the clock *by* so much once that many deeds were sent, over all processes."""

    call: int
    by: timedelta


@dataclass(frozen=True)
class Move:
    """The next process finds the clock set *by* so much; *elsewhere*, on another host or boot."""

    by: timedelta
    elsewhere: bool


@dataclass(frozen=True)
class Clocks:
    """What becomes of the clocks in one trial."""

    jumps: tuple[Jump, ...] = ()
    moves: tuple[Move, ...] = ()
    """Before the second process, the third, and so on."""

    def __str__(self) -> str:
        jumps = [f"clock set by {j.by.total_seconds():+.0f} s at deed {j.call}" for j in self.jumps]
        moves = [
            f"{'other host' if m.elsewhere else 'same host'}, {m.by.total_seconds():+.0f} s"
            for m in self.moves
        ]
        return "; ".join([*jumps, *moves])


class HostClock:
    """The clock (``clock.Clock``) of one process on a host whose wall is *off* from the *true* one.

    *boot* names the host and its boot: processes that share it can measure durations together.
    """

    def __init__(self, true: Clock, boot: str, off: timedelta = timedelta(0)) -> None:
        self._true = true
        self._boot = boot
        self._off = self._began_off = off

    def put(self, by: timedelta) -> None:
        """Set the clock on the wall *by* so much, below zero for back."""
        self._off += by

    def now(self) -> datetime:
        """Return the steady moment, which began with the wall's."""
        return self._true.now() + self._began_off

    def wall(self) -> datetime:
        """Return what this host takes for the time."""
        return self._true.now() + self._off

    def ahead(self) -> timedelta:
        """Return how far the wall was set since the process began."""
        return self._off - self._began_off

    def stamp(self) -> Stamp:
        """Return the uptime, which is true on every host."""
        return stamp_of(self._boot, self._true.now())

    def sleep(self, span: timedelta) -> None:
        """Wait for *span*."""
        self._true.sleep(span)


class Hosts:
    """Gives each process of a trial the clock of the host that it runs on."""

    def __init__(self, clocks: Clocks) -> None:
        self._jumps = list(clocks.jumps)
        self._moves = list(clocks.moves)
        self._off = timedelta(0)
        self._boot = 0
        self._clock: HostClock | None = None
        self.was_set = False
        """Whether somebody has set the clock of the process at work."""

    def begin(self, true: Clock) -> HostClock:
        """Start a process, which waits with *true*, the clock of the world."""
        if self._clock is not None and self._moves:
            move = self._moves.pop(0)
            self._off += move.by
            self._boot += move.elsewhere
        self.was_set = False
        self._clock = HostClock(true, f"boot {self._boot}", self._off)
        return self._clock

    def mind(self, calls: int) -> None:
        """Set the clock if that many *deeds* are enough."""
        while self._clock is not None and self._jumps and self._jumps[0].call <= calls:
            jump = self._jumps.pop(0)
            self._off += jump.by
            self._clock.put(jump.by)
            self.was_set = True


class DurationChecker:
    """Compares what a journal tells of time with the *true* time of the world."""

    def __init__(self) -> None:
        self._last: Entry | None = None
        self._began: datetime | None = None
        self._boots: set[str] = set()

    def of_entry(self, entry: Entry, true: datetime, run: RunState) -> Iterator[str]:
        """Return what *entry*, written at the *true* moment, tells wrong; *run* is after it."""
        if self._last is not None and self._last.seq < entry.seq and entry.at < self._last.at:
            yield f"line {entry.seq} is from before line {self._last.seq}"
        self._last = entry
        match entry.record:
            case OutageBegan() if self._began is None:
                self._began, self._boots = true, set()
            case OutageEnded(at=at, lasted=lasted, earlier=False) if self._began is not None:
                self._boots.add(entry.boot)
                yield from self._of_outage(lasted, true - (entry.at - at) - self._began)
            case _:
                pass
        self._boots.add(entry.boot)
        if not run.outage_open:
            self._began = None

    def _of_outage(self, shown: timedelta, lasted: timedelta) -> Iterator[str]:
        one_machine = len(self._boots) == 1
        if shown < timedelta(0) or (one_machine and abs(shown - lasted) > NEARLY):
            yield f"an outage of {lasted} is told as one of {shown}"


NAP = timedelta(seconds=40)
"""The longest that a process is left asleep because there is nothing new to be seen.  Two calls in
doubt, a consistency delay each, and a late awakening after each fit into the shortest limit of a
step, which is ten minutes."""

LONG_NAP = timedelta(hours=1)
"""The longest of a run that rests.  It would ask every second, and nothing is decided by that; a
day's pause still has the many looks in which its end, or its longest time, is noticed."""


class LateClock:
    """A world's clock for one process (``clock.Clock``), which every wait of its outlasts.

    A wait takes *late* longer than was asked for.  If then nothing new can have come into any
    describe, it lasts until something may, or for a nap.  With no lateness it is the world's clock,
    but while the run rests: *rests_until* tells when somebody will lift the pause it is in.
    """

    def __init__(
        self, world: World, late: timedelta, rests_until: Callable[[], datetime | None]
    ) -> None:
        self._world = world
        self._late = late
        self._rests_until = rests_until

    def now(self) -> datetime:
        """Return the world's moment."""
        return self._world.clock.now()

    def wall(self) -> datetime:
        """Return the world's moment."""
        return self._world.clock.wall()

    def ahead(self) -> timedelta:
        """Return zero: nobody sets this clock."""
        return timedelta(0)

    def stamp(self) -> Stamp:
        """Return the world's own stamp."""
        return self._world.clock.stamp()

    def sleep(self, span: timedelta) -> None:
        """Wait for *span*, and longer."""
        clock = self._world.clock
        lifted = self._rests_until()
        if lifted is not None:
            clock.sleep(max(span, min(lifted - clock.now(), LONG_NAP)))
            return
        nap = clock.now() + NAP
        clock.sleep(span + self._late)
        if self._late and self._world.changed() + self._world.behaviour.read_lag < clock.now():
            clock.sleep(min(self._world.next_change() or nap, nap) - clock.now())
