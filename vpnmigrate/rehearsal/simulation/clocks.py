"""Clocks: hosts with wrong or adjusted clocks, late wake-ups, and checks of recorded times."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from vpnmigrate.journal import RunState
from vpnmigrate.journal.records import Entry, OutageBegan, OutageEnded
from vpnmigrate.model.clock import Clock, Stamp, stamp_of
from vpnmigrate.sandbox.world import World

NEARLY = timedelta(seconds=1)
"""Tolerance for a duration that one machine has measured."""


@dataclass(frozen=True)
class Jump:
    """A change of the clock by *by* once *call* calls were sent, counted over all processes."""

    call: int
    by: timedelta


@dataclass(frozen=True)
class Move:
    """A clock changed by *by* for the next process, on another host or boot if *elsewhere*."""

    by: timedelta
    elsewhere: bool


@dataclass(frozen=True)
class Clocks:
    """The clock changes in one trial."""

    jumps: tuple[Jump, ...] = ()
    moves: tuple[Move, ...] = ()
    """Before the second process, the third, and so on."""

    def __str__(self) -> str:
        jumps = [f"clock set by {j.by.total_seconds():+.0f} s at call {j.call}" for j in self.jumps]
        moves = [
            f"{'other host' if m.elsewhere else 'same host'}, {m.by.total_seconds():+.0f} s"
            for m in self.moves
        ]
        return "; ".join([*jumps, *moves])


class HostClock:
    """The clock (``clock.Clock``) of one process, on a host whose wall clock is *off* by so much.

    *true* is the world's clock.  *boot* names the host and its boot: processes that share it can
    measure durations together.
    """

    def __init__(self, true: Clock, boot: str, off: timedelta = timedelta(0)) -> None:
        self._true = true
        self._boot = boot
        self._off = self._began_off = off

    def put(self, by: timedelta) -> None:
        """Change the wall clock by *by*; a negative value sets it back."""
        self._off += by

    def now(self) -> datetime:
        """Return the monotonic time, which started at the wall clock's."""
        return self._true.now() + self._began_off

    def wall(self) -> datetime:
        """Return the time of this host's wall clock."""
        return self._true.now() + self._off

    def ahead(self) -> timedelta:
        """Return how far the wall clock was changed since the process began."""
        return self._off - self._began_off

    def stamp(self) -> Stamp:
        """Return the uptime, which is correct on every host."""
        return stamp_of(self._boot, self._true.now())

    def sleep(self, span: timedelta) -> None:
        """Wait for *span*."""
        self._true.sleep(span)


class Hosts:
    """The hosts of a trial, which provide the clock of each process."""

    def __init__(self, clocks: Clocks) -> None:
        self._jumps = list(clocks.jumps)
        self._moves = list(clocks.moves)
        self._off = timedelta(0)
        self._boot = 0
        self._clock: HostClock | None = None
        self.was_set = False
        """Whether the clock of the running process was changed."""

    def begin(self, true: Clock) -> HostClock:
        """Return the clock of the next process, which waits with *true*, the world's clock."""
        if self._clock is not None and self._moves:
            move = self._moves.pop(0)
            self._off += move.by
            self._boot += move.elsewhere
        self.was_set = False
        self._clock = HostClock(true, f"boot {self._boot}", self._off)
        return self._clock

    def apply_jumps(self, calls: int) -> None:
        """Change the clock if a jump is due once *calls* calls were sent."""
        while self._clock is not None and self._jumps and self._jumps[0].call <= calls:
            jump = self._jumps.pop(0)
            self._off += jump.by
            self._clock.put(jump.by)
            self.was_set = True


class DurationChecker:
    """Compares the times in a journal with the world's time."""

    def __init__(self) -> None:
        self._last: Entry | None = None
        self._began: datetime | None = None
        self._boots: set[str] = set()

    def of_entry(self, entry: Entry, true: datetime, run: RunState) -> Iterator[str]:
        """Yield the wrong times in *entry*, written at *true*; *run* is the state after it."""
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
        if not run.outage.open:
            self._began = None

    def _of_outage(self, shown: timedelta, lasted: timedelta) -> Iterator[str]:
        one_machine = len(self._boots) == 1
        if shown < timedelta(0) or (one_machine and abs(shown - lasted) > NEARLY):
            yield f"an outage of {lasted} is recorded as one of {shown}"


NAP = timedelta(seconds=40)
"""The longest sleep of a process while AWS shows nothing new.

Two calls in doubt, with a consistency delay and a late wake-up each, fit into the shortest limit of
a step, which is ten minutes."""

LONG_NAP = timedelta(hours=1)
"""The longest sleep of a paused run.

A paused run checks every second, which only costs time here.  A pause of a day still has enough
checks to detect its end or its limit."""


class LateClock:
    """A world's clock for one process (``clock.Clock``), with waits that end late.

    A wait takes *late* longer than requested.  If no describe can show anything new then, it lasts
    until one may, or for ``NAP``.  With no lateness this is the world's clock, except while the run
    is paused: *rests_until* returns when the pause will be lifted.
    """

    def __init__(
        self, world: World, late: timedelta, rests_until: Callable[[], datetime | None]
    ) -> None:
        self._world = world
        self._late = late
        self._rests_until = rests_until

    def now(self) -> datetime:
        """Return the world's time."""
        return self._world.clock.now()

    def wall(self) -> datetime:
        """Return the world's time."""
        return self._world.clock.wall()

    def ahead(self) -> timedelta:
        """Return zero: this clock is never changed."""
        return timedelta(0)

    def stamp(self) -> Stamp:
        """Return the world's stamp."""
        return self._world.clock.stamp()

    def sleep(self, span: timedelta) -> None:
        """Wait for *span* or longer."""
        clock = self._world.clock
        lifted = self._rests_until()
        if lifted is not None:
            clock.sleep(max(span, min(lifted - clock.now(), LONG_NAP)))
            return
        nap = clock.now() + NAP
        clock.sleep(span + self._late)
        if self._late and self._world.changed() + self._world.behaviour.read_lag < clock.now():
            clock.sleep(min(self._world.next_change() or nap, nap) - clock.now())
