"""A process that is woken late, as on a busy machine: fewer looks, none of them spared by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from vpnmigrate.model.clock import Stamp
from vpnmigrate.sandbox.world import World

NAP = timedelta(seconds=40)
"""The longest that a process is left asleep because there is nothing new to be seen.  Two calls in
doubt, a consistency delay each, and a late awakening after each fit into the shortest limit of a
step, which is ten minutes."""
LONG_NAP = timedelta(hours=1)
"""The longest of a run that rests.  It would ask every second, and nothing is decided by that; a
day's pause still has the many looks in which its end, or its longest time, is noticed."""


class DrowsyClock:
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
        """Give the world's moment."""
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
