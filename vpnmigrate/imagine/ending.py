"""How a migration ends that goes as planned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from msgspec.structs import replace

from vpnmigrate.imagine import opening, walked
from vpnmigrate.model.ec2 import (
    ConnectionRecord,
    Role,
    RouteTableRecord,
    VpnConnectionId,
    VpnGatewayId,
)
from vpnmigrate.model.plan import GATEWAY_ROLE, Direction, Plan
from vpnmigrate.model.survey import Survey
from vpnmigrate.steps.sequences import FORWARD


@dataclass(frozen=True, eq=False)
class _Of:
    """A plan that is known again as the very same object: to hash all of it would cost more."""

    plan: Plan

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Of) and self.plan is other.plan

    def __hash__(self) -> int:
        return id(self.plan)


def end_of(plan: Plan, made: Mapping[Role, str]) -> Survey:
    """Give what a survey of the new gateway would show of its configuration after step 10.

    *made* has the ids of what was created; without them a role stands for its own id.
    """
    end = _with_roles_for_ids(_Of(plan))

    def named(id_: str) -> str:
        return made.get(Role(id_), id_)

    def connection(record: ConnectionRecord) -> ConnectionRecord:
        gateway = record.vpn_gateway and VpnGatewayId(named(record.vpn_gateway))
        return replace(record, id=VpnConnectionId(named(record.id)), vpn_gateway=gateway)

    def table(record: RouteTableRecord) -> RouteTableRecord:
        return replace(
            record,
            propagating=tuple(VpnGatewayId(named(gateway)) for gateway in record.propagating),
            routes=tuple(replace(route, target=named(route.target)) for route in record.routes),
            associations=tuple(
                replace(tie, gateway=tie.gateway and named(tie.gateway))
                for tie in record.associations
            ),
        )

    return replace(
        end,
        gateway=replace(end.gateway, id=VpnGatewayId(named(end.gateway.id))),
        connections=tuple(map(connection, end.connections)),
        route_tables=tuple(map(table, end.route_tables)),
    )


@lru_cache(maxsize=4)
def _with_roles_for_ids(of: _Of) -> Survey:
    """Walk all of it, once for each plan: a rehearsal with faults asks a thousand times."""
    plan = of.plan
    _, there = walked(opening(plan, {}), FORWARD, Direction.FORWARD)
    new = VpnGatewayId(GATEWAY_ROLE)
    world = there.world
    return replace(
        plan.before,
        gateway=world.gateways[new],
        connections=tuple(c for c in world.connections.values() if c.vpn_gateway == new),
        route_tables=tuple(world.tables.values()),
    )
