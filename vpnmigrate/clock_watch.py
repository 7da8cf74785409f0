"""Notices that somebody, or NTP, has set the machine's clock, and has the journal say so."""

from __future__ import annotations

from datetime import timedelta

from vpnmigrate.journal.records import ClockMoved
from vpnmigrate.logbook import Logbook
from vpnmigrate.model.clock import Clock

NOTICED = timedelta(seconds=10)
"""NTP corrects less than that without being noticed; nothing here depends on seconds of the day."""


class ClockWatch:
    """Compares the clock on the wall with the run's own time; one process says each way once."""

    def __init__(self, clock: Clock, logbook: Logbook) -> None:
        self._clock = clock
        self._logbook = logbook
        self._seen = logbook.state.clock_ahead
        self._told: set[bool] = set()

    def mind(self) -> timedelta:
        """Return how far the clock was set since this was last asked, below zero for back.

        The first time that counts from what the journal knows, so that the process after a jump
        says it, too.
        """
        ahead = self._clock.ahead()
        moved = ahead - self._seen
        if abs(moved) < NOTICED:
            return timedelta(0)
        self._seen = ahead
        back = moved < timedelta(0)
        if back not in self._told:
            self._told.add(back)
            self._logbook.write(ClockMoved(moved))
        return moved
