"""What a run would see of the imagined AWS at one moment: its records, tunnels and routes."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from vpnmigrate.imagine.world import World
from vpnmigrate.model.ec2 import (
    CREATED_ROUTE,
    PROPAGATED_ROUTE,
    ConnectionRecord,
    RouteRecord,
    RouteTableId,
    RouteTableRecord,
    TunnelReading,
    VpcId,
    VpnGatewayId,
)
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.snapshot import Reading, Snapshot, Told, Word, snapshot_of
from vpnmigrate.ownership import ownership_of, roles_made


class Scene(Struct, frozen=True):
    """A moment of an imagined migration.  Devices do what they are asked, at once."""

    plan: Plan
    world: World
    at: datetime
    told: Told = Told()

    def look(self) -> Snapshot:
        """Give what describe calls would say now."""
        world = self.world
        reading = Reading(
            begun=self.at,
            gateways=tuple(world.gateways.values()),
            connections=tuple(self._with_telemetry(c) for c in world.connections.values()),
            tables=tuple(self._with_routes(t) for t in world.tables.values()),
            vpcs=tuple(world.vpcs.values()),
            subnets=tuple(world.subnets.values()),
        )
        evidence = roles_made(world.made, self.plan)
        return snapshot_of(reading, ownership_of(reading, self.plan, evidence))

    def _with_telemetry(self, connection: ConnectionRecord) -> ConnectionRecord:
        up = self._is_up(connection)
        readings = tuple(
            TunnelReading(f"tunnel {number}", up, accepted_routes=int(up), since=self.at)
            for number in (1, 2)
        )
        return replace(connection, telemetry=readings)

    def _is_up(self, connection: ConnectionRecord) -> bool:
        words = self.told.words
        if connection.vpn_gateway == self.plan.old_gateway:
            enabled = Word.OLD_TUNNELS_DISABLED not in words or Word.TUNNELS_RETURNED in words
        else:
            enabled = Word.NEW_TUNNELS_ENABLED in words and Word.TUNNELS_RETURNED not in words
        gateway = connection.vpn_gateway
        return enabled and gateway is not None and self._is_on(gateway, self.plan.vpc)

    def _is_on(self, gateway: VpnGatewayId, vpc: VpcId) -> bool:
        record = self.world.gateways.get(gateway)
        return record is not None and any(
            a.vpc == vpc and a.state == "attached" for a in record.attachments
        )

    def _with_routes(self, table: RouteTableRecord) -> RouteTableRecord:
        written = (self._with_state(r, table) for r in table.routes if r.origin != PROPAGATED_ROUTE)
        propagated = (
            RouteRecord(destination, gateway, PROPAGATED_ROUTE)
            for gateway in table.propagating
            if self._is_on(gateway, table.vpc) and self._carries(gateway)
            for destination in sorted(self._behind(table.id))
        )
        return replace(table, routes=(*written, *propagated))

    def _with_state(self, route: RouteRecord, table: RouteTableRecord) -> RouteRecord:
        gateway = VpnGatewayId(route.target)
        if route.origin != CREATED_ROUTE or gateway not in self.world.gateways:
            return route
        state = "active" if self._is_on(gateway, table.vpc) else "blackhole"
        return route if route.state == state else replace(route, state=state)

    def _carries(self, gateway: VpnGatewayId) -> bool:
        mine = (c for c in self.world.connections.values() if c.vpn_gateway == gateway)
        return any(self._is_up(connection) for connection in mine)

    def _behind(self, table: RouteTableId) -> frozenset[str]:
        """Give what the devices advertise into *table*: the same as before."""
        before = next((t for t in self.plan.before.route_tables if t.id == table), None)
        return before.propagated_from(self.plan.old_gateway) if before else frozenset()
