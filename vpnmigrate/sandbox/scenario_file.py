"""What a scenario file may say, and how it becomes a scenario."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256
from ipaddress import ip_network
from typing import Literal

import msgspec
from msgspec import Struct

from vpnmigrate.model import (
    CLASSIC,
    AccountId,
    AssociationRecord,
    Attached,
    ConnectionRecord,
    CustomerGatewayId,
    CustomerGatewayRecord,
    GatewayRecord,
    RouteRecord,
    RouteTableId,
    RouteTableRecord,
    StaticPrefixRecord,
    SubnetRecord,
    TunnelReading,
    TunnelRecord,
    VpcId,
    VpcRecord,
    VpnConnectionId,
    VpnGatewayId,
)
from vpnmigrate.sandbox.scenario import DEFAULT_ACCOUNT, DEFAULT_REGION, Scenario
from vpnmigrate.sandbox.scenario_checks import check_scenario
from vpnmigrate.sandbox.state import DirectConnectTie
from vpnmigrate.sandbox.tunnels import OUTSIDE
from vpnmigrate.strict_yaml import Document, Path, document_from
from vpnmigrate.survey import Quotas, VirtualInterface


class _Entry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Something with an id and tags."""

    id: str
    tags: dict[str, str] = {}


class VpcEntry(_Entry, frozen=True, kw_only=True):
    """A VPC."""

    cidrs: tuple[str, ...]


class SubnetEntry(_Entry, frozen=True, kw_only=True):
    """A subnet; its table is named at the table."""

    vpc: str
    cidr: str


class GatewayEntry(_Entry, frozen=True, kw_only=True):
    """A virtual private gateway, on *vpc* if there is one."""

    asn: int = 7224
    state: str = "available"
    vpc: str | None = None
    attachment: str = "attached"


class CustomerGatewayEntry(_Entry, frozen=True, kw_only=True):
    """A customer gateway and what its device announces over BGP."""

    ip: str = ""
    asn: int = 65000
    name: str = ""
    state: str = "available"
    advertises: tuple[str, ...] = ()


class ConnectionEntry(_Entry, frozen=True, kw_only=True):
    """A VPN connection; ``category: null`` is one that does not tell."""

    category: str | None = CLASSIC
    state: str = "available"
    customer_gateway: str
    gateway: str | None = None
    elsewhere: str | None = None
    """A transit gateway or core network that ends it instead."""
    static: bool = False
    prefixes: tuple[str, ...] = ()
    tunnels: tuple[Literal["up", "down"], Literal["up", "down"]] = ("up", "up")
    outside_ips: tuple[str, str] | None = None
    inside_cidrs: tuple[str, str] | None = None


class TableEntry(_Entry, frozen=True, kw_only=True):
    """A route table; its local and propagated routes go without saying."""

    vpc: str
    main: bool = False
    subnets: tuple[str, ...] = ()
    edge_of: tuple[str, ...] = ()
    propagates: tuple[str, ...] = ()
    routes: dict[str, str] = {}
    """Destination to target."""


class InterfaceEntry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A private virtual interface on a gateway."""

    id: str
    gateway: str
    state: str = "available"


class DirectConnectEntry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A Direct Connect gateway's association with a gateway."""

    id: str
    gateway: str
    direct_connect_gateway: str
    state: str = "associated"


class QuotasEntry(Quotas, frozen=True, forbid_unknown_fields=True):
    """The quotas, each of which may be left out and none misspelt."""


class ScenarioFile(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A scenario as it is written."""

    title: str
    account: str = DEFAULT_ACCOUNT
    region: str = DEFAULT_REGION
    vpcs: tuple[VpcEntry, ...] = ()
    subnets: tuple[SubnetEntry, ...] = ()
    gateways: tuple[GatewayEntry, ...] = ()
    customer_gateways: tuple[CustomerGatewayEntry, ...] = ()
    connections: tuple[ConnectionEntry, ...] = ()
    route_tables: tuple[TableEntry, ...] = ()
    virtual_interfaces: tuple[InterfaceEntry, ...] = ()
    direct_connect_associations: tuple[DirectConnectEntry, ...] = ()
    quotas: QuotasEntry = QuotasEntry()


def scenario_from_text(text: str, name: str) -> Scenario:
    """Read a scenario; messages call the text *name*.

    Raises:
        MalformedFileError: It says something no scenario can say; names line and field.
    """
    document = document_from(text, name)
    try:
        file = msgspec.convert(document.data, ScenarioFile, strict=True)
    except msgspec.ValidationError as error:
        message, path = _parted(str(error))
        raise document.fault(path, message, advice=_ADVICE) from None
    check_scenario(file, document)
    return _scenario(file, document)


_ADVICE = "see the scenarios that `vpnmigrate sandbox scenarios` lists for every field"


_AT = re.compile(r" - at `(?:key in )?\$(?P<path>[^`]*)`$")
_PART = re.compile(r"\.(?P<key>[^.\[]+)|\[(?P<index>\d+)\]")
_UNKNOWN = re.compile(r"`(?P<key>[^`]*)`")


def _parted(error: str) -> tuple[str, Path]:
    """Split msgspec's message into what is wrong and where; an unknown field is where it stands."""
    found = _AT.search(error)
    message = error[: found.start()] if found else error
    path: list[str | int] = [
        int(part["index"]) if part["index"] else part["key"]
        for part in _PART.finditer(found["path"].partition("[...]")[0] if found else "")
    ]
    unknown = _UNKNOWN.search(message) if "unknown field" in message else None
    return message, (*path, unknown["key"]) if unknown else tuple(path)


def _scenario(file: ScenarioFile, document: Document) -> Scenario:
    return Scenario(
        name=document.name,
        title=file.title,
        account=AccountId(file.account),
        region=file.region,
        vpcs=tuple(
            VpcRecord(VpcId(v.id), owner=file.account, cidrs=_canonical(v.cidrs), tags=v.tags)
            for v in file.vpcs
        ),
        subnets=tuple(
            SubnetRecord(s.id, VpcId(s.vpc), cidr=s.cidr, tags=s.tags) for s in file.subnets
        ),
        gateways=tuple(_gateway(entry) for entry in file.gateways),
        customer_gateways=tuple(
            CustomerGatewayRecord(
                CustomerGatewayId(c.id), c.state, c.asn, c.ip, c.name, tags=c.tags
            )
            for c in file.customer_gateways
        ),
        connections=tuple(_connection(entry) for entry in file.connections),
        route_tables=tuple(_table(entry, file.account) for entry in file.route_tables),
        virtual_interfaces=tuple(
            VirtualInterface(v.id, v.state, v.gateway) for v in file.virtual_interfaces
        ),
        direct_connect_ties=tuple(
            DirectConnectTie(a.id, a.state, a.direct_connect_gateway, a.gateway)
            for a in file.direct_connect_associations
        ),
        quotas=Quotas(**msgspec.structs.asdict(file.quotas)),
        advertised={c.id: _canonical(c.advertises) for c in file.customer_gateways},
    )


def _gateway(entry: GatewayEntry) -> GatewayRecord:
    attachments = (Attached(VpcId(entry.vpc), entry.attachment),) if entry.vpc else ()
    return GatewayRecord(
        VpnGatewayId(entry.id), entry.state, entry.asn, attachments=attachments, tags=entry.tags
    )


def _connection(entry: ConnectionEntry) -> ConnectionRecord:
    outside = entry.outside_ips or (_outside_ip(entry.id, 0), _outside_ip(entry.id, 1))
    inside = entry.inside_cidrs or ("", "")
    return ConnectionRecord(
        VpnConnectionId(entry.id),
        entry.state,
        entry.category,
        CustomerGatewayId(entry.customer_gateway),
        VpnGatewayId(entry.gateway) if entry.gateway else None,
        entry.elsewhere,
        entry.static,
        tuple(StaticPrefixRecord(cidr, "available") for cidr in _canonical(entry.prefixes)),
        tuple(TunnelRecord(ip, cidr) for ip, cidr in zip(outside, inside, strict=True)),
        tuple(
            TunnelReading(ip, state == "up")
            for ip, state in zip(outside, entry.tunnels, strict=True)
        ),
        entry.tags,
    )


def _table(entry: TableEntry, account: str) -> RouteTableRecord:
    stem = entry.id.removeprefix("rtb-")
    ties = [AssociationRecord(f"rtbassoc-{stem}", main=True)] if entry.main else []
    ties += [AssociationRecord(_tie(entry.id, s), subnet=s) for s in entry.subnets]
    ties += [AssociationRecord(_tie(entry.id, g), gateway=g) for g in entry.edge_of]
    return RouteTableRecord(
        RouteTableId(entry.id),
        VpcId(entry.vpc),
        account,
        tuple(ties),
        tuple(VpnGatewayId(gateway) for gateway in entry.propagates),
        tuple(RouteRecord(_written(d), target) for d, target in entry.routes.items()),
        entry.tags,
    )


def _tie(table: str, other: str) -> str:
    return f"rtbassoc-0{sha256(f'{table}/{other}'.encode()).hexdigest()[:16]}"


def _outside_ip(connection: str, number: int) -> str:
    digest = sha256(f"{connection}/{number}".encode()).digest()
    return str(OUTSIDE[1 + int.from_bytes(digest[:8], "big") % (OUTSIDE.num_addresses - 2)])


def _canonical(cidrs: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(str(ip_network(cidr, strict=False)) for cidr in cidrs))


def _written(destination: str) -> str:
    if destination.startswith("pl-"):
        return destination
    return str(ip_network(destination, strict=False))
