"""Scaled clock: sandbox time that runs faster and can be advanced."""

from __future__ import annotations

import secrets
import threading
from datetime import datetime, timedelta

from vpnmigrate.model.clock import Clock, Stamp, SteadyClock, stamp_of


class ScaledClock:
    """Time that starts at the machine's time and passes *speed* times as fast.

    EC2's minutes become seconds, for clients that cannot use a virtual clock.
    """

    def __init__(self, speed: float = 1.0, machine: Clock | None = None) -> None:
        if speed <= 0:
            message = f"the speed of a clock must be positive, not {speed}"
            raise ValueError(message)
        self.speed = speed
        self._machine = machine or SteadyClock()
        self._start = self._machine.now()
        self._ahead = timedelta(0)
        self._name = secrets.token_hex(6)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the scaled time."""
        with self._lock:
            return self._start + (self._machine.now() - self._start) * self.speed + self._ahead

    def wall(self) -> datetime:
        """Return the scaled time: this clock is never set back."""
        return self.now()

    def ahead(self) -> timedelta:
        """Return zero: this clock is never set."""
        return timedelta(0)

    def stamp(self) -> Stamp:
        """Return the stamp of the scaled time, which only this process has."""
        return stamp_of(self._name, self.now())

    def sleep(self, span: timedelta) -> None:
        """Wait until *span* of scaled time has passed."""
        self._machine.sleep(span / self.speed)

    def advance(self, span: timedelta) -> None:
        """Advance the clock by *span*.

        Raises:
            ValueError: *span* is negative.
        """
        if span < timedelta(0):
            message = "a clock cannot be set back"
            raise ValueError(message)
        with self._lock:
            self._ahead += span
