"""What devices announce over BGP, worked out from what AWS had taken up of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, ip_network

from vpnmigrate.model.ec2 import ConnectionRecord, RouteTableRecord, VpnGatewayId

PLACEHOLDERS = "100.64.{}.0/24"
"""What a device announces of which only the number is known: shared address space (RFC 6598)."""


def advertised_by(
    connections: Sequence[ConnectionRecord], tables: Sequence[RouteTableRecord]
) -> dict[str, tuple[str, ...]]:
    """Work out which prefixes each device announces, from what AWS had taken up.

    Propagated routes that no static prefix explains are shared out in order, to each BGP
    connection as many as it had accepted; what is left over goes to the last.  A redundant pair
    that accepted all of them gets all of them.
    """
    shares: dict[str, set[str]] = {}
    gateways: dict[VpnGatewayId, list[ConnectionRecord]] = {}
    for connection in connections:
        if connection.vpn_gateway and not connection.static_only and connection.customer_gateway:
            gateways.setdefault(connection.vpn_gateway, []).append(connection)
    static = {p.cidr for c in connections for p in c.prefixes}
    for gateway, speakers in gateways.items():
        pool = _pool(gateway, tables, static)
        start = 0
        for number, connection in enumerate(sorted(speakers, key=lambda c: c.id)):
            count = max((t.accepted_routes for t in connection.telemetry if t.up), default=0)
            last = number == len(speakers) - 1
            share = _share(pool, start, count, to_the_end=last)
            shares.setdefault(str(connection.customer_gateway), set()).update(share)
            start += count
    return {customer: tuple(sorted(share)) for customer, share in sorted(shares.items())}


def _pool(gateway: VpnGatewayId, tables: Iterable[RouteTableRecord], static: set[str]) -> list[str]:
    propagated = {prefix for table in tables for prefix in table.propagated_from(gateway)}
    written = {
        route.destination
        for table in tables
        for route in table.static_routes_to(gateway)
        if _could_be_announced(route.destination)
    }
    return sorted((propagated or written) - static)


def _share(pool: Sequence[str], start: int, count: int, *, to_the_end: bool) -> list[str]:
    if count == 0:
        return []
    if not pool:
        return [PLACEHOLDERS.format(n) for n in range(count)]
    end = max(start + count, len(pool)) if to_the_end else start + count
    return [pool[n % len(pool)] for n in range(start, end)]


def _could_be_announced(destination: str) -> bool:
    if destination.startswith("pl-"):
        return False
    network = ip_network(destination)
    return isinstance(network, IPv4Network) and network.prefixlen > 0
