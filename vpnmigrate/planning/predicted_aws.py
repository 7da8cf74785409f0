"""Predicted AWS: a model of AWS in which each change takes effect at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from itertools import zip_longest
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from vpnmigrate.model.changes import (
    AddStaticPrefix,
    ArchiveConfiguration,
    AssociateEdge,
    AttachVpnGateway,
    AwsChange,
    CreateRoute,
    CreateTestSubnet,
    CreateTestVpc,
    CreateVpnConnection,
    CreateVpnGateway,
    Creation,
    DeleteTestSubnet,
    DeleteTestVpc,
    DeleteVpnConnection,
    DeleteVpnGateway,
    Deletion,
    DetachVpnGateway,
    DisablePropagation,
    DisassociateEdge,
    EnablePropagation,
    PlaceClaim,
    RemoveClaim,
    ReplaceRoute,
    TableChange,
    Tags,
)
from vpnmigrate.model.derived import ByIdentity, derived
from vpnmigrate.model.ec2 import (
    AWS_VPN,
    CREATED_ROUTE,
    DEFAULT_ASN,
    FILTERED,
    PROPAGATED_ROUTE,
    AssociationRecord,
    Attached,
    ConnectionRecord,
    GatewayRecord,
    MigrationId,
    Role,
    RouteRecord,
    RouteTableId,
    RouteTableRecord,
    StaticPrefixRecord,
    SubnetRecord,
    Tag,
    TunnelReading,
    TunnelRecord,
    VpcId,
    VpcRecord,
    VpnConnectionId,
    VpnGatewayId,
)
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.snapshot import Confirmation, JournalFacts, Reading, Snapshot, snapshot_of
from vpnmigrate.model.survey import Survey
from vpnmigrate.model.tunnel_options import ANY_NETWORK
from vpnmigrate.planning.ownership import ownership_of, roles_made

_K = TypeVar("_K")

_V = TypeVar("_V")

_OtherChange = (
    Creation
    | Deletion
    | AddStaticPrefix
    | AttachVpnGateway
    | DetachVpnGateway
    | PlaceClaim
    | RemoveClaim
    | ArchiveConfiguration
)
"""The changes of anything but a route table."""


class PredictedAws(Struct, frozen=True, dict=True):
    """The predicted resources in AWS at one moment.

    A created resource gets the id that ``made`` has for its role, or else the role's name.
    """

    migration: MigrationId
    gateways: Mapping[VpnGatewayId, GatewayRecord]
    connections: Mapping[VpnConnectionId, ConnectionRecord]
    tables: Mapping[RouteTableId, RouteTableRecord]
    vpcs: Mapping[VpcId, VpcRecord]
    made: Mapping[Role, str]
    subnets: Mapping[str, SubnetRecord]

    def after(self, changes: Iterable[AwsChange]) -> PredictedAws:
        """Return the resources after *changes*, which are independent of each other."""
        routing: defaultdict[RouteTableId, list[TableChange]] = defaultdict(list)
        world = self
        for change in changes:
            if isinstance(change, TableChange):
                routing[change.table].append(change)
            else:
                world = world._after(change)
        if not routing:
            return world
        altered = {id_: _routed(world.tables[id_], made) for id_, made in routing.items()}
        return replace(world, tables={**world.tables, **altered})

    def _after(self, change: _OtherChange) -> PredictedAws:
        match change:
            case CreateVpnGateway() | CreateVpnConnection() | CreateTestVpc() | CreateTestSubnet():
                return self._created(change)
            case AttachVpnGateway() | DetachVpnGateway():
                return self._attachment(change)
            case PlaceClaim() | RemoveClaim():
                return self._claim(change)
            case AddStaticPrefix(connection, cidr):
                there = self.connections[connection]
                prefix = StaticPrefixRecord(cidr, "available")
                grown = replace(there, prefixes=(*there.prefixes, prefix))
                return replace(self, connections={**self.connections, connection: grown})
            case DeleteVpnConnection(_, id_):
                return replace(self, connections=_without(self.connections, VpnConnectionId(id_)))
            case DeleteVpnGateway(_, id_):
                return replace(self, gateways=_without(self.gateways, VpnGatewayId(id_)))
            case DeleteTestSubnet(_, id_):
                return replace(self, subnets=_without(self.subnets, id_))
            case DeleteTestVpc(_, id_):
                kept = {key: t for key, t in self.tables.items() if t.vpc != id_}
                return replace(self, vpcs=_without(self.vpcs, VpcId(id_)), tables=kept)
            case ArchiveConfiguration():
                return self

    def _created(self, change: Creation) -> PredictedAws:
        id_ = self.made.get(change.role, change.role)
        match change:
            case CreateVpnGateway(role, asn, tags):
                gateway = GatewayRecord(
                    VpnGatewayId(id_),
                    "available",
                    asn or DEFAULT_ASN,
                    tags=self._marked(role, tags),
                )
                return replace(self, gateways={**self.gateways, gateway.id: gateway})
            case CreateVpnConnection(role):
                connection = ConnectionRecord(
                    VpnConnectionId(id_),
                    "available",
                    AWS_VPN,
                    change.customer_gateway,
                    change.gateway,
                    static_only=change.static_only,
                    tunnels=tuple(
                        TunnelRecord(inside_cidr=cidr or "", options=options)
                        for cidr, options in zip_longest(change.inside_cidrs, change.tunnels)
                    ),
                    local_network=change.local_network or ANY_NETWORK,
                    remote_network=change.remote_network or ANY_NETWORK,
                    tags=self._marked(role, change.tags),
                )
                return replace(self, connections={**self.connections, connection.id: connection})
            case CreateTestVpc(role, cidr):
                vpc = VpcRecord(VpcId(id_), cidrs=(cidr,), tags=self._marked(role))
                # EC2 creates a main table with every VPC.
                main = RouteTableRecord(
                    RouteTableId(f"main table of {id_}"),
                    vpc.id,
                    associations=(AssociationRecord(f"association of {id_}", main=True),),
                )
                return replace(
                    self, vpcs={**self.vpcs, vpc.id: vpc}, tables={**self.tables, main.id: main}
                )
            case CreateTestSubnet(role, vpc_id, cidr):
                subnet = SubnetRecord(id_, vpc_id, cidr=cidr, tags=self._marked(role))
                return replace(self, subnets={**self.subnets, subnet.id: subnet})

    def _marked(self, role: Role, tags: Tags = ()) -> dict[str, str]:
        return {**dict(tags), Tag.MIGRATION.value: self.migration, Tag.ROLE.value: role}

    def _attachment(self, change: AttachVpnGateway | DetachVpnGateway) -> PredictedAws:
        gateway = self.gateways[change.gateway]
        others = tuple(a for a in gateway.attachments if a.vpc != change.vpc)
        now = Attached(change.vpc, str(change.becomes))
        moved = replace(gateway, attachments=(*others, now))
        return replace(self, gateways={**self.gateways, gateway.id: moved})

    def _claim(self, change: PlaceClaim | RemoveClaim) -> PredictedAws:
        gateway = self.gateways[change.gateway]
        tags = {key: value for key, value in gateway.tags.items() if key != Tag.CLAIM}
        if isinstance(change, PlaceClaim):
            tags[Tag.CLAIM.value] = change.holder
        tagged = replace(gateway, tags=tags)
        return replace(self, gateways={**self.gateways, gateway.id: tagged})


def predicted_aws(survey: Survey, migration: MigrationId, made: Mapping[Role, str]) -> PredictedAws:
    """Return the resources of *survey*, without a claim tag."""
    unclaimed = {key: value for key, value in survey.gateway.tags.items() if key != Tag.CLAIM}
    return PredictedAws(
        migration,
        gateways={survey.gateway.id: replace(survey.gateway, tags=unclaimed)},
        connections={c.id: c for c in survey.living},
        tables={t.id: t for t in survey.route_tables},
        vpcs={v.id: v for v in (survey.vpc,) if v is not None},
        made=made,
        subnets={},
    )


def _routed(table: RouteTableRecord, changes: Iterable[TableChange]) -> RouteTableRecord:
    """Return *table* after *changes*, in one pass over its routes."""
    propagating, ties = table.propagating, table.associations
    replaced: dict[str, VpnGatewayId] = {}
    created: list[RouteRecord] = []
    for change in changes:
        match change:
            case ReplaceRoute(_, destination, gateway):  # the most frequent one
                replaced[destination] = gateway
            case EnablePropagation(_, gateway):
                propagating = tuple(sorted({*propagating, gateway}))
            case DisablePropagation(_, gateway):
                propagating = tuple(each for each in propagating if each != gateway)
            case CreateRoute(_, destination, gateway):
                created.append(RouteRecord(destination, gateway))
            case AssociateEdge(_, gateway):
                tie = AssociationRecord(f"association of {gateway}", gateway=gateway)
                ties = (*ties, tie)
            case DisassociateEdge(_, _, association):
                ties = tuple(each for each in ties if each.id != association)
    routes = table.routes
    if replaced:
        routes = tuple(
            [
                replace(route, target=replaced[route.destination])
                if route.destination in replaced and route.origin == CREATED_ROUTE
                else route
                for route in routes
            ]
        )
    return replace(table, propagating=propagating, associations=ties, routes=(*routes, *created))


def _without(records: Mapping[_K, _V], id_: _K) -> dict[_K, _V]:
    return {key: record for key, record in records.items() if key != id_}


class PredictedMoment(Struct, frozen=True):
    """A moment of a predicted migration, in which operator tasks take effect at once."""

    plan: Plan
    world: PredictedAws
    at: datetime
    journal_facts: JournalFacts = JournalFacts()

    def observe(self) -> Snapshot:
        """Return the snapshot that describe calls would give now."""
        world = self.world
        used = {c.vpn_gateway for c in world.connections.values()}
        up = frozenset(gateway for gateway in used if self._is_up(gateway))
        telemetry = {True: self._telemetry(up=True), False: self._telemetry(up=False)}
        plan = ByIdentity(self.plan)
        vpcs = {table.vpc for table in world.tables.values()}
        paths = {vpc: self._paths(vpc, up) for vpc in vpcs}
        reading = Reading(
            begun=self.at,
            gateways=tuple(world.gateways.values()),
            connections=tuple(
                replace(c, telemetry=telemetry[c.vpn_gateway in up])
                for c in world.connections.values()
            ),
            tables=tuple(_with_routes(t, plan, paths[t.vpc]) for t in world.tables.values()),
            vpcs=tuple(world.vpcs.values()),
            subnets=tuple(world.subnets.values()),
        )
        evidence = roles_made(world.made, self.plan)
        return snapshot_of(reading, ownership_of(reading, self.plan, evidence))

    def _telemetry(self, *, up: bool) -> tuple[TunnelReading, ...]:
        routes = self.plan.most_accepted_routes if up else 0
        return tuple(
            TunnelReading(f"tunnel {number}", up, accepted_routes=routes, since=self.at)
            for number in (1, 2)
        )

    def _is_up(self, gateway: VpnGatewayId | None) -> bool:
        """Return whether the tunnels of the connections on *gateway* are UP."""
        words = self.journal_facts.confirmations
        if gateway == self.plan.old_gateway:
            enabled = (
                Confirmation.OLD_TUNNELS_DISABLED not in words
                or Confirmation.TUNNELS_RETURNED in words
            )
        else:
            enabled = (
                Confirmation.NEW_TUNNELS_ENABLED in words
                and Confirmation.TUNNELS_RETURNED not in words
            )
        return enabled and gateway is not None and self._is_on(gateway, self.plan.vpc)

    def _is_on(self, gateway: VpnGatewayId, vpc: VpcId) -> bool:
        record = self.world.gateways.get(gateway)
        return record is not None and any(
            a.vpc == vpc and a.state == "attached" for a in record.attachments
        )

    def _paths(self, vpc: VpcId, up: Collection[VpnGatewayId | None]) -> frozenset[_Path]:
        """Return the path through each gateway for *vpc*; those in *up* have a tunnel up."""
        return frozenset(
            _Path(gateway, self._is_on(gateway, vpc), gateway in up)
            for gateway in self.world.gateways
        )


class _Path(Struct, frozen=True):
    """Whether a gateway is attached to a VPC, and has a tunnel up."""

    gateway: VpnGatewayId
    attached: bool
    up: bool


@derived
def _with_routes(
    table: RouteTableRecord, plan: ByIdentity[Plan], paths: frozenset[_Path]
) -> RouteTableRecord:
    """Return *table* with the states of its routes, and the propagated ones."""
    states: dict[str, str] = {
        path.gateway: "active" if path.attached else "blackhole" for path in paths
    }
    learning = {path.gateway for path in paths if path.attached and path.up}
    written = [
        route
        if route.state == FILTERED
        or (state := states.get(route.target, route.state)) == route.state
        else replace(route, state=state)
        for route in table.routes
        if route.origin != PROPAGATED_ROUTE
    ]
    # Devices advertise the same destinations into each table as before.
    before = plan.of.propagated_before.get(table.id, ())
    propagated = (
        RouteRecord(destination, gateway, PROPAGATED_ROUTE)
        for gateway in table.propagating
        if gateway in learning
        for destination in before
    )
    return replace(table, routes=(*written, *propagated))
