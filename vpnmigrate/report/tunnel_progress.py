"""Tunnel progress: the joining side's tunnels by site, and confirmations that came early."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from msgspec import Struct

from vpnmigrate.journal import RunState
from vpnmigrate.model.plan import Direction
from vpnmigrate.model.progress import CutoverView
from vpnmigrate.model.snapshot import Confirmation
from vpnmigrate.report.names import Names
from vpnmigrate.report.text import count

_ENABLED = {
    Direction.FORWARD: Confirmation.NEW_TUNNELS_ENABLED,
    Direction.ROLLBACK: Confirmation.TUNNELS_RETURNED,
}
"""The confirmation that the joining side's tunnels are enabled, by direction."""
ENABLING = frozenset(_ENABLED.values())


class SiteTunnels(Struct, frozen=True):
    """The tunnels of one connection of the joining side, as last observed."""

    connection: str
    site: str
    """The name of the connection; its id if it has none."""
    argument: str
    """The name that a command takes: the id if it is not the only site with that name."""
    up: int
    all: int

    @property
    def down(self) -> int:
        """Number of tunnels that are DOWN."""
        return self.all - self.up


def tunnels_by_site(sight: CutoverView | None, names: Names) -> tuple[SiteTunnels, ...]:
    """Return the tunnels of each connection in *sight*; none without an observation."""
    up: dict[str, list[bool]] = {}
    for tunnel in sight.tunnels if sight is not None else ():
        up.setdefault(tunnel.connection, []).append(tunnel.up)
    sites = {connection: names.of(connection) for connection in up}
    often = Counter(name.lower() for name in sites.values())
    return tuple(
        SiteTunnels(
            connection,
            name := sites[connection],
            connection if often[name.lower()] > 1 or name.startswith("-") else name,
            sum(found),
            len(found),
        )
        for connection, found in up.items()
    )


class EarlyConfirmation(Struct, frozen=True):
    """Tunnels that are DOWN although a person has confirmed that they are enabled."""

    at: datetime
    """When it was confirmed, on the run's own clock."""
    sites: tuple[SiteTunnels, ...]
    """The sites with a tunnel that is DOWN."""
    text: str
    """How many tunnels are DOWN, and where."""


def down_text(sight: CutoverView | None, names: Names) -> str:
    """Return how many tunnels are DOWN, and where; empty if none is."""
    sites = tunnels_by_site(sight, names)
    down = [site for site in sites if site.down]
    where = ", ".join(f"{site.site} {site.down} of {site.all}" for site in down)
    every = count(sum(site.all for site in sites), "tunnel")
    return f"{sum(site.down for site in down)} of {every} still DOWN ({where})" if down else ""


HARMLESS = "the run waits until they are UP, so the confirmation need not be taken back"


def early_confirmation(
    state: RunState, sight: CutoverView | None, names: Names
) -> EarlyConfirmation | None:
    """Return the confirmation of tunnels that are DOWN in *sight*; None if there is none."""
    confirmation = None if state.direction is None else _ENABLED.get(state.direction)
    at = None if confirmation is None else state.journal_facts.confirmations.get(confirmation)
    if at is None or state.finished or state.journal_facts.verified is not None:
        return None
    sites = tuple(site for site in tunnels_by_site(sight, names) if site.down)
    return EarlyConfirmation(at, sites, down_text(sight, names)) if sites else None


def tunnels_json(tunnels: Iterable[SiteTunnels]) -> list[dict[str, Any]]:
    """Return the tunnels of each site as JSON values."""
    return [
        {"connection": each.connection, "site": each.site, "up": each.up, "tunnels": each.all}
        for each in tunnels
    ]
