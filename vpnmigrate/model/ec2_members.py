"""EC2 members: what a migration does with each member of EC2's descriptions.

One row for each member of seven shapes of botocore's EC2 model.  A test compares the rows with the
installed botocore, so a member that AWS adds fails it by name until it has a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct


class Treatment(StrEnum):
    """What happens to a member's value."""

    KEPT = "kept"
    """The successor has the same value; drift compares it."""
    DECIDED = "decided"
    """A decision of the playbook, with a default, sets the successor's value."""
    TOLD = "told"
    """The plan or the device sheet shows the value, or a check reads it; AWS sets the new one."""
    NOT_ON_A_GATEWAY = "not on a virtual private gateway"
    """EC2 has it for other kinds of gateway only."""


class Ec2Member(Struct, frozen=True):
    """A member of a shape, and what happens to it."""

    shape: str
    name: str
    treatment: Treatment
    how: str


_KEPT = Treatment.KEPT
_DECIDED = Treatment.DECIDED
_TOLD = Treatment.TOLD
_NONE = Treatment.NOT_ON_A_GATEWAY

_OPTION = "per tunnel; overridden by `tunnel_options` and `tunnel_options_of`"
_NEITHER = "the route is not changed; it may compete with one to the gateway"

_ROWS: Final[Mapping[str, Mapping[str, tuple[Treatment, str]]]] = {
    "VpnConnection": {
        "Category": (_TOLD, "Classic is replaced, AWS VPN only with `recreate_aws_vpn`"),
        "TransitGatewayId": (_NONE, "refused: VPM-B105"),
        "VpnConcentratorId": (_NONE, "refused: VPM-B105"),
        "CoreNetworkArn": (_NONE, "refused: VPM-B105"),
        "CoreNetworkAttachmentArn": (_NONE, "comes with `CoreNetworkArn`"),
        "GatewayAssociationState": (_NONE, "of connections without a gateway"),
        "Options": (_KEPT, "see VpnConnectionOptions"),
        "Routes": (_KEPT, "static prefixes; deleted ones are left out"),
        "Tags": (_KEPT, "without those of AWS and of this program; `tags` drops and adds keys"),
        "VgwTelemetry": (_TOLD, "the baseline of step 10"),
        "PreSharedKeyArn": (_TOLD, "on the sheet, if EC2 does not show the keys"),
        "VpnConnectionId": (_TOLD, "AWS chooses the new one"),
        "State": (_TOLD, "only `available` connections are replaced: VPM-B103, VPM-B104"),
        "CustomerGatewayConfiguration": (_TOLD, "archived in step 4, old and new"),
        "Type": (_KEPT, "`ipsec.1`, the only one"),
        "CustomerGatewayId": (_KEPT, "the same device"),
        "VpnGatewayId": (_DECIDED, "the new gateway: this is the migration"),
    },
    "VpnConnectionOptions": {
        "EnableAcceleration": (_NONE, "transit gateways only"),
        "StaticRoutesOnly": (_KEPT, "the routing type"),
        "LocalIpv4NetworkCidr": (_KEPT, "overridden by `networks`"),
        "RemoteIpv4NetworkCidr": (_KEPT, "overridden by `networks`"),
        "LocalIpv6NetworkCidr": (_NONE, "IPv6 inside tunnels needs a transit gateway"),
        "RemoteIpv6NetworkCidr": (_NONE, "IPv6 inside tunnels needs a transit gateway"),
        "OutsideIpAddressType": (_NONE, "private addresses need a transit gateway"),
        "TransportTransitGatewayAttachmentId": (_NONE, "private addresses need a transit gateway"),
        "TunnelInsideIpVersion": (_NONE, "always `ipv4`"),
        "TunnelOptions": (_KEPT, "see TunnelOption"),
        "TunnelBandwidth": (_NONE, "always `standard`"),
    },
    "TunnelOption": {
        "OutsideIpAddress": (_TOLD, "AWS chooses the new one"),
        "TunnelInsideCidr": (_DECIDED, "`inside`: AWS's choice, the old one, or listed"),
        "TunnelInsideIpv6Cidr": (_NONE, "IPv6 inside tunnels needs a transit gateway"),
        "PreSharedKey": (_DECIDED, "`keys`: new or reused; `key_storage`: as before"),
        "Phase1LifetimeSeconds": (_KEPT, _OPTION),
        "Phase2LifetimeSeconds": (_KEPT, _OPTION),
        "RekeyMarginTimeSeconds": (_KEPT, _OPTION),
        "RekeyFuzzPercentage": (_KEPT, _OPTION),
        "ReplayWindowSize": (_KEPT, _OPTION),
        "DpdTimeoutSeconds": (_KEPT, _OPTION),
        "DpdTimeoutAction": (_KEPT, _OPTION),
        "Phase1EncryptionAlgorithms": (_KEPT, _OPTION),
        "Phase2EncryptionAlgorithms": (_KEPT, _OPTION),
        "Phase1IntegrityAlgorithms": (_KEPT, _OPTION),
        "Phase2IntegrityAlgorithms": (_KEPT, _OPTION),
        "Phase1DHGroupNumbers": (_KEPT, _OPTION),
        "Phase2DHGroupNumbers": (_KEPT, _OPTION),
        "IkeVersions": (_KEPT, _OPTION),
        "StartupAction": (
            _KEPT,
            "`add` until the cutover; the report prints the command for `start`: VPM-W110",
        ),
        "LogOptions": (_KEPT, _OPTION),
        "EnableTunnelLifecycleControl": (_KEPT, _OPTION),
        "Phase1AdditionalKeyExchanges": (_KEPT, _OPTION),
        "Phase2AdditionalKeyExchanges": (_KEPT, _OPTION),
    },
    "VpnGateway": {
        "AmazonSideAsn": (_KEPT, "if EC2 accepts it, which no public one is; `asn` overrides it"),
        "Tags": (_KEPT, "as for VpnConnection"),
        "VpnGatewayId": (_TOLD, "AWS chooses the new one"),
        "State": (_TOLD, "only an `available` gateway is replaced: VPM-B201"),
        "Type": (_KEPT, "`ipsec.1`, the only one"),
        "AvailabilityZone": (_TOLD, "EC2 ignores it; drift compares it"),
        "VpcAttachments": (_KEPT, "moved to the new gateway in step 8"),
    },
    "CustomerGateway": {
        "CertificateArn": (_TOLD, "the customer gateway stays: VPM-W112"),
        "DeviceName": (_KEPT, "the customer gateway stays"),
        "Tags": (_KEPT, "the customer gateway stays"),
        "BgpAsnExtended": (_KEPT, "the customer gateway stays"),
        "CustomerGatewayId": (_KEPT, "the customer gateway stays"),
        "State": (_TOLD, "it must be `available`: VPM-B106"),
        "Type": (_KEPT, "`ipsec.1`, the only one"),
        "IpAddress": (_KEPT, "the customer gateway stays"),
        "BgpAsn": (_KEPT, "the customer gateway stays"),
    },
    "Route": {
        "DestinationCidrBlock": (_KEPT, "the same destination"),
        "DestinationIpv6CidrBlock": (_KEPT, "the same destination"),
        "DestinationPrefixListId": (_KEPT, "the same destination"),
        "EgressOnlyInternetGatewayId": (_TOLD, _NEITHER),
        "GatewayId": (_KEPT, "the new gateway takes the place of the old one in step 9"),
        "InstanceId": (_TOLD, _NEITHER),
        "InstanceOwnerId": (_TOLD, _NEITHER),
        "NatGatewayId": (_TOLD, _NEITHER),
        "TransitGatewayId": (_TOLD, _NEITHER),
        "LocalGatewayId": (_TOLD, _NEITHER),
        "CarrierGatewayId": (_TOLD, _NEITHER),
        "NetworkInterfaceId": (_TOLD, _NEITHER),
        "Origin": (_TOLD, "only routes of CreateRoute and of propagation are changed"),
        "State": (_TOLD, "a black hole is found at planning: VPM-W702"),
        "VpcPeeringConnectionId": (_TOLD, _NEITHER),
        "CoreNetworkArn": (_TOLD, _NEITHER),
        "OdbNetworkArn": (_TOLD, _NEITHER),
        "IpAddress": (_TOLD, _NEITHER),
        "IgwFirewall": (_TOLD, "of routes to an internet gateway, which are not changed"),
    },
    "RouteTable": {
        "Associations": (_KEPT, "those with the gateway are made again for the new one"),
        "PropagatingVgws": (_KEPT, "propagation is enabled for the new gateway"),
        "RouteTableId": (_KEPT, "the table stays"),
        "Routes": (_KEPT, "see Route"),
        "Tags": (_KEPT, "the table stays"),
        "VpcId": (_KEPT, "the table stays"),
        "OwnerId": (_TOLD, "only the owner can change routes: VPM-B206"),
    },
}

SHAPES: Final = tuple(_ROWS)
"""The shapes of botocore's EC2 model that have rows."""


def members() -> Iterator[Ec2Member]:
    """Yield every row."""
    for shape, rows in _ROWS.items():
        for name, (treatment, how) in rows.items():
            yield Ec2Member(shape, name, treatment, how)
