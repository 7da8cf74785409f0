"""Scenario parser: a YAML or JSON file becomes a scenario."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from ipaddress import ip_network
from typing import get_args

import msgspec

from vpnmigrate.model.ec2 import (
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
from vpnmigrate.model.survey import Quotas, VirtualInterface
from vpnmigrate.planning.strict_yaml import Path, YamlDocument, document_from, parted
from vpnmigrate.sandbox.ec2.tunnels import OUTSIDE
from vpnmigrate.sandbox.scenarios.checks import check_scenario
from vpnmigrate.sandbox.scenarios.scenario import Scenario
from vpnmigrate.sandbox.scenarios.schema import (
    ConnectionEntry,
    GatewayEntry,
    ScenarioFile,
    TableEntry,
)
from vpnmigrate.sandbox.state import DirectConnectTie


def scenario_from_text(text: str, name: str) -> Scenario:
    """Read a scenario; *name* identifies the text in messages.

    Raises:
        MalformedFileError: The scenario is invalid; names line and field.
    """
    document = document_from(text, name)
    try:
        file = msgspec.convert(document.data, ScenarioFile, strict=True)
    except msgspec.ValidationError as error:
        message, path = parted(error)
        raise document.fault(path, _plain(message), advice=_advice(path)) from None
    check_scenario(file, document)
    return _scenario(file, document)


_WORDS = {
    "Object contains unknown": "unknown",
    "Object missing required": "missing",
    "`object`": "a mapping",
    "`array`": "a list",
    "`str`": "text",
    "`int`": "a whole number",
    "`bool`": "true or false",
    "`null`": "nothing",
}
"""Terms of msgspec's messages, and terms for authors of YAML files."""


def _plain(message: str) -> str:
    if message.startswith("Invalid enum value"):
        return "not one of the choices"
    for python, yaml in _WORDS.items():
        message = message.replace(python, yaml)
    return message[0].lower() + message[1:]


def _advice(path: Path) -> str:
    """Return a list of the fields that the mapping around *path* may have."""
    kinds = msgspec.structs.fields(ScenarioFile)
    entries = {kind.name: get_args(kind.type) or (kind.type,) for kind in kinds}
    inside = entries.get(str(path[0]), ()) if len(path) > 1 else ()
    entry = inside[0] if inside and isinstance(inside[0], type) else ScenarioFile
    if not issubclass(entry, msgspec.Struct):
        return ""
    return f"fields: {', '.join(field.name for field in msgspec.structs.fields(entry))}"


def _scenario(file: ScenarioFile, document: YamlDocument) -> Scenario:
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
