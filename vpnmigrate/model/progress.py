"""Progress: what one observation during the cutover shows.

It is only displayed, and written to a small file beside the journal; no decision uses it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec import Struct, field

from vpnmigrate.model.probes import ProbeStats


class TunnelView(Struct, frozen=True):
    """A tunnel of the joining side."""

    connection: str
    outside_ip: str
    up: bool
    detail: str = ""
    """AWS's status message, or the number of accepted routes."""
    readings: int = 0
    """Number of consecutive readings in which it was UP."""


class TableView(Struct, frozen=True):
    """A route table with routes to the leaving gateway before the cutover."""

    table: str
    reached: int
    """Number of routes restored to the joining gateway."""
    asked: int
    """Number of routes to restore."""
    lacking: str = ""
    """The first route not restored, or the reason."""


class CutoverView(Struct, frozen=True):
    """One observation."""

    tunnels: tuple[TunnelView, ...] = ()
    tables: tuple[TableView, ...] = ()
    stable_for: timedelta | None = field(default=None, name="green")
    """How long traffic has been stable; None while something is missing."""
    holds_for: timedelta = timedelta(0)
    """How long it must be stable."""
    readings: int = 0
    readings_asked: int = 0
    probes: tuple[ProbeStats, ...] = ()


Sighting = Callable[[], CutoverView]
"""Function that summarizes an observation on demand: most simulated runs have no watcher."""


class Waiting(Struct, frozen=True):
    """What a run waits for, and how much of the limit is used at *at*."""

    at: datetime
    step: int
    why: str
    waited: timedelta
    limit: timedelta
    usual: str = ""
    """How long it usually takes, with the source; empty if that is not known."""


class Unreadable(Struct, frozen=True):
    """AWS cannot be read since a moment of the run's own clock."""

    since: datetime
    why: str
