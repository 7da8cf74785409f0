"""EC2 records: ids, states and one frozen class per resource.

Records are parsed results of describe calls, without secrets.  They are part of the plan file, so
a new field needs a default: old plans must stay readable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import NewType

from msgspec import Struct

from vpnmigrate.model.derived import derived

# Ids are opaque: EC2 promises a prefix and nothing more.
AccountId = NewType("AccountId", str)
VpcId = NewType("VpcId", str)
VpnGatewayId = NewType("VpnGatewayId", str)
VpnConnectionId = NewType("VpnConnectionId", str)
CustomerGatewayId = NewType("CustomerGatewayId", str)
RouteTableId = NewType("RouteTableId", str)
MigrationId = NewType("MigrationId", str)
Role = NewType("Role", str)
"""Purpose of a resource of a run: ``gateway``, ``connection/vpn-…``, ``test-vpc``, ..."""


class ResourceState(StrEnum):
    """State of a gateway, connection, VPC or subnet; an unknown EC2 state counts as PENDING."""

    ABSENT = "absent"
    PENDING = "pending"
    AVAILABLE = "available"
    DELETING = "deleting"


class Attachment(StrEnum):
    """State of a gateway's attachment to a VPC; one not listed is DETACHED (domain.md 2.2)."""

    ATTACHING = "attaching"
    ATTACHED = "attached"
    DETACHING = "detaching"
    DETACHED = "detached"


class Tag(StrEnum):
    """Tags that this program writes; it stores nothing else in AWS."""

    MIGRATION = "vpnmigrate:migration"
    ATTEMPT = "vpnmigrate:attempt"
    ROLE = "vpnmigrate:role"
    CHANGE = "vpnmigrate:change"
    CLAIM = "vpnmigrate:claim"


NAME_TAG = "Name"
"""Key of the tag that AWS's console shows as the name of a resource."""
DEFAULT_ASN = 64512
"""Amazon-side ASN of a gateway that was created without one (domain.md 2.1)."""
TUNNELS = 2
"""Number of tunnels of every connection."""
CLASSIC = "VPN-Classic"
AWS_VPN = "VPN"
CREATED_ROUTE = "CreateRoute"
"""Origin of a static route; the target of no other route is changed (domain.md 2.6)."""
PROPAGATED_ROUTE = "EnableVgwRoutePropagation"
TABLE_ROUTE = "CreateRouteTable"
"""Origin of the routes to the VPC's own ranges, which every table has."""
WRITTEN_ROUTES = frozenset({CREATED_ROUTE, TABLE_ROUTE})
"""Origins of routes that change only by a call; a table has one such route for a destination."""
ADVERTISED_ROUTE = "Advertisement"
"""Origin of a route of a VPC Route Server: neither a run's nor propagated from a gateway."""
FILTERED = "filtered"
"""State of a route that is not installed, wherever it leads."""
LOCAL = "local"
"""Target of the route to the VPC's own range, unless a firewall's takes its place."""
WITHOUT_DRY_RUN = frozenset({"CreateVpnConnectionRoute", "DeleteVpnConnectionRoute"})
"""EC2 operations without the parameter ``DryRun`` (EC2's model); other mutating ones have it."""

_PARTITIONS = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "eu-isoe-": "aws-iso-e",
    "us-isof-": "aws-iso-f",
    "eusc-": "aws-eusc",
}
"""Partition by the beginning of the Region's name (botocore's ``partitions.json``)."""


def partition_of(region: str) -> str:
    """Return the partition of *region*, the first part of its ARNs."""
    found = (name for prefix, name in _PARTITIONS.items() if region.startswith(prefix))
    return next(found, "aws")


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

    EC2 keeps the row of a past attachment for a while, possibly beside a later attachment to the
    same VPC (domain.md 2.2).  A detached row counts only if no other row is listed; a row in
    transition, or in an unknown state, takes precedence over an attached one.
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
    """A virtual private gateway.  ``asn`` is the Amazon side's; None if EC2 did not return it."""

    id: VpnGatewayId
    state: str
    asn: int | None = None
    type: str = "ipsec.1"
    attachments: tuple[Attached, ...] = ()
    tags: dict[str, str] = {}
    availability_zone: str = ""


class TunnelReading(Struct, frozen=True):
    """Telemetry of one tunnel, joined on the outside address, never on position (domain.md 3.3)."""

    outside_ip: str
    up: bool
    message: str = ""
    accepted_routes: int = 0
    since: datetime | None = None


class KeyExchange(Struct, frozen=True, forbid_unknown_fields=True):
    """One round of additional key exchanges, after the first Diffie-Hellman one (RFC 9370)."""

    round: int
    methods: tuple[int, ...]
    """Numbers of IANA's transform type 4; 36 is ML-KEM-768 (domain.md 14.1)."""
    requirement: str = ""
    """``required`` or ``optional``; empty where EC2 does not say."""


class TunnelLogs(Struct, frozen=True, forbid_unknown_fields=True):
    """CloudWatch logs of a tunnel; a log without a group is off."""

    group: str = ""
    """ARN of the log group of the tunnel's activity."""
    format: str = ""
    """``json`` or ``text``; empty is AWS's default, ``json``."""
    bgp_group: str = ""
    bgp_format: str = ""


class TunnelOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """Options of a tunnel; an empty one is AWS's default (domain.md 6.5).

    ``tunnel_options.OPTIONS`` has the name, kind and default of each.
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
    phase1_lifetime_seconds: int | None = None
    phase2_lifetime_seconds: int | None = None
    rekey_margin_seconds: int | None = None
    rekey_fuzz_percentage: int | None = None
    replay_window_packets: int | None = None
    phase1_key_exchanges: tuple[KeyExchange, ...] = ()
    phase2_key_exchanges: tuple[KeyExchange, ...] = ()
    startup_action: str | None = None
    """What holds after the cutover: a successor has ``add`` until then, so that AWS does not
    initiate."""
    lifecycle_control: bool | None = None
    """Whether AWS lets the operator choose when a tunnel endpoint is replaced."""
    logs: TunnelLogs | None = None


class KeyVisibility(StrEnum):
    """What EC2 shows of the pre-shared key of a tunnel, and whether it could be sent again."""

    UNKNOWN = ""
    """EC2 shows neither a key nor a word in its place."""
    SHOWN = "shown"
    REDACTED = "redacted"
    """A word in its place: Secrets Manager has the key (domain.md 14.1)."""
    UNFIT = "unfit"
    """EC2 shows a key that its own rule for new keys refuses (domain.md 6.3)."""


class TunnelRecord(Struct, frozen=True):
    """Configuration of one tunnel without its key."""

    outside_ip: str = ""
    inside_cidr: str = ""
    options: TunnelOptions | None = None
    """None if the endpoint returns none: AWS returns none for a Classic connection."""
    key: KeyVisibility = KeyVisibility.UNKNOWN


class StaticPrefixRecord(Struct, frozen=True):
    """A static route on a VPN connection (not in a route table)."""

    cidr: str
    state: str


class ConnectionRecord(Struct, frozen=True, dict=True):
    """A VPN connection.  ``category`` is None if the endpoint omits it (cases.md 3)."""

    id: VpnConnectionId
    state: str
    category: str | None = None
    customer_gateway: CustomerGatewayId | None = None
    vpn_gateway: VpnGatewayId | None = None
    elsewhere: str | None = None
    """Transit gateway, core network or concentrator that terminates it instead of a gateway."""
    static_only: bool = False
    prefixes: tuple[StaticPrefixRecord, ...] = ()
    tunnels: tuple[TunnelRecord, ...] = ()
    telemetry: tuple[TunnelReading, ...] = ()
    tags: dict[str, str] = {}
    local_network: str = ""
    """IPv4 network on premises that the tunnels' selectors allow; empty if EC2 does not say."""
    remote_network: str = ""
    """IPv4 network on AWS's side that the tunnels' selectors allow."""

    @property
    def static_prefixes(self) -> tuple[str, ...]:
        """The static prefixes that are not deleted, in the order of EC2's answer."""
        return tuple(p.cidr for p in self.prefixes if p.state not in ("deleting", "deleted"))

    @property
    def described_options(self) -> tuple[TunnelOptions, ...]:
        """The options of each tunnel of which EC2 shows any."""
        return tuple(tunnel.options for tunnel in self.tunnels if tunnel.options is not None)

    @property
    def accepted_routes(self) -> tuple[int, ...]:
        """How many routes each tunnel UP accepts over BGP, most first; empty if it is static."""
        if self.static_only:
            return ()
        return tuple(sorted((t.accepted_routes for t in self.telemetry if t.up), reverse=True))

    @property
    def keys_in_secrets_manager(self) -> bool:
        """Whether Secrets Manager has the keys; ``PreSharedKeyArn`` proves nothing about it."""
        return any(tunnel.key is KeyVisibility.REDACTED for tunnel in self.tunnels)


class CustomerGatewayRecord(Struct, frozen=True):
    """AWS's record of the device on premises."""

    id: CustomerGatewayId
    state: str
    asn: int | None = None
    ip: str = ""
    device_name: str = ""
    certificate: str = ""
    tags: dict[str, str] = {}


class RouteRecord(Struct, frozen=True, gc=False):
    """One route.  ``destination`` is an IPv4 or IPv6 network or a prefix list id, canonical."""

    destination: str
    target: str
    origin: str = CREATED_ROUTE
    state: str = "active"


class AssociationRecord(Struct, frozen=True, gc=False):
    """A route table's association with a subnet, or with a gateway (then it is an edge table)."""

    id: str
    subnet: str | None = None
    gateway: str | None = None
    main: bool = False


class RouteTableRecord(Struct, frozen=True, dict=True):
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

    @derived
    def static_routes_to(self, gateway: VpnGatewayId) -> tuple[RouteRecord, ...]:
        """Return the static routes whose target is *gateway*."""
        return tuple(r for r in self.routes if r.target == gateway and r.origin == CREATED_ROUTE)

    @derived
    def propagated_from(self, gateway: VpnGatewayId) -> frozenset[str]:
        """Return the destinations of active routes propagated from *gateway*."""
        return frozenset(
            r.destination
            for r in self.routes
            if r.target == gateway and r.origin == PROPAGATED_ROUTE and r.state == "active"
        )

    @property
    @derived
    def carrying(self) -> frozenset[str]:
        """The destinations of the static routes that carry traffic."""
        return frozenset(
            route.destination
            for route in self.routes
            if route.origin == CREATED_ROUTE and route.state == "active"
        )

    def edge_of(self, gateway: VpnGatewayId) -> AssociationRecord | None:
        """Return the edge association with *gateway*, or None."""
        return next((a for a in self.associations if a.gateway == gateway), None)


class VpcRecord(Struct, frozen=True):
    """A VPC.  ``cidrs`` are its associated IPv4 and IPv6 networks."""

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
