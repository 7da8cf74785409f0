"""Preflight basics: the type of a check, text, and comparison of networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network

from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.plan import Finding
from vpnmigrate.model.survey import Survey

Findings = Iterator[Finding]

Check = Callable[[Survey, Decisions], Findings]
"""Yields the findings of one check.  It must not fail on any survey."""


def listed(things: Iterable[object]) -> str:
    """Return *things* as text, separated by commas, in their order."""
    return ", ".join(str(thing) for thing in things)


Network = IPv4Network | IPv6Network


@lru_cache(maxsize=65_536)
def network(text: str) -> Network | None:
    """Return the network in *text*, host bits allowed; None for any other text.

    Cached: the tables of a VPC repeat the same destinations.
    """
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def overlap(one: Network, other: Network) -> bool:
    """Return whether two networks share an address; IPv4 and IPv6 never do."""
    if isinstance(one, IPv4Network) and isinstance(other, IPv4Network):
        return one.overlaps(other)
    if isinstance(one, IPv6Network) and isinstance(other, IPv6Network):
        return one.overlaps(other)
    return False


def on_premises(survey: Survey) -> Iterator[tuple[str, str]]:
    """Yield each destination behind the gateway, with the place where it was found."""
    for connection in survey.living:
        for cidr in connection.static_prefixes:
            yield cidr, f"static prefix of {connection.id}"
    for table in survey.route_tables:
        for route in table.routes:
            if route.target == survey.gateway.id:
                yield route.destination, f"route in {table.id}"
