"""EC2 records: ids, states and one frozen class per resource.

Records are what a describe call said, already parsed and free of secrets.  They are part of the
plan file, so a field added here needs a default: old plans must stay readable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import NewType

from msgspec import Struct

# Ids are opaque: EC2 promises a prefix and nothing more.
AccountId = NewType("AccountId", str)
VpcId = NewType("VpcId", str)
VpnGatewayId = NewType("VpnGatewayId", str)
VpnConnectionId = NewType("VpnConnectionId", str)
CustomerGatewayId = NewType("CustomerGatewayId", str)
RouteTableId = NewType("RouteTableId", str)
MigrationId = NewType("MigrationId", str)
Role = NewType("Role", str)
"""What one of ours is for: ``gateway``, ``connection/vpn-…``, ``test-vpc``, ``test-subnet``."""


class ResourceState(StrEnum):
    """Life of a gateway, connection, VPC or subnet; any state EC2 may invent counts as PENDING."""

    ABSENT = "absent"
    PENDING = "pending"
    AVAILABLE = "available"
    DELETING = "deleting"


class Attachment(StrEnum):
    """A virtual private gateway on a VPC; one that is not listed is DETACHED (domain.md 2.2)."""

    ATTACHING = "attaching"
    ATTACHED = "attached"
    DETACHING = "detaching"
    DETACHED = "detached"


class Tag(StrEnum):
    """The tags this program writes; nothing else of ours is stored in AWS."""

    MIGRATION = "vpnmigrate:migration"
    ATTEMPT = "vpnmigrate:attempt"
    ROLE = "vpnmigrate:role"
    CHANGE = "vpnmigrate:change"
    CLAIM = "vpnmigrate:claim"


DEFAULT_ASN = 64512
"""Amazon-side ASN of a gateway that was created without one (domain.md 2.1)."""
TUNNELS = 2
"""Tunnels of a connection: EC2 makes no other number."""
CLASSIC = "VPN-Classic"
AWS_VPN = "VPN"
CREATED_ROUTE = "CreateRoute"
"""Origin of a route a person wrote; only these are ever re-pointed (domain.md 2.6)."""
PROPAGATED_ROUTE = "EnableVgwRoutePropagation"


class Attached(Struct, frozen=True):
    """One row of a gateway's ``VpcAttachments``."""

    vpc: VpcId
    state: str


_ATTACHMENT_RANK: Mapping[str, int] = {
    Attachment.DETACHED: 0,
    Attachment.ATTACHED: 1,
    Attachment.ATTACHING: 2,
}


def attachments_of(rows: Iterable[Attached]) -> tuple[Attached, ...]:
    """Return one row for each VPC, sorted by VPC, from rows in any order.

    EC2 keeps the row of a past attachment for a while, perhaps beside that of a later attachment
    to the same VPC (domain.md 2.2).  A detached row counts only where no other is listed, and a
    row in transition, or in a state that EC2 may invent, counts before an attached one.
    """
    current: dict[VpcId, Attached] = {}
    for row in rows:
        kept = current.get(row.vpc)
        if kept is None or _rank(row) > _rank(kept):
            current[row.vpc] = row
    return tuple(current[vpc] for vpc in sorted(current))


def _rank(row: Attached) -> int:
    return _ATTACHMENT_RANK.get(row.state, len(_ATTACHMENT_RANK))


class GatewayRecord(Struct, frozen=True):
    """A virtual private gateway.  ``asn`` is the Amazon side's; None where EC2 did not say."""

    id: VpnGatewayId
    state: str
    asn: int | None = None
    type: str = "ipsec.1"
    attachments: tuple[Attached, ...] = ()
    tags: dict[str, str] = {}


class TunnelReading(Struct, frozen=True):
    """Telemetry of one tunnel, joined on the outside address, never on position (domain.md 3.3)."""

    outside_ip: str
    up: bool
    message: str = ""
    accepted_routes: int = 0
    since: datetime | None = None


class TunnelOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """Options of a tunnel; an empty list leaves AWS's default (domain.md 6.5).

    There is no start-up action to choose: AWS must not initiate before step 10.
    """

    ike_versions: tuple[str, ...] = ()
    phase1_encryption: tuple[str, ...] = ()
    phase1_integrity: tuple[str, ...] = ()
    phase1_dh_groups: tuple[int, ...] = ()
    phase2_encryption: tuple[str, ...] = ()
    phase2_integrity: tuple[str, ...] = ()
    phase2_dh_groups: tuple[int, ...] = ()
    dpd_timeout_seconds: int | None = None
    dpd_timeout_action: str | None = None


class TunnelRecord(Struct, frozen=True):
    """Configuration of one tunnel without its key."""

    outside_ip: str = ""
    inside_cidr: str = ""
    options: TunnelOptions | None = None
    """None where the endpoint describes none: AWS lists none for a Classic connection."""


class StaticPrefixRecord(Struct, frozen=True):
    """A static route on a VPN connection (not in a route table)."""

    cidr: str
    state: str


class ConnectionRecord(Struct, frozen=True):
    """A VPN connection.  ``category`` is None where the endpoint does not tell (cases.md 3)."""

    id: VpnConnectionId
    state: str
    category: str | None = None
    customer_gateway: CustomerGatewayId | None = None
    vpn_gateway: VpnGatewayId | None = None
    elsewhere: str | None = None
    """Transit gateway, core network or concentrator that ends it instead of a gateway."""
    static_only: bool = False
    prefixes: tuple[StaticPrefixRecord, ...] = ()
    tunnels: tuple[TunnelRecord, ...] = ()
    telemetry: tuple[TunnelReading, ...] = ()
    tags: dict[str, str] = {}


class CustomerGatewayRecord(Struct, frozen=True):
    """AWS's record of the device on premises."""

    id: CustomerGatewayId
    state: str
    asn: int | None = None
    ip: str = ""
    device_name: str = ""
    certificate: str = ""
    tags: dict[str, str] = {}


class RouteRecord(Struct, frozen=True):
    """One route.  ``destination`` is an IPv4 or IPv6 network or a prefix list id, canonical."""

    destination: str
    target: str
    origin: str = CREATED_ROUTE
    state: str = "active"


class AssociationRecord(Struct, frozen=True):
    """A route table's tie to a subnet, or to a gateway (then it is an edge table)."""

    id: str
    subnet: str | None = None
    gateway: str | None = None
    main: bool = False


class RouteTableRecord(Struct, frozen=True):
    """A route table with everything that can refer to a virtual private gateway."""

    id: RouteTableId
    vpc: VpcId
    owner: str = ""
    associations: tuple[AssociationRecord, ...] = ()
    propagating: tuple[VpnGatewayId, ...] = ()
    routes: tuple[RouteRecord, ...] = ()
    tags: dict[str, str] = {}

    @property
    def main(self) -> bool:
        """Whether subnets without a table of their own use this one."""
        return any(association.main for association in self.associations)

    def static_routes_to(self, gateway: VpnGatewayId) -> tuple[RouteRecord, ...]:
        """Return the routes a person pointed at *gateway*."""
        return tuple(r for r in self.routes if r.target == gateway and r.origin == CREATED_ROUTE)

    def propagated_from(self, gateway: VpnGatewayId) -> frozenset[str]:
        """Return the destinations that *gateway* propagates and that can carry traffic now."""
        return frozenset(
            r.destination
            for r in self.routes
            if r.target == gateway and r.origin == PROPAGATED_ROUTE and r.state == "active"
        )

    def edge_of(self, gateway: VpnGatewayId) -> AssociationRecord | None:
        """Return the association that makes this the edge table of *gateway*, if it is."""
        return next((a for a in self.associations if a.gateway == gateway), None)


class VpcRecord(Struct, frozen=True):
    """A VPC.  ``cidrs`` holds every associated IPv4 and IPv6 network."""

    id: VpcId
    state: str = "available"
    owner: str = ""
    cidrs: tuple[str, ...] = ()
    tags: dict[str, str] = {}


class SubnetRecord(Struct, frozen=True):
    """A subnet of a test VPC."""

    id: str
    vpc: VpcId
    state: str = "available"
    cidr: str = ""
    tags: dict[str, str] = {}
