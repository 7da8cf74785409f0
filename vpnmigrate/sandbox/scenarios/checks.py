"""Scenario checks: contradictions, each with its line number."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from ipaddress import ip_network

from vpnmigrate.planning.strict_yaml import Path, YamlDocument
from vpnmigrate.sandbox.scenarios.schema import ScenarioFile

_Mistake = tuple[Path, str]

_PREFIXES = {
    "vpcs": "vpc-",
    "subnets": "subnet-",
    "gateways": "vgw-",
    "customer_gateways": "cgw-",
    "connections": "vpn-",
    "route_tables": "rtb-",
}


def check_scenario(file: ScenarioFile, document: YamlDocument) -> None:
    """Check that a scenario is consistent and possible in EC2.

    Raises:
        MalformedFileError: The scenario has a mistake; names line and field of the first one.
    """
    for path, message in _mistakes(file):
        raise document.fault(path, message)


def _mistakes(file: ScenarioFile) -> Iterator[_Mistake]:
    for kind, prefix in _PREFIXES.items():
        yield from _ids(kind, prefix, [entry.id for entry in getattr(file, kind)])
    yield from _networks(file)
    yield from _references(file)
    yield from _attachments(file)
    yield from _connections(file)
    yield from _tables(file)


def _ids(kind: str, prefix: str, ids: Sequence[str]) -> Iterator[_Mistake]:
    known: set[str] = set()
    for number, identifier in enumerate(ids):
        if not identifier.startswith(prefix):
            yield (kind, number, "id"), f"the id must begin with {prefix}"
        if identifier in known:
            yield (kind, number, "id"), f"{identifier} is defined twice"
        known.add(identifier)


def _networks(file: ScenarioFile) -> Iterator[_Mistake]:
    for number, vpc in enumerate(file.vpcs):
        yield from _cidrs(("vpcs", number, "cidrs"), vpc.cidrs)
    for number, subnet in enumerate(file.subnets):
        if not _is_network(subnet.cidr):
            yield ("subnets", number, "cidr"), "must be a CIDR block"
    for number, customer in enumerate(file.customer_gateways):
        yield from _cidrs(("customer_gateways", number, "advertises"), customer.advertises)
    for number, connection in enumerate(file.connections):
        yield from _cidrs(("connections", number, "prefixes"), connection.prefixes)
        yield from _cidrs(("connections", number, "inside_cidrs"), connection.inside_cidrs or ())
    for number, table in enumerate(file.route_tables):
        for destination in table.routes:
            if not destination.startswith("pl-") and not _is_network(destination):
                path = ("route_tables", number, "routes", destination)
                yield path, "must be a CIDR block or a prefix list, pl-…"


def _cidrs(path: Path, cidrs: Iterable[str]) -> Iterator[_Mistake]:
    for number, cidr in enumerate(cidrs):
        if not _is_network(cidr):
            yield (*path, number), "must be a CIDR block"


def _references(file: ScenarioFile) -> Iterator[_Mistake]:
    vpcs = {vpc.id for vpc in file.vpcs}
    gateways = {gateway.id for gateway in file.gateways}
    customers = {customer.id for customer in file.customer_gateways}
    subnets = {subnet.id for subnet in file.subnets}
    for number, subnet in enumerate(file.subnets):
        yield from _known(("subnets", number, "vpc"), [subnet.vpc], vpcs)
    for number, gateway in enumerate(file.gateways):
        yield from _known(("gateways", number, "vpc"), [gateway.vpc], vpcs)
    for number, connection in enumerate(file.connections):
        path = ("connections", number)
        yield from _known((*path, "gateway"), [connection.gateway], gateways)
        yield from _known((*path, "customer_gateway"), [connection.customer_gateway], customers)
    for number, table in enumerate(file.route_tables):
        path = ("route_tables", number)
        yield from _known((*path, "vpc"), [table.vpc], vpcs)
        yield from _known((*path, "subnets"), table.subnets, subnets)
        yield from _known((*path, "edge_of"), table.edge_of, gateways)
        yield from _known((*path, "propagates"), table.propagates, gateways)
    for kind in ("virtual_interfaces", "direct_connect_associations"):
        for number, entry in enumerate(getattr(file, kind)):
            yield from _known((kind, number, "gateway"), [entry.gateway], gateways)


def _known(path: Path, named: Iterable[str | None], known: Collection[str]) -> Iterator[_Mistake]:
    for name in named:
        if name is not None and name not in known:
            yield path, f"{name} is not defined in this scenario"


def _attachments(file: ScenarioFile) -> Iterator[_Mistake]:
    holders: dict[str, str] = {}
    for number, gateway in enumerate(file.gateways):
        if gateway.vpc is None or gateway.attachment == "detached":
            continue
        if gateway.vpc in holders:
            message = f"{gateway.vpc} already has {holders[gateway.vpc]}; only one is possible"
            yield ("gateways", number, "vpc"), message
        holders[gateway.vpc] = gateway.id


def _connections(file: ScenarioFile) -> Iterator[_Mistake]:
    for number, connection in enumerate(file.connections):
        path = ("connections", number)
        if bool(connection.gateway) == bool(connection.elsewhere):
            yield path, "exactly one of gateway and elsewhere is required"
        if connection.prefixes and not connection.static:
            yield (*path, "prefixes"), "only a connection with static: true has prefixes"


def _tables(file: ScenarioFile) -> Iterator[_Mistake]:
    mains: set[str] = set()
    for number, table in enumerate(file.route_tables):
        path = ("route_tables", number)
        if table.main and table.vpc in mains:
            yield (*path, "main"), f"{table.vpc} already has a main table"
        if table.main:
            mains.add(table.vpc)
        if table.edge_of and table.propagates:
            yield (*path, "propagates"), "an edge table cannot propagate"


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True
