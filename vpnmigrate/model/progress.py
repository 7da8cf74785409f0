"""Progress: what one observation during the cutover shows.

Made for a screen and for a small file beside the journal; nothing is ever decided from it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec import Struct

from vpnmigrate.model.probes import ProbeStats


class TunnelView(Struct, frozen=True):
    """A tunnel of the joining side."""

    connection: str
    outside_ip: str
    up: bool
    detail: str = ""
    """What AWS says of it, or how many routes it accepted."""
    readings: int = 0
    """How many in a row it was UP in."""


class TableView(Struct, frozen=True):
    """A route table that led to the leaving gateway before."""

    table: str
    reached: int
    """Destinations that lead to the joining gateway now."""
    asked: int
    """Of how many."""
    lacking: str = ""
    """The first that does not, or why that cannot be told."""


class CutoverView(Struct, frozen=True):
    """One look."""

    tunnels: tuple[TunnelView, ...] = ()
    tables: tuple[TableView, ...] = ()
    green: timedelta | None = None
    """How long nothing has been lacking; None while something is."""
    holds_for: timedelta = timedelta(0)
    """How long that has to hold."""
    readings: int = 0
    readings_asked: int = 0
    probes: tuple[ProbeStats, ...] = ()


Sighting = Callable[[], CutoverView]
"""A look that is summed up for who wants to know; most runs in a simulation are watched by none."""


class Waiting(Struct, frozen=True):
    """What a run waits for, of which limit it has used how much by *at*."""

    at: datetime
    step: int
    why: str
    waited: timedelta
    limit: timedelta
