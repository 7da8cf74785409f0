"""A host whose clock is wrong, and is set while a process runs."""

from __future__ import annotations

from datetime import datetime, timedelta

from vpnmigrate.clock import Clock, Stamp, stamp_of


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
