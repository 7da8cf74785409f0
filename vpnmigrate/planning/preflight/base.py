"""Preflight basics: the type of a check, and comparison of networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network

from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.plan import Finding
from vpnmigrate.model.survey import Survey

Findings = Iterator[Finding]

Check = Callable[[Survey, Decisions], Findings]
"""Yields nothing where all is well.  Never fails, whatever the survey says."""


def listed(things: Iterable[object]) -> str:
    """Write *things* as a list for people, in their order."""
    return ", ".join(str(thing) for thing in things)


Network = IPv4Network | IPv6Network


def network(text: str) -> Network | None:
    """Read a network, host bits allowed; None for prefix list ids and what is no network."""
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
    """Return each destination behind the gateway, with where it was seen."""
    for connection in survey.living:
        for prefix in connection.prefixes:
            if prefix.state not in {"deleted", "deleting"}:
                yield prefix.cidr, f"static prefix of {connection.id}"
    for table in survey.route_tables:
        for route in table.routes:
            if route.target == survey.gateway.id:
                yield route.destination, f"route in {table.id}"
