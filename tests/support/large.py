"""Surveys and plans of any size: one gateway, some connections, many route tables."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from tests.support.builders import OLD, VPC, a_connection, a_customer_gateway, a_survey
from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.ec2 import (
    PROPAGATED_ROUTE,
    AssociationRecord,
    ConnectionRecord,
    MigrationId,
    RouteRecord,
    RouteTableId,
    RouteTableRecord,
    TunnelReading,
    TunnelRecord,
    VpcRecord,
)
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.survey import Quotas, Survey
from vpnmigrate.planning.planner import plan_from

ACCOUNT = "123456789012"

VPC_NETWORK = "10.0.0.0/16"
ELSEWHERE = ("nat-1", "tgw-1", "pcx-1")
"""Targets of the routes that do not lead to the gateway."""


class Size(Struct, frozen=True):
    """The size of a world; every table also has the local route."""

    connections: int = 10
    tables: int = 200
    propagated: int = 99
    """Routes propagated into each table; AWS allows 100 (domain.md 5)."""
    static: int = 50
    """Static routes to the gateway in each table."""
    others: int = 50
    """Static routes to other targets in each table."""

    @property
    def routes(self) -> int:
        """The number of routes of a table."""
        return 1 + self.propagated + self.static + self.others


HARD = Size(propagated=0, static=199, others=0)
"""Every route is a static one to the gateway, so that the cutover changes each of them."""


def large_survey(size: Size) -> Survey:
    """Return a survey of *size*; no two tables have the same routes."""
    connections = tuple(
        _connection(number, max(1, len(range(number, size.propagated, size.connections))))
        for number in range(size.connections)
    )
    return a_survey(
        vpcs=(VpcRecord(VPC, owner=ACCOUNT, cidrs=(VPC_NETWORK,)),),
        connections=connections,
        customer_gateways=tuple(
            a_customer_gateway(f"cgw-{number:04}") for number in range(size.connections)
        ),
        route_tables=tuple(
            sorted((_table(number, size) for number in range(size.tables)), key=lambda t: t.id)
        ),
        quotas=Quotas(connections_per_region=200, connections_per_gateway=100),
    )


def large_plan(size: Size) -> Plan:
    """Return a plan of *size*, by the standard decisions."""
    survey = large_survey(size)
    return plan_from(
        survey,
        Decisions(),
        "standard",
        migration=MigrationId("m-1"),
        made=survey.taken,
        tool="test",
    )


def _connection(number: int, accepted: int) -> ConnectionRecord:
    outside = f"198.51.100.{number % 256}", f"203.0.113.{number % 256}"
    inside = f"169.254.{10 + number}.0/30", f"169.254.{10 + number}.4/30"
    return replace(
        a_connection(f"vpn-{number:04}", customer_gateway=f"cgw-{number:04}"),
        tunnels=tuple(TunnelRecord(*pair) for pair in zip(outside, inside, strict=True)),
        telemetry=tuple(TunnelReading(ip, up=True, accepted_routes=accepted) for ip in outside),
    )


def _table(number: int, size: Size) -> RouteTableRecord:
    learned = (
        RouteRecord(_learned(each), OLD, PROPAGATED_ROUTE) for each in range(size.propagated)
    )
    static = (RouteRecord(_static(number + each), OLD) for each in range(size.static))
    others = (
        RouteRecord(_other(number + each), ELSEWHERE[each % len(ELSEWHERE)])
        for each in range(size.others)
    )
    local = RouteRecord(VPC_NETWORK, "local", "CreateRouteTable")
    main = (AssociationRecord("rtbassoc-main", main=True),) if number == 0 else ()
    return RouteTableRecord(
        RouteTableId(f"rtb-{number:05}"),
        VPC,
        ACCOUNT,
        associations=main,
        propagating=(OLD,) if size.propagated else (),
        routes=tuple(sorted((local, *learned, *static, *others), key=lambda r: r.destination)),
    )


def _learned(number: int) -> str:
    return f"172.16.{number}.0/24"


def _static(number: int) -> str:
    return f"172.{20 + number // 256 % 10}.{number % 256}.0/24"


def _other(number: int) -> str:
    return f"100.{64 + number // 256 % 64}.{number % 256}.0/24"
