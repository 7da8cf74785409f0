"""How often in a row step 10's goal was seen to hold, as one process remembers it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct


class Streak(Struct, frozen=True):
    """Readings in a row in which a tunnel was UP, and when AWS says that it last changed."""

    readings: int
    changed: datetime | None = None


class Green(Struct, frozen=True):
    """What one process has seen, reading by reading, of step 10's goal."""

    last: datetime
    """When the latest reading was begun."""
    since: datetime | None = None
    """The first of the readings in a row that lacked nothing; None if the latest did."""
    readings: int = 0
    """How many in a row lacked nothing."""
    tunnels: Mapping[str, Streak] = {}
    """By ``green.tunnel_name``; a tunnel that is DOWN has none."""
