"""Route tables turned into records: pure, and with every kind of destination and target."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Final

from vpnmigrate.aws.reading import canonical, tags_of
from vpnmigrate.model.ec2 import (
    AssociationRecord,
    RouteRecord,
    RouteTableId,
    RouteTableRecord,
    VpcId,
    VpnGatewayId,
)

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import (
        RouteTableAssociationTypeDef,
        RouteTableTypeDef,
        RouteTypeDef,
    )

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
