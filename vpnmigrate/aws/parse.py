"""Parser: describe answers converted to records, without secrets.

Any EC2-compatible server may answer, so every key is optional and every value is accepted: unknown
states and origins are kept unchanged.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from msgspec.structs import replace

from vpnmigrate.devices.configuration import (
    ConfigurationError,
    DeviceConfiguration,
    parse_configuration,
)
from vpnmigrate.devices.secret import key_visibility
from vpnmigrate.model.ec2 import (
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
    attachments_of,
)
from vpnmigrate.model.tunnel_options import NOT_CHOSEN, chosen_texts, described_options

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import (
        CustomerGatewayTypeDef,
        RouteTableAssociationTypeDef,
        RouteTableTypeDef,
        RouteTypeDef,
        SubnetTypeDef,
        TagTypeDef,
        TunnelOptionTypeDef,
        VgwTelemetryTypeDef,
        VpcTypeDef,
        VpnConnectionTypeDef,
        VpnGatewayTypeDef,
        VpnStaticRouteTypeDef,
    )


class HasId(Protocol):
    """Record with an id."""

    @property
    def id(self) -> str:
        """The id of the record."""
        ...


_Record = TypeVar("_Record", bound=HasId)

ELSEWHERE: Final = ("TransitGatewayId", "CoreNetworkArn", "VpnConcentratorId")
"""Keys of the other kinds of gateway that a connection may end on."""


@lru_cache(maxsize=4096)
def canonical(cidr: str) -> str:
    """Return a network as EC2 writes it, without host bits; other text is returned unchanged."""
    text = cidr.strip()
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return text


def in_order(records: Iterable[_Record]) -> tuple[_Record, ...]:
    """Return *records* sorted by id, so that equal states give equal readings."""
    return tuple(sorted(records, key=_BY_ID))


_BY_ID: Final = attrgetter("id")


def tags_of(rows: Iterable[TagTypeDef] | None) -> dict[str, str]:
    """Return tags sorted by key, including those of AWS."""
    return dict(sorted([(row.get("Key", ""), row.get("Value", "")) for row in rows or ()]))


def attachment_rows(row: VpnGatewayTypeDef) -> tuple[Attached, ...]:
    """Return every row of a gateway's ``VpcAttachments``, in EC2's order."""
    rows = row.get("VpcAttachments") or ()
    return tuple([Attached(VpcId(a.get("VpcId", "")), a.get("State", "")) for a in rows])


def gateway_record(row: VpnGatewayTypeDef) -> GatewayRecord:
    """Return a virtual private gateway with one attachment per VPC."""
    return GatewayRecord(
        id=VpnGatewayId(row.get("VpnGatewayId", "")),
        state=row.get("State", ""),
        asn=number(row.get("AmazonSideAsn")),
        type=row.get("Type", "ipsec.1"),
        attachments=attachments_of(attachment_rows(row)),
        tags=tags_of(row.get("Tags")),
        availability_zone=row.get("AvailabilityZone") or "",
    )


def connection_record(row: VpnConnectionTypeDef) -> ConnectionRecord:
    """Return a VPN connection without its keys."""
    record = connection_at_a_glance(row)
    return replace(record, tunnels=_with_inside_networks(record.tunnels, configuration_of(row)))


def connection_at_a_glance(row: VpnConnectionTypeDef) -> ConnectionRecord:
    """Return a VPN connection without reading its configuration document, which is slow to parse.

    Its tunnels are those of its options; a Classic connection has none there.
    """
    options = row.get("Options") or {}
    return ConnectionRecord(
        id=VpnConnectionId(row.get("VpnConnectionId", "")),
        state=row.get("State", ""),
        category=row.get("Category") or None,
        customer_gateway=CustomerGatewayId(row.get("CustomerGatewayId") or "") or None,
        vpn_gateway=VpnGatewayId(row.get("VpnGatewayId") or "") or None,
        elsewhere=_first(row, ELSEWHERE) or None,
        static_only=bool(options.get("StaticRoutesOnly")),
        prefixes=tuple(sorted(map(_prefix, row.get("Routes") or ()), key=_BY_NETWORK)),
        tunnels=tuple(
            [
                TunnelRecord(
                    option["OutsideIpAddress"],
                    canonical(option.get("TunnelInsideCidr") or ""),
                    described_options(option),
                    key_visibility(option.get("PreSharedKey")),
                )
                for option in _tunnel_rows(row)
            ]
        ),
        telemetry=tuple(sorted(map(_telemetry, row.get("VgwTelemetry") or ()), key=_BY_ADDRESS)),
        tags=tags_of(row.get("Tags")),
        local_network=canonical(options.get("LocalIpv4NetworkCidr") or ""),
        remote_network=canonical(options.get("RemoteIpv4NetworkCidr") or ""),
    )


_BY_ADDRESS: Final = attrgetter("outside_ip")
_BY_NETWORK: Final = attrgetter("cidr", "state")


def _prefix(row: VpnStaticRouteTypeDef) -> StaticPrefixRecord:
    return StaticPrefixRecord(canonical(row.get("DestinationCidrBlock", "")), row.get("State", ""))


def configuration_of(row: VpnConnectionTypeDef) -> DeviceConfiguration | None:
    """Return the configuration in *row*; None if it is missing or invalid."""
    text = row.get("CustomerGatewayConfiguration")
    if not text:
        return None
    try:
        return parse_configuration(text)
    except ConfigurationError:
        return None


def _tunnel_rows(row: VpnConnectionTypeDef) -> list[TunnelOptionTypeDef]:
    """Return the options of the tunnels that have an outside address, which identifies them."""
    rows = (row.get("Options") or {}).get("TunnelOptions") or ()
    return [option for option in rows if option.get("OutsideIpAddress")]


def _with_inside_networks(
    tunnels: Iterable[TunnelRecord], configuration: DeviceConfiguration | None
) -> tuple[TunnelRecord, ...]:
    """Return *tunnels* and those of *configuration*, joined by outside address.

    Classic connections have no tunnel options, only the configuration (domain.md 1.1).
    """
    joined = {
        tunnel.outside_ip: TunnelRecord(
            tunnel.outside_ip, tunnel.amazon.inside_cidr, key=tunnel.key_visibility
        )
        for tunnel in (configuration.tunnels if configuration else ())
    }
    for tunnel in tunnels:
        known = joined.get(tunnel.outside_ip, tunnel)
        inside = tunnel.inside_cidr or known.inside_cidr
        key = tunnel.key or known.key
        joined[tunnel.outside_ip] = replace(tunnel, inside_cidr=inside, key=key)
    return tuple(joined[outside] for outside in sorted(joined))


def _telemetry(row: VgwTelemetryTypeDef) -> TunnelReading:
    return TunnelReading(
        outside_ip=row.get("OutsideIpAddress", ""),
        up=row.get("Status") == "UP",
        message=row.get("StatusMessage") or "",
        accepted_routes=row.get("AcceptedRouteCount") or 0,
        since=row.get("LastStatusChange"),
    )


def chosen_options(row: VpnConnectionTypeDef) -> dict[str, list[tuple[str, str]]]:
    """Return the options chosen for each tunnel, by outside address, as text without the key."""
    return {
        tunnel["OutsideIpAddress"]: list(chosen_texts(described_options(tunnel) or NOT_CHOSEN))
        for tunnel in _tunnel_rows(row)
    }


def customer_gateway_record(row: CustomerGatewayTypeDef) -> CustomerGatewayRecord:
    """Return a customer gateway; EC2 gives its ASN as text, a 4-byte one in a separate field."""
    return CustomerGatewayRecord(
        id=CustomerGatewayId(row.get("CustomerGatewayId", "")),
        state=row.get("State", ""),
        asn=number(row.get("BgpAsnExtended")) or number(row.get("BgpAsn")),
        ip=row.get("IpAddress") or "",
        device_name=row.get("DeviceName") or "",
        certificate=row.get("CertificateArn") or "",
        tags=tags_of(row.get("Tags")),
    )


def vpc_record(row: VpcTypeDef) -> VpcRecord:
    """Return a VPC with all its current networks."""
    gone = ("disassociated", "failed")
    cidrs = {row.get("CidrBlock", "")}
    for four in row.get("CidrBlockAssociationSet") or ():
        if _state(four.get("CidrBlockState")) not in gone:
            cidrs.add(four.get("CidrBlock", ""))
    for six in row.get("Ipv6CidrBlockAssociationSet") or ():
        if _state(six.get("Ipv6CidrBlockState")) not in gone:
            cidrs.add(six.get("Ipv6CidrBlock", ""))
    return VpcRecord(
        id=VpcId(row.get("VpcId", "")),
        state=row.get("State", "available"),
        owner=row.get("OwnerId") or "",
        cidrs=tuple(sorted(canonical(cidr) for cidr in cidrs if cidr)),
        tags=tags_of(row.get("Tags")),
    )


def subnet_record(row: SubnetTypeDef) -> SubnetRecord:
    """Return a subnet."""
    return SubnetRecord(
        id=row.get("SubnetId", ""),
        vpc=VpcId(row.get("VpcId", "")),
        state=row.get("State", "available"),
        cidr=canonical(row.get("CidrBlock") or ""),
        tags=tags_of(row.get("Tags")),
    )


def number(value: object) -> int | None:
    """Return a number that may be text or missing."""
    text = str(value).strip()
    return int(text) if text.isascii() and text.isdigit() else None


def _state(row: Mapping[str, Any] | None) -> str:
    return str((row or {}).get("State", ""))


_DESTINATIONS: Final = (
    "DestinationCidrBlock",
    "DestinationIpv6CidrBlock",
    "DestinationPrefixListId",
)

_TARGETS: Final = (
    "GatewayId",
    "NatGatewayId",
    "TransitGatewayId",
    "VpcPeeringConnectionId",
    "EgressOnlyInternetGatewayId",
    "LocalGatewayId",
    "CarrierGatewayId",
    "CoreNetworkArn",
    "OdbNetworkArn",
    # A route to an instance also names its interface, and the interface does not change.
    "NetworkInterfaceId",
    "InstanceId",
    "IpAddress",
)

_ENDED: Final = ("disassociating", "disassociated", "failed")


def table_record(row: RouteTableTypeDef) -> RouteTableRecord:
    """Return a route table; subnets with an implicit association are not listed in it."""
    return table_with_routes(row, map(route_record, row.get("Routes") or ()))


def table_with_routes(row: RouteTableTypeDef, routes: Iterable[RouteRecord]) -> RouteTableRecord:
    """Return the route table of *row*, whose routes were parsed before."""
    return RouteTableRecord(
        id=RouteTableId(row.get("RouteTableId", "")),
        vpc=VpcId(row.get("VpcId", "")),
        owner=row.get("OwnerId") or "",
        associations=tuple(
            sorted(
                [
                    _association(association)
                    for association in row.get("Associations") or ()
                    if (association.get("AssociationState") or {}).get("State") not in _ENDED
                ],
                key=_BY_ID,
            )
        ),
        propagating=tuple(
            sorted(
                [
                    VpnGatewayId(entry.get("GatewayId", ""))
                    for entry in row.get("PropagatingVgws") or ()
                ]
            )
        ),
        routes=tuple(sorted(routes, key=_BY_DESTINATION)),
        tags=tags_of(row.get("Tags")),
    )


_BY_DESTINATION: Final = attrgetter("destination", "origin", "target")


def _association(row: RouteTableAssociationTypeDef) -> AssociationRecord:
    return AssociationRecord(
        id=row.get("RouteTableAssociationId", ""),
        subnet=row.get("SubnetId") or None,
        gateway=row.get("GatewayId") or None,
        main=bool(row.get("Main")),
    )


def route_record(row: RouteTypeDef) -> RouteRecord:
    """Return a route of a route table."""
    # The first of either is the usual one: an observation reads every route of every table.
    destination = row.get("DestinationCidrBlock") or _first(row, _DESTINATIONS)
    target = row.get("GatewayId") or _first(row, _TARGETS)
    return _shared_route(destination, target, row.get("Origin", ""), row.get("State", ""))


@lru_cache(maxsize=4096)
def _shared_route(destination: str, target: str, origin: str, state: str) -> RouteRecord:
    """Return one record for equal routes: tables repeat the same few, in every observation."""
    return RouteRecord(canonical(destination), target, origin, state)


def _first(row: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    """Return the first value in *row* under one of *keys*, or an empty text."""
    for key in keys:
        if value := row.get(key):
            return str(value)
    return ""
