"""Snapshot: the state of the migrated resources, and the facts of the journal.

- A *fact* is one property of AWS that a change alters, such as the attachment of a gateway
  (``model.facts``); a snapshot has the value of each.
- A *reading* is what EC2's describe calls answered (``Reading``); a *snapshot* is made of it, with
  the facts that may be stale masked (``model.consistency``); an *observation* is that snapshot with
  the journal's facts, as a step gets it (``steps.base.StepInput``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from msgspec import Struct, field
from msgspec.structs import replace

from vpnmigrate.model.derived import derived
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
    UNKNOWN,
    AttachmentOf,
    Claim,
    EdgeAssociation,
    Existence,
    Fact,
    Goal,
    Prefix,
    Propagation,
    RouteTarget,
    Switch,
    Value,
    when_unlisted,
)

Resource = GatewayRecord | ConnectionRecord | VpcRecord | SubnetRecord
"""A resource that a run can create."""


class ReadingPart(StrEnum):
    """A part of a reading that one describe call returns."""

    GATEWAYS = "gateways"
    CONNECTIONS = "connections"


class Reading(Struct, frozen=True):
    """Parsed results of the describe calls."""

    begun: datetime
    """The moment before the first describe call was sent."""
    gateways: tuple[GatewayRecord, ...] = ()
    connections: tuple[ConnectionRecord, ...] = ()
    tables: tuple[RouteTableRecord, ...] = ()
    vpcs: tuple[VpcRecord, ...] = ()
    subnets: tuple[SubnetRecord, ...] = ()

    @property
    def resources(self) -> tuple[Resource, ...]:
        """All resources of kinds that a run can create."""
        return (*self.gateways, *self.connections, *self.vpcs, *self.subnets)


class ForeignResource(Struct, frozen=True):
    """A resource with the tags of a role that this run did not create; *why* is a clause."""

    role: Role
    id: str
    why: str

    def __str__(self) -> str:
        """Return a sentence for an operator."""
        return (
            f"{self.id} has this run's tags ({self.role}) but is not its own, "
            f"and is not changed: {self.why}"
        )


class Ownership(Struct, frozen=True):
    """Resources of a reading that the run created, and others that resemble them."""

    ours: Mapping[Role, str] = {}
    """Existing resources that this run created, by role."""
    found: Mapping[Role, str] = {}
    """Those of them created by a call whose answer was lost; they are adopted when observed."""
    duplicates: tuple[tuple[Role, str], ...] = ()
    """Further existing resources of a role: one is not this run's, or was created twice."""
    untagged: tuple[str, ...] = ()
    """Resources of this run whose tags were removed."""
    ambiguous_roles: frozenset[Role] = frozenset()
    """Roles with duplicates where it is unproven which one is this run's."""
    foreign: tuple[ForeignResource, ...] = ()
    """Resources with this run's tags that the run did not create."""
    possible: Mapping[Role, str] = {}
    """Resources that an unanswered create call may have made, but without its tags.

    A person has to decide.
    """
    unrecorded: tuple[str, ...] = ()
    """Resources in neither the survey nor the journal."""


class Snapshot(Struct, frozen=True, dict=True):
    """One reading as facts; a fact that is not listed has the value of ``when_unlisted``."""

    begun: datetime
    facts: Mapping[Fact, Value] = {}
    """UNKNOWN where the reading may be stale (``consistency``)."""
    owned: Ownership = Ownership()
    connections: Mapping[VpnConnectionId, ConnectionRecord] = {}
    tables: Mapping[RouteTableId, RouteTableRecord] = {}
    externally_changed: frozenset[Fact] = frozenset()
    """Facts changed outside this run after its effect was seen; reported and left unchanged."""
    stale: frozenset[Fact] = frozenset()
    """Facts whose reading may predate the latest intent, even if their value is known."""
    likely: Mapping[Fact, Value] = {}
    """Values to act on, while traffic is down, for facts that are UNKNOWN (``consistency``)."""

    @cached_property
    def doubted(self) -> frozenset[Fact]:
        """The facts that are UNKNOWN, or whose reading may be stale."""
        return self.stale.union([fact for fact, value in self.facts.items() if value is UNKNOWN])

    @property
    def acting(self) -> Snapshot:
        """This snapshot with likely values: for changes while traffic is down, not for verdicts."""
        if not self.stale:
            return self
        return replace(self, facts={**self.facts, **self.likely}, stale=frozenset(), likely={})

    @property
    def ours(self) -> Mapping[Role, str]:
        """The resources that this run created, by role."""
        return self.owned.ours

    def value(self, fact: Fact) -> Value:
        """Return the value of *fact*; UNKNOWN if the reading may be stale."""
        listed = self.facts.get(fact)
        return when_unlisted(fact) if listed is None else listed

    def state(self, subject: Role | str) -> Value:
        """Return the state of a role's resource, or of a resource by id."""
        return self.value(Existence(subject))

    def attachment(self, gateway: VpnGatewayId, vpc: VpcId) -> Value:
        """Return the state of *gateway*'s attachment to *vpc*."""
        return self.value(AttachmentOf(gateway, vpc))

    def attachments(self, gateway: VpnGatewayId) -> Mapping[VpcId, Value]:
        """Return every VPC that *gateway* is not known to be detached from, with the state."""
        return {fact.vpc: value for fact, value in self._attachments if fact.gateway == gateway}

    def occupants(self, vpc: VpcId) -> Mapping[VpnGatewayId, Value]:
        """Return every gateway that is not known to be detached from *vpc*, with the state."""
        return {fact.gateway: value for fact, value in self._attachments if fact.vpc == vpc}

    @cached_property
    def _attachments(self) -> tuple[tuple[AttachmentOf, Value], ...]:
        """The attachments that are not known to be detached: a few of very many facts."""
        return tuple(
            [
                (fact, value)
                for fact, value in self.facts.items()
                if type(fact) is AttachmentOf and value is not Attachment.DETACHED
            ]
        )

    def propagates(self, table: RouteTableId, gateway: VpnGatewayId) -> Value:
        """Return whether routes are propagated from *gateway* into *table*."""
        return self.value(Propagation(table, gateway))

    def route(self, table: RouteTableId, destination: str) -> Value:
        """Return the target of *table*'s static route for *destination*."""
        return self.value(RouteTarget(table, destination))

    def active_routes(self, table: RouteTableId) -> frozenset[str]:
        """Return the destinations of *table*'s static routes that carry traffic."""
        record = self.tables.get(table)
        return frozenset() if record is None else record.carrying


def snapshot_of(reading: Reading, owned: Ownership) -> Snapshot:
    """Return the facts of a reading; *owned* says which resources fill the run's roles."""
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
        facts.update(_facts_of_table(table))
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


@derived
def _facts_of_table(table: RouteTableRecord) -> Mapping[Fact, Value]:
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
    """A confirmation that a person, or a command in their place, gives in a run."""

    DEVICES_CONFIGURED = "devices-configured"
    TEST_PASSED = "test-passed"
    NEW_TUNNELS_ENABLED = "new-tunnels-enabled"
    OLD_TUNNELS_DISABLED = "old-tunnels-disabled"
    TUNNELS_RETURNED = "tunnels-returned"
    """Step 10 of a rollback: the old tunnels are enabled again."""


class Baseline(Struct, frozen=True):
    """The last observation before step 7: what must work again after the cutover."""

    taken: datetime
    tunnels_up: Mapping[VpnConnectionId, int]
    """Old connection to the number of its tunnels UP."""
    propagated: Mapping[RouteTableId, frozenset[str]]
    """Table to the destinations propagated into it from the leaving gateway."""
    accepted: Mapping[VpnConnectionId, tuple[int, ...]] = {}
    """Old BGP connection to the routes that each of its tunnels UP accepts, most first."""


class TunnelStability(Struct, frozen=True):
    """Consecutive readings in which a tunnel was UP, and its last change according to AWS."""

    readings: int
    changed: datetime | None = None


class Stability(Struct, frozen=True):
    """How long and how often one process has seen step 10's goal hold."""

    last: datetime
    """When the latest reading began."""
    since: datetime | None = None
    """When the current row of complete readings began; None if the latest was incomplete."""
    readings: int = 0
    """Number of consecutive complete readings."""
    tunnels: Mapping[str, TunnelStability] = {}
    """By ``traffic.tunnel_name``; a tunnel that is DOWN has no entry."""


class JournalFacts(Struct, frozen=True):
    """Facts of this run that AWS does not show: from the journal, or seen by this process."""

    confirmations: Mapping[Confirmation, datetime] = {}
    devices: Mapping[Confirmation, frozenset[VpnConnectionId]] = {}
    """Old connections at whose devices the task of a confirmation is done."""
    unsettled: frozenset[VpnConnectionId] = frozenset()
    """Old connections whose devices may not keep what drivers have done there."""
    tunnels_switched: bool = False
    """Whether the cutover has reached step 10: devices may use the new tunnels."""
    files: Mapping[str, str] = {}
    """Archived connection id to the SHA-256 of its configuration in the vault.

    The hash is empty if EC2 showed no configuration, so that nothing was archived.
    """
    baseline: Baseline | None = None
    verified: datetime | None = None
    """Since when traffic has flowed on the joining side; set once it has been stable."""
    stability: Stability | None = None
    """Stability seen by this process so far; not in the journal."""
    accepted: frozenset[VpnConnectionId] = frozenset()
    """Old connections whose successors may have fewer tunnels, accepted by an operator."""
    unanswered: tuple[str, ...] = ()
    """Required probes that do not work, a sentence each; not in the journal."""
    idle: frozenset[Fact] = frozenset()
    """Propagation settings that this run has not enabled since it attached the gateway.

    If AWS still lists one, it may be left over from before the detach and have no effect.
    """
    directed: Mapping[Fact, VpnGatewayId] = {}
    """Routes to the gateway that this run last made their target."""
    vanished: Mapping[Fact, datetime] = {}
    """Routes that EC2 last said do not exist, and when: a describe may still list them."""
    left_out: frozenset[Goal] = frozenset()
    """Goals that this process leaves out: AWS did not make their changes.

    Not in the journal, so another process tries them again.
    """
    once_left_out: frozenset[Goal] = frozenset()
    """Goals that this process has left out at some time: step 10 still makes their changes."""
    touched: frozenset[Fact] | None = None
    """Facts this run changed or tried to change; None if a lost journal makes it unknown."""
    holder: str = ""
    """The holder for whom this run claims the old gateway."""
    takes_over_from: str = ""
    """The holder that the operator named with ``--take-over``."""


class GatewaySwap(Struct, frozen=True):
    """The gateway that a cutover detaches from the VPC and the one that it attaches."""

    leaving: VpnGatewayId
    joining: VpnGatewayId


class Shortage(Struct, frozen=True):
    """A connection that carries traffic with fewer tunnels than the plan requires."""

    replaces: VpnConnectionId
    connection: VpnConnectionId
    text: str = field(name="told")
    """How many tunnels it has, as text for an operator."""


_LIVES = {
    "available": ResourceState.AVAILABLE,
    "deleting": ResourceState.DELETING,
    "deleted": ResourceState.ABSENT,
}


def life_of(state: str) -> ResourceState:
    """Return the resource state for an EC2 state; an unknown one, as ``modifying``, is PENDING."""
    return _LIVES.get(state, ResourceState.PENDING)


_ATTACHMENTS = {a.value: a for a in Attachment}


def attachment_of(state: str) -> Attachment:
    """Return the attachment for an EC2 state; an unknown one is DETACHING: neither on nor off."""
    return _ATTACHMENTS.get(state, Attachment.DETACHING)


_PREFIXES = {"available": Switch.ON, "deleted": Switch.OFF, "deleting": Switch.OFF}


def prefix_of(state: str) -> Switch:
    """Return the switch for a static prefix's EC2 state; an unknown one is CHANGING."""
    return _PREFIXES.get(state, Switch.CHANGING)
