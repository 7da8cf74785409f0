"""Preflight: effects on route tables and sites."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from itertools import product

from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.ec2 import (
    ADVERTISED_ROUTE,
    CREATED_ROUTE,
    LOCAL,
    PROPAGATED_ROUTE,
    ConnectionRecord,
    CustomerGatewayRecord,
    RouteRecord,
    RouteTableRecord,
    VpnConnectionId,
)
from vpnmigrate.model.plan import Finding
from vpnmigrate.model.survey import Survey
from vpnmigrate.planning.preflight.base import Findings, listed, network


def edge_tables_are_reported(survey: Survey, _decisions: Decisions) -> Findings:
    """Check for edge tables: the new gateway gets a new association, with a new id."""
    for table in survey.route_tables:
        if table.edge_of(survey.gateway.id):
            yield Finding(
                "VPM-W701",
                "edge-table",
                f"{table.id} is the edge table of {survey.gateway.id}",
                "Nothing: step 9 associates it with the new gateway.  Update any configuration "
                "that contains the association's id.",
            )


def static_routes_are_reported(survey: Survey, _decisions: Decisions) -> Findings:
    """Check for static routes to the gateway: black holes until step 9 (domain.md 4.1)."""
    routes = [
        f"{route.destination} in {table.id}"
        for table in survey.route_tables
        for route in table.static_routes_to(survey.gateway.id)
    ]
    if routes:
        yield Finding(
            "VPM-W702",
            "static-routes-drop",
            f"static routes to {survey.gateway.id}: {listed(routes)}",
            "Nothing: step 9 changes them to the new gateway.  They drop packets from step 8 to "
            "step 9; no less-specific route covers them.",
        )


def black_holes_are_reported(survey: Survey, _decisions: Decisions) -> Findings:
    """Check for static routes to the gateway that carry no traffic now, although it is attached."""
    dead = [
        f"{route.destination} in {table.id} is {route.state}"
        for table in survey.route_tables
        for route in table.static_routes_to(survey.gateway.id)
        if route.state != "active"
    ]
    if dead:
        yield Finding(
            "VPM-W708",
            "black-hole-before",
            f"static routes to {survey.gateway.id} that carry no traffic: {listed(dead)}",
            "Find out why, or delete them.  Step 9 changes their targets as well, and neither it "
            "nor a rollback waits for them to carry traffic.",
        )


def advertised_routes_are_reported(survey: Survey, _decisions: Decisions) -> Findings:
    """Check for routes to the gateway that a VPC Route Server advertises: no step changes them."""
    routes = [
        f"{route.destination} in {table.id}"
        for table in survey.route_tables
        for route in table.routes
        if route.target == survey.gateway.id and route.origin == ADVERTISED_ROUTE
    ]
    if routes:
        yield Finding(
            "VPM-W709",
            "advertised-to-the-gateway",
            f"routes of a VPC Route Server to {survey.gateway.id}: {listed(routes)}",
            "Have the Route Server withdraw them, unless a static or propagated route has the same "
            "destination.  No step changes them, and they drop packets from step 8 on.",
        )


def other_routes_are_reported(survey: Survey, _decisions: Decisions) -> Findings:
    """Check for other routes to the same addresses: the outage changes which route is used."""
    for table in survey.route_tables:
        rivals = sorted({_rivalry(a, b) for a, b in _rivals(survey, table)})
        if rivals:
            yield Finding(
                "VPM-W703",
                "overlapping-routes",
                f"{table.id}: {listed(rivals)}",
                "Check that it is acceptable if these routes carry, or lose, that traffic during "
                "the outage.",
            )


def default_routes_are_reported(survey: Survey, _decisions: Decisions) -> Findings:
    """Check for default routes: they get the packets while propagated routes are missing."""
    for table in survey.route_tables:
        takers = sorted(
            f"{r.destination} to {r.target}"
            for r in table.routes
            if _is_elsewhere(r, survey) and r.destination in {"0.0.0.0/0", "::/0"}
        )
        if takers and survey.gateway.id in table.propagating:
            yield Finding(
                "VPM-W704",
                "default-route-takes-over",
                f"{table.id}: {listed(takers)}",
                "During the outage (steps 7 to 10), on-premises traffic from this table goes to "
                "that target.",
            )


def sites_are_reported(survey: Survey, _decisions: Decisions) -> Findings:
    """Check for several sites: traffic between them is interrupted as well (VPN CloudHub)."""
    sites = _bgp_sites(survey)
    if len(sites) < 2:  # noqa: PLR2004
        return
    names = [f"{device.device_name or device.id} ({device.ip})" for device in sites]
    yield Finding(
        "VPM-W705",
        "several-bgp-sites",
        f"{survey.gateway.id} connects {listed(names)}",
        "Inform each of these sites: traffic between them through the gateway also stops during "
        "the outage.  If several advertise one prefix, check at each that it is accepted again.",
    )
    shared = [asn for asn, count in Counter(d.asn for d in sites if d.asn).items() if count > 1]
    for asn in sorted(shared):
        alike = [device.id for device in sites if device.asn == asn]
        yield Finding(
            "VPM-W706",
            "asn-of-several-sites",
            f"{listed(alike)} have the same ASN, {asn}",
            "Nothing for two devices of one site.  Sites that communicate through the gateway need "
            "different ASNs: BGP drops a path that contains its own.",
        )


def equal_prefixes_are_reported(survey: Survey, _decisions: Decisions) -> Findings:
    """Check for prefixes of several connections, which provide failover for each other."""
    holders: defaultdict[str, list[VpnConnectionId]] = defaultdict(list)
    for connection in survey.living:
        for cidr in _prefixes(connection):
            holders[cidr].append(connection.id)
    for cidr, connections in sorted(holders.items()):
        if len(connections) > 1:
            yield Finding(
                "VPM-W707",
                "redundant-prefix",
                f"{cidr} is behind {listed(connections)}",
                "After step 10, test failover between their successors: route tables do not show "
                "whether both carry it.",
            )


def _prefixes(connection: ConnectionRecord) -> frozenset[str]:
    return frozenset(str(network(cidr) or cidr) for cidr in connection.static_prefixes)


def _bgp_sites(survey: Survey) -> list[CustomerGatewayRecord]:
    speaking = {c.customer_gateway for c in survey.living if not c.static_only}
    return [device for device in survey.customer_gateways if device.id in speaking]


def _is_elsewhere(route: RouteRecord, survey: Survey) -> bool:
    counts = route.origin in {CREATED_ROUTE, ADVERTISED_ROUTE}
    return counts and route.target not in {LOCAL, survey.gateway.id}


def _rivals(survey: Survey, table: RouteTableRecord) -> Iterator[tuple[RouteRecord, RouteRecord]]:
    ours = [
        route
        for route in table.routes
        if route.target == survey.gateway.id and route.origin in {CREATED_ROUTE, PROPAGATED_ROUTE}
    ]
    rivals = [route for route in table.routes if _is_elsewhere(route, survey)]
    yield from _overlapping(rivals, ours)


_Block = tuple[int, int, int]
"""Version, length of the prefix, and the bits of the prefix."""


def _overlapping(
    some: Iterable[RouteRecord], others: Iterable[RouteRecord]
) -> Iterator[tuple[RouteRecord, RouteRecord]]:
    """Yield the pairs with common addresses: one network of each is inside the other, or equal.

    A default route overlaps everything; it has a finding of its own.
    """
    here, there = _by_block(some), _by_block(others)
    for block, around in _enclosed(here, there):
        yield from product(here[block], there[around])
    for block, around in _enclosed(there, here):
        if around != block:  # equal networks were found above
            yield from product(here[around], there[block])


def _by_block(routes: Iterable[RouteRecord]) -> dict[_Block, list[RouteRecord]]:
    found: defaultdict[_Block, list[RouteRecord]] = defaultdict(list)
    for route in routes:
        block = _block(route.destination)
        if block is not None:
            found[block].append(route)
    return dict(found)


@lru_cache(maxsize=65_536)
def _block(destination: str) -> _Block | None:
    """Return the block of a network; None for a default route, or if it is not a network."""
    parsed = network(destination)
    if parsed is None or parsed.prefixlen == 0:
        return None
    bits = int(parsed.network_address) >> (parsed.max_prefixlen - parsed.prefixlen)
    return parsed.version, parsed.prefixlen, bits


def _enclosed(
    blocks: Iterable[_Block], known: Collection[_Block]
) -> Iterator[tuple[_Block, _Block]]:
    """Yield each block with each of the *known* ones that contain it."""
    lengths = sorted({(version, length) for version, length, _ in known})
    for version, length, bits in blocks:
        for of, shorter in lengths:
            if of == version and shorter <= length:
                around = version, shorter, bits >> (length - shorter)
                if around in known:
                    yield (version, length, bits), around


def _rivalry(rival: RouteRecord, route: RouteRecord) -> str:
    by = " (VPC Route Server)" if rival.origin == ADVERTISED_ROUTE else ""
    return f"{rival.destination} to {rival.target or 'no target'}{by} overlaps {route.destination}"
