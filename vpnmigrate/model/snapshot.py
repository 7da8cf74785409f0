"""Snapshot: the state of the migrated resources, and the facts of the journal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from vpnmigrate.model.ec2 import (
    CREATED_ROUTE,
    Attachment,
    ConnectionRecord,
    GatewayRecord,
    ResourceState,
    Role,
    RouteTableId,
    RouteTableRecord,
    SubnetRecord,
    Tag,
    VpcId,
    VpcRecord,
    VpnConnectionId,
    VpnGatewayId,
)
from vpnmigrate.model.facts import (
    ABSENT,
    AttachmentOf,
    Claim,
    EdgeAssociation,
    Existence,
    Fact,
    Prefix,
    Propagation,
    RouteTarget,
    Switch,
    Value,
    when_unlisted,
)

Resource = GatewayRecord | ConnectionRecord | VpcRecord | SubnetRecord
"""What a run can make."""


class Reading(Struct, frozen=True):
    """What the describe calls said, parsed and nothing more."""

    begun: datetime
    """Before the first read was sent."""
    gateways: tuple[GatewayRecord, ...] = ()
    connections: tuple[ConnectionRecord, ...] = ()
    tables: tuple[RouteTableRecord, ...] = ()
    vpcs: tuple[VpcRecord, ...] = ()
    subnets: tuple[SubnetRecord, ...] = ()

    @property
    def resources(self) -> tuple[Resource, ...]:
        """Everything in it that a run can make."""
        return (*self.gateways, *self.connections, *self.vpcs, *self.subnets)

    def shows_the_same_as(self, other: Reading) -> bool:
        """Return whether *other*, which was read at another moment, says the same of everything."""
        return (
            self.gateways == other.gateways
            and self.connections == other.connections
            and self.tables == other.tables
            and self.vpcs == other.vpcs
            and self.subnets == other.subnets
        )


class Stranger(Struct, frozen=True):
    """A resource that carries the tags of a role and is not this run's; *why* is a clause."""

    role: Role
    id: str
    why: str

    def __str__(self) -> str:
        """Return a sentence for an operator."""
        return f"{self.id} carries this run's tags ({self.role}) and is left alone: {self.why}"


class Ownership(Struct, frozen=True):
    """Which resources of a reading a run made, and which only look like it."""

    ours: Mapping[Role, str] = {}
    """Living resources that this run made, by role."""
    found: Mapping[Role, str] = {}
    """Those of them that an unanswered create call made; they are adopted once they are seen."""
    twins: tuple[tuple[Role, str], ...] = ()
    """Further living resources for a role, of which one is not this run's or was made twice."""
    stripped: tuple[str, ...] = ()
    """Resources of this run that have lost its tags."""
    contested: frozenset[Role] = frozenset()
    """Roles with twins of which nothing proves which one is this run's."""
    strangers: tuple[Stranger, ...] = ()
    """Resources that carry this run's tags and are not its own."""
    suspects: Mapping[Role, str] = {}
    """What an unanswered create call may have made but for its tags: a person has to say."""
    newcomers: tuple[str, ...] = ()
    """Resources that neither the survey nor the journal knows."""


class Snapshot(Struct, frozen=True):
    """One reading as facts.  A fact that is not listed has the value ``when_unlisted`` gives."""

    begun: datetime
    facts: Mapping[Fact, Value] = {}
    """UNKNOWN where ``consistency`` does not trust the reading."""
    owned: Ownership = Ownership()
    connections: Mapping[VpnConnectionId, ConnectionRecord] = {}
    tables: Mapping[RouteTableId, RouteTableRecord] = {}
    foreign: frozenset[Fact] = frozenset()
    """Facts that another hand changed after our effect was seen; left alone and named."""
    stale: frozenset[Fact] = frozenset()
    """Facts whose reading may be from before our latest intent, even if their value is known."""

    @property
    def ours(self) -> Mapping[Role, str]:
        """The resources that this run made, by role."""
        return self.owned.ours

    def value(self, fact: Fact) -> Value:
        """Return the believed value of *fact*; UNKNOWN where nothing may be believed yet."""
        listed = self.facts.get(fact)
        return when_unlisted(fact) if listed is None else listed

    def state(self, subject: Role | str) -> Value:
        """Return the life of a role's resource, or of a resource by id."""
        return self.value(Existence(subject))

    def attachment(self, gateway: VpnGatewayId, vpc: VpcId) -> Value:
        """Return how *gateway* stands to *vpc*."""
        return self.value(AttachmentOf(gateway, vpc))

    def attachments(self, gateway: VpnGatewayId) -> Mapping[VpcId, Value]:
        """Return every VPC that *gateway* is on, coming to, leaving, or not known to have left."""
        return {
            fact.vpc: value
            for fact, value in self.facts.items()
            if isinstance(fact, AttachmentOf)
            and fact.gateway == gateway
            and value is not Attachment.DETACHED
        }

    def occupants(self, vpc: VpcId) -> Mapping[VpnGatewayId, Value]:
        """Return every gateway that is on *vpc*, or coming, leaving or unknown."""
        return {
            fact.gateway: value
            for fact, value in self.facts.items()
            if isinstance(fact, AttachmentOf)
            and fact.vpc == vpc
            and value is not Attachment.DETACHED
        }

    def propagates(self, table: RouteTableId, gateway: VpnGatewayId) -> Value:
        """Return whether *table* takes up the routes of *gateway*."""
        return self.value(Propagation(table, gateway))

    def route(self, table: RouteTableId, destination: str) -> Value:
        """Return the target of *table*'s static route for *destination*."""
        return self.value(RouteTarget(table, destination))

    def route_is_active(self, table: RouteTableId, destination: str) -> bool:
        """Return whether the static route for *destination* carries traffic."""
        record = self.tables.get(table)
        return record is not None and any(
            route.destination == destination and route.state == "active"
            for route in record.routes
            if route.origin == CREATED_ROUTE
        )


def snapshot_of(reading: Reading, owned: Ownership) -> Snapshot:
    """Turn a reading into facts, with *owned* telling which resources fill the run's roles."""
    facts: dict[Fact, Value] = {}
    for resource in reading.resources:
        facts[Existence(resource.id)] = life_of(resource.state)
    for role, id_ in owned.ours.items():
        facts[Existence(role)] = facts[Existence(id_)]
    for gateway in reading.gateways:
        facts.update(_facts_of_gateway(gateway))
    for connection in reading.connections:
        for prefix in connection.prefixes:
            facts[Prefix(connection.id, prefix.cidr)] = prefix_of(prefix.state)
    for table in reading.tables:
        facts |= _facts_of_table(table)
    return Snapshot(
        begun=reading.begun,
        facts=facts,
        owned=owned,
        connections={c.id: c for c in reading.connections},
        tables={t.id: t for t in reading.tables},
    )


def _facts_of_gateway(gateway: GatewayRecord) -> Iterator[tuple[Fact, Value]]:
    yield Claim(gateway.id), gateway.tags.get(Tag.CLAIM, ABSENT)
    for attached in gateway.attachments:
        yield AttachmentOf(gateway.id, attached.vpc), attachment_of(attached.state)


def _facts_of_table(table: RouteTableRecord) -> dict[Fact, Value]:
    facts: dict[Fact, Value] = {Existence(table.id): ResourceState.AVAILABLE}
    for gateway in table.propagating:
        facts[Propagation(table.id, gateway)] = Switch.ON
    for route in table.routes:
        if route.origin == CREATED_ROUTE:
            facts[RouteTarget(table.id, route.destination)] = route.target
    for association in table.associations:
        if association.gateway:
            facts[EdgeAssociation(table.id, VpnGatewayId(association.gateway))] = Switch.ON
    return facts


class Confirmation(StrEnum):
    """What a person, or a command in their place, can say in a run."""

    DEVICES_CONFIGURED = "devices-configured"
    TEST_PASSED = "test-passed"
    NEW_TUNNELS_ENABLED = "new-tunnels-enabled"
    OLD_TUNNELS_DISABLED = "old-tunnels-disabled"
    TUNNELS_RETURNED = "tunnels-returned"
    """Rollback's step 10: the old tunnels are on again."""


class Baseline(Struct, frozen=True):
    """The last look before step 7: what has to work again when the cutover is done."""

    taken: datetime
    tunnels_up: Mapping[VpnConnectionId, int]
    """Old connection to its tunnels UP."""
    propagated: Mapping[RouteTableId, frozenset[str]]
    """Table to the destinations the leaving gateway propagated into it."""


class TunnelStability(Struct, frozen=True):
    """Readings in a row in which a tunnel was UP, and when AWS says that it last changed."""

    readings: int
    changed: datetime | None = None


class Stability(Struct, frozen=True):
    """What one process has seen, reading by reading, of step 10's goal."""

    last: datetime
    """When the latest reading was begun."""
    since: datetime | None = None
    """The first of the readings in a row that lacked nothing; None if the latest did."""
    readings: int = 0
    """How many in a row lacked nothing."""
    tunnels: Mapping[str, TunnelStability] = {}
    """By ``green.tunnel_name``; a tunnel that is DOWN has none."""


class JournalFacts(Struct, frozen=True):
    """What the journal of this attempt has been told and AWS cannot tell."""

    words: Mapping[Confirmation, datetime] = {}
    files: Mapping[str, str] = {}
    """Archived connection id to the SHA-256 of its configuration in the vault."""
    baseline: Baseline | None = None
    verified: datetime | None = None
    """Since when traffic has been seen to flow on the joining side, once it has held steady."""
    green: Stability | None = None
    """What this process has seen of that so far; not in the journal."""
    accepted: frozenset[VpnConnectionId] = frozenset()
    """Old connections whose successors may have fewer tunnels, because somebody has accepted it."""
    unanswered: tuple[str, ...] = ()
    """Probes that have to work and do not, a sentence each; not in the journal."""
    idle: frozenset[Fact] = frozenset()
    """Settings of a gateway that this run has not switched on since it attached that gateway.

    One that is listed all the same may be left over from before, and do nothing.
    """
    touched: frozenset[Fact] | None = None
    """What this attempt has changed or tried to; None where a journal that is lost may have."""
    holder: str = ""
    """Who this run claims the old gateway for."""
    outranks: str = ""
    """The holder this run was told to take over from."""


class GatewaySwap(Struct, frozen=True):
    """Which gateway a cutover takes off the VPC and which one it puts there."""

    leaving: VpnGatewayId
    joining: VpnGatewayId


class Shortage(Struct, frozen=True):
    """A connection that carries traffic with fewer tunnels than the plan asks of it."""

    replaces: VpnConnectionId
    connection: VpnConnectionId
    text: str
    """How many tunnels it has, in an operator's words."""


_LIVES = {
    "available": ResourceState.AVAILABLE,
    "deleting": ResourceState.DELETING,
    "deleted": ResourceState.ABSENT,
}


def life_of(state: str) -> ResourceState:
    """Read an EC2 state; one we do not know, such as ``modifying``, is work in progress."""
    return _LIVES.get(state, ResourceState.PENDING)


_ATTACHMENTS = {a.value: a for a in Attachment}


def attachment_of(state: str) -> Attachment:
    """Read an attachment's state; one we do not know is neither there nor gone: DETACHING."""
    return _ATTACHMENTS.get(state, Attachment.DETACHING)


_PREFIXES = {"available": Switch.ON, "deleted": Switch.OFF, "deleting": Switch.OFF}


def prefix_of(state: str) -> Switch:
    """Read a static prefix's state; one we do not know is on its way."""
    return _PREFIXES.get(state, Switch.CHANGING)
