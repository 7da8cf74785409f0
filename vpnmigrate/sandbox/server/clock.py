"""Scaled clock: sandbox time that runs faster and can be advanced."""

from __future__ import annotations

import secrets
import threading
from datetime import datetime, timedelta

from vpnmigrate.model.clock import Clock, Stamp, SteadyClock, stamp_of


class ScaledClock:
    """Time that starts at the machine's moment and passes *speed* times as fast.

    EC2's minutes become seconds, for clients that cannot be given a clock of ours.
    """

    def __init__(self, speed: float = 1.0, machine: Clock | None = None) -> None:
        if speed <= 0:
            message = f"a clock cannot run at {speed} times the machine's pace"
            raise ValueError(message)
        self.speed = speed
        self._machine = machine or SteadyClock()
        self._start = self._machine.now()
        self._ahead = timedelta(0)
        self._name = secrets.token_hex(6)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the paced moment."""
        with self._lock:
            return self._start + (self._machine.now() - self._start) * self.speed + self._ahead

    def wall(self) -> datetime:
        """Return the paced moment: nobody puts this clock back."""
        return self.now()

    def ahead(self) -> timedelta:
        """Return zero: nobody sets this clock."""
        return timedelta(0)

    def stamp(self) -> Stamp:
        """Return the stamp of the paced time, which this process alone knows."""
        return stamp_of(self._name, self.now())

    def sleep(self, span: timedelta) -> None:
        """Wait until *span* of paced time has passed."""
        self._machine.sleep(span / self.speed)

    def advance(self, span: timedelta) -> None:
        """Put the clock forward by *span* at once; time never goes back.

        Raises:
            ValueError: *span* is negative.
        """
        if span < timedelta(0):
            message = "time does not go back"
            raise ValueError(message)
        with self._lock:
            self._ahead += span
