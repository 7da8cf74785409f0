"""The time of a served sandbox, for a program that works in front of it."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import datetime, timedelta

from vpnmigrate.errors import UsageError, VpnMigrateError
from vpnmigrate.model.clock import Clock, Stamp, stamp_of
from vpnmigrate.sandbox.control import Client

FRESH = timedelta(seconds=1)
"""Of the machine's time: so soon it is noticed that somebody has put the sandbox's clock forward.

In between it is reckoned on at the sandbox's pace.
"""
SHORTEST = timedelta(milliseconds=50)
"""Of the machine's time: whoever looks again sooner only keeps the sandbox from its work."""


class FollowingClock:
    """A clock that agrees with that of *sandbox*, at its pace and through its leaps.

    Once the sandbox has gone, time passes on at its last pace.

    Raises:
        UnreachableError: Nothing answers there.
        UsageError: What answers is no sandbox, or one without a clock of its own.
    """

    def __init__(self, sandbox: Client, machine: Clock) -> None:
        self._sandbox = sandbox
        self._machine = machine
        # A signal handler may ask for the time while it is being asked for.
        self._lock = threading.RLock()
        self._base, self._speed = self._read()
        self._read_at = self._machine.now()
        self._last = self._base

    def now(self) -> datetime:
        """Give the sandbox's moment."""
        with self._lock:
            if self._machine.now() - self._read_at >= FRESH:
                with suppress(VpnMigrateError):
                    self._catch_up()
            self._last = max(self._last, self._reckoned(self._machine.now()))
            return self._last

    def wall(self) -> datetime:
        """Return the sandbox's moment: nobody puts its clock back."""
        return self.now()

    def ahead(self) -> timedelta:
        """Return zero: nobody sets this clock."""
        return timedelta(0)

    def stamp(self) -> Stamp:
        """Return the stamp of the sandbox's time, which all who follow it share."""
        return stamp_of("sandbox", self.now())

    def sleep(self, span: timedelta) -> None:
        """Wait until *span* of the sandbox's time has passed, and a moment of the machine's."""
        self._machine.sleep(max(span / self._speed, SHORTEST))

    def _catch_up(self) -> None:
        """Follow a leap.

        What the sandbox tells lies between question and answer, and a slow answer is no leap: a
        span that is measured with this clock is not to depend on how busy the machine is.
        """
        asked = self._reckoned(self._machine.now())
        told, speed = self._read()
        now = self._machine.now()
        answered = self._reckoned(now)
        leapt = not asked <= told <= answered
        self._base, self._read_at = told if leapt else answered, now
        self._speed = speed

    def _reckoned(self, at: datetime) -> datetime:
        return self._base + (at - self._read_at) * self._speed

    def _read(self) -> tuple[datetime, float]:
        state = self._sandbox.state()
        if not state.get("speed"):
            raise UsageError("this sandbox has no clock of its own to go by")
        return datetime.fromisoformat(state["time"]), state["speed"]
