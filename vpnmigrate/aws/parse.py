"""Parser: describe answers converted to records, without secrets.

Any EC2-compatible server may answer, so no key is taken for granted and no value refused: states
and origins that are new to us survive as they are.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from msgspec.structs import replace

from vpnmigrate.devices.configuration import ConfigurationError, DeviceConfiguration, parse
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
    TunnelOptions,
    TunnelReading,
    TunnelRecord,
    VpcId,
    VpcRecord,
    VpnConnectionId,
    VpnGatewayId,
    attachments_of,
)

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
    )


class HasId(Protocol):
    """Whatever has an id."""

    @property
    def id(self) -> str:
        """Its id."""
        ...


_Record = TypeVar("_Record", bound=HasId)

ELSEWHERE: Final = ("TransitGatewayId", "CoreNetworkArn", "VpnConcentratorId")
"""What a connection ends on if not on a virtual private gateway."""


@lru_cache(maxsize=4096)
def canonical(cidr: str) -> str:
    """Write a network as EC2 does, without host bits; what is no network stays as it is."""
    text = cidr.strip()
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return text


def in_order(records: Iterable[_Record]) -> tuple[_Record, ...]:
    """Sort *records* by id, so that equal worlds give equal readings."""
    return tuple(sorted(records, key=attrgetter("id")))


def tags_of(rows: Iterable[TagTypeDef] | None) -> dict[str, str]:
    """Return tags by key, sorted, AWS's own included."""
    return dict(sorted((row.get("Key", ""), row.get("Value", "")) for row in rows or ()))


def attachment_rows(row: VpnGatewayTypeDef) -> tuple[Attached, ...]:
    """Return every row of a gateway's ``VpcAttachments``, in EC2's order."""
    rows = row.get("VpcAttachments") or ()
    return tuple(Attached(VpcId(a.get("VpcId", "")), a.get("State", "")) for a in rows)


def gateway_record(row: VpnGatewayTypeDef) -> GatewayRecord:
    """Read a virtual private gateway, with one attachment for each VPC."""
    return GatewayRecord(
        id=VpnGatewayId(row.get("VpnGatewayId", "")),
        state=row.get("State", ""),
        asn=number(row.get("AmazonSideAsn")),
        type=row.get("Type", "ipsec.1"),
        attachments=attachments_of(attachment_rows(row)),
        tags=tags_of(row.get("Tags")),
    )


def connection_record(row: VpnConnectionTypeDef) -> ConnectionRecord:
    """Read a VPN connection and leave its keys behind."""
    return replace(connection_at_a_glance(row), tunnels=_tunnels(row))


def connection_at_a_glance(row: VpnConnectionTypeDef) -> ConnectionRecord:
    """Read a VPN connection without its configuration document, which takes long to parse.

    Its tunnels are those of its options; a Classic connection has none there.
    """
    return ConnectionRecord(
        id=VpnConnectionId(row.get("VpnConnectionId", "")),
        state=row.get("State", ""),
        category=row.get("Category") or None,
        customer_gateway=CustomerGatewayId(row.get("CustomerGatewayId") or "") or None,
        vpn_gateway=VpnGatewayId(row.get("VpnGatewayId") or "") or None,
        elsewhere=next((str(row[key]) for key in ELSEWHERE if row.get(key)), None),
        static_only=bool((row.get("Options") or {}).get("StaticRoutesOnly")),
        prefixes=tuple(
            sorted(
                (
                    StaticPrefixRecord(
                        canonical(route.get("DestinationCidrBlock", "")), route.get("State", "")
                    )
                    for route in row.get("Routes") or ()
                ),
                key=lambda prefix: (prefix.cidr, prefix.state),
            )
        ),
        tunnels=tuple(
            TunnelRecord(
                option["OutsideIpAddress"],
                canonical(option.get("TunnelInsideCidr") or ""),
                _tunnel_options(option),
            )
            for option in (row.get("Options") or {}).get("TunnelOptions") or ()
            if option.get("OutsideIpAddress")
        ),
        telemetry=tuple(
            sorted(map(_telemetry, row.get("VgwTelemetry") or ()), key=lambda t: t.outside_ip)
        ),
        tags=tags_of(row.get("Tags")),
    )


def configuration_of(row: VpnConnectionTypeDef) -> DeviceConfiguration | None:
    """Read the configuration in *row*; None where there is none or it cannot be read."""
    text = row.get("CustomerGatewayConfiguration")
    if not text:
        return None
    try:
        return parse(text)
    except ConfigurationError:
        return None


def _tunnels(row: VpnConnectionTypeDef) -> tuple[TunnelRecord, ...]:
    """Join what the options and the configuration say, by outside address.

    Classic connections have no tunnel options: theirs stands in the configuration only
    (domain.md 1.1).
    """
    inside: dict[str, str] = {}
    options: dict[str, TunnelOptions | None] = {}
    if configuration := configuration_of(row):
        inside.update((t.outside_ip, t.amazon.inside_cidr) for t in configuration.tunnels)
    for option in (row.get("Options") or {}).get("TunnelOptions") or ():
        outside, cidr = option.get("OutsideIpAddress"), option.get("TunnelInsideCidr")
        if outside:
            inside[outside] = canonical(cidr) if cidr else inside.get(outside, "")
            options[outside] = _tunnel_options(option)
    return tuple(
        TunnelRecord(outside, cidr, options.get(outside))
        for outside, cidr in sorted(inside.items())
    )


def _tunnel_options(row: TunnelOptionTypeDef) -> TunnelOptions | None:
    """Return the options of a tunnel, or None if the endpoint describes addresses only."""
    if not any(row.get(key) for key in _CHOICES):
        return None

    def values(key: str) -> list[Any]:
        rows: Any = row.get(key) or ()
        return [each["Value"] for each in rows if "Value" in each]

    return TunnelOptions(
        ike_versions=tuple(values("IkeVersions")),
        phase1_encryption=tuple(values("Phase1EncryptionAlgorithms")),
        phase1_integrity=tuple(values("Phase1IntegrityAlgorithms")),
        phase1_dh_groups=tuple(values("Phase1DHGroupNumbers")),
        phase2_encryption=tuple(values("Phase2EncryptionAlgorithms")),
        phase2_integrity=tuple(values("Phase2IntegrityAlgorithms")),
        phase2_dh_groups=tuple(values("Phase2DHGroupNumbers")),
        dpd_timeout_seconds=row.get("DpdTimeoutSeconds"),
        dpd_timeout_action=row.get("DpdTimeoutAction") or None,
    )


def _telemetry(row: VgwTelemetryTypeDef) -> TunnelReading:
    return TunnelReading(
        outside_ip=row.get("OutsideIpAddress", ""),
        up=row.get("Status") == "UP",
        message=row.get("StatusMessage") or "",
        accepted_routes=row.get("AcceptedRouteCount") or 0,
        since=row.get("LastStatusChange"),
    )


def chosen_options(row: VpnConnectionTypeDef) -> dict[str, list[tuple[str, str]]]:
    """Return what was chosen for each tunnel, by outside address, as text without its key."""
    chosen: dict[str, list[tuple[str, str]]] = {}
    for option in (row.get("Options") or {}).get("TunnelOptions") or ():
        outside = option.get("OutsideIpAddress")
        if outside:
            found = ((words, _words(option.get(key))) for key, words in _CHOICES.items())
            chosen[outside] = [(words, value) for words, value in found if value]
    return chosen


_CHOICES: Final = {
    "IkeVersions": "IKE versions",
    "Phase1EncryptionAlgorithms": "IKE encryption",
    "Phase1IntegrityAlgorithms": "IKE integrity",
    "Phase1DHGroupNumbers": "IKE Diffie-Hellman groups",
    "Phase1LifetimeSeconds": "IKE lifetime, seconds",
    "Phase2EncryptionAlgorithms": "IPsec encryption",
    "Phase2IntegrityAlgorithms": "IPsec integrity",
    "Phase2DHGroupNumbers": "IPsec Diffie-Hellman groups",
    "Phase2LifetimeSeconds": "IPsec lifetime, seconds",
    "DpdTimeoutSeconds": "dead peer timeout, seconds",
    "DpdTimeoutAction": "dead peer action",
    "StartupAction": "who starts (add: the device)",
}


def _words(value: object) -> str:
    match value:
        case None:
            return ""
        case list():
            return ", ".join(str(v.get("Value")) if isinstance(v, dict) else str(v) for v in value)
        case _:
            return str(value)


def customer_gateway_record(row: CustomerGatewayTypeDef) -> CustomerGatewayRecord:
    """Read a customer gateway; EC2 gives its ASN as text, a long one in a field of its own."""
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
    """Read a VPC with every network that belongs to it now."""
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
    """Read a subnet."""
    return SubnetRecord(
        id=row.get("SubnetId", ""),
        vpc=VpcId(row.get("VpcId", "")),
        state=row.get("State", "available"),
        cidr=canonical(row.get("CidrBlock") or ""),
        tags=tags_of(row.get("Tags")),
    )


def number(value: object) -> int | None:
    """Read a number that may come as text, or not at all."""
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
    # A route to an instance names its interface too, and the interface is what stays.
    "NetworkInterfaceId",
    "InstanceId",
    "IpAddress",
)

_UNTIED: Final = ("disassociating", "disassociated", "failed")


def table_record(row: RouteTableTypeDef) -> RouteTableRecord:
    """Read a route table; subnets without a table of their own are not listed in it."""
    return RouteTableRecord(
        id=RouteTableId(row.get("RouteTableId", "")),
        vpc=VpcId(row.get("VpcId", "")),
        owner=row.get("OwnerId") or "",
        associations=tuple(
            sorted(
                (
                    _association(association)
                    for association in row.get("Associations") or ()
                    if (association.get("AssociationState") or {}).get("State") not in _UNTIED
                ),
                key=attrgetter("id"),
            )
        ),
        propagating=tuple(
            sorted(
                VpnGatewayId(entry.get("GatewayId", ""))
                for entry in row.get("PropagatingVgws") or ()
            )
        ),
        routes=tuple(
            sorted(
                map(_route, row.get("Routes") or ()),
                key=attrgetter("destination", "origin", "target"),
            )
        ),
        tags=tags_of(row.get("Tags")),
    )


def _association(row: RouteTableAssociationTypeDef) -> AssociationRecord:
    return AssociationRecord(
        id=row.get("RouteTableAssociationId", ""),
        subnet=row.get("SubnetId") or None,
        gateway=row.get("GatewayId") or None,
        main=bool(row.get("Main")),
    )


def _route(row: RouteTypeDef) -> RouteRecord:
    return RouteRecord(
        destination=canonical(_first(row, _DESTINATIONS)),
        target=_first(row, _TARGETS),
        origin=row.get("Origin", ""),
        state=row.get("State", ""),
    )


def _first(row: RouteTypeDef, keys: tuple[str, ...]) -> str:
    for key in keys:
        if value := row.get(key):
            return str(value)
    return ""
