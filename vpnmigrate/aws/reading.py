"""Reading: the three to five describe calls of a running migration."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from vpnmigrate.aws import describe
from vpnmigrate.aws.parse import (
    connection_at_a_glance,
    gateway_record,
    in_order,
    route_record,
    subnet_record,
    table_with_routes,
    vpc_record,
)
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.ec2 import (
    ConnectionRecord,
    GatewayRecord,
    RouteRecord,
    RouteTableRecord,
    SubnetRecord,
    Tag,
    VpcRecord,
)
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.snapshot import Reading, ReadingPart

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import RouteTableTypeDef, VpnConnectionTypeDef, VpnGatewayTypeDef


class _ParsedTable(NamedTuple):
    row: RouteTableTypeDef
    routes: list[RouteRecord]
    """In the order of the row."""
    record: RouteTableRecord


class RowParser:
    """Parses the rows that every reading has.

    A route table has hundreds of routes, and in most readings of a run no table has changed, so a
    table whose row is the same as in the reading before is the same record, with all that was
    derived from it (``model.derived``).  In a table that has changed, most routes are the same.
    """

    def __init__(self) -> None:
        """Begin without a reading."""
        self._tables: dict[str, _ParsedTable] = {}

    def gateway(self, row: VpnGatewayTypeDef) -> GatewayRecord:
        """Return the virtual private gateway of *row*."""
        return gateway_record(row)

    def connection(self, row: VpnConnectionTypeDef) -> ConnectionRecord:
        """Return the connection of *row*, without reading its configuration document."""
        return connection_at_a_glance(row)

    def table(self, row: RouteTableTypeDef) -> RouteTableRecord:
        """Return the route table of *row*; the record is reused if the row is unchanged."""
        last = self._tables.get(row.get("RouteTableId", ""))
        if last is not None and (last.row is row or last.row == row):
            return last.record
        routes = _routes(row, last)
        record = table_with_routes(row, routes)
        self._tables[record.id] = _ParsedTable(row, routes, record)
        return record


def _routes(row: RouteTableTypeDef, last: _ParsedTable | None) -> list[RouteRecord]:
    """Return the routes of *row*; a route that is unchanged since *last* keeps its record."""
    rows = row.get("Routes") or []
    if last is None:
        return list(map(route_record, rows))
    earlier = zip(last.row.get("Routes") or [], last.routes, strict=True)
    routes = [
        known if new == old else route_record(new)
        for new, (old, known) in zip(rows, earlier, strict=False)
    ]
    return [*routes, *map(route_record, rows[len(routes) :])]


def reading(ec2: EC2Client, plan: Plan, clock: Clock, parser: RowParser) -> Reading:
    """Return the state of what *plan* touches; gateways first, because they name the rest.

    Raises:
        AwsError: A describe call failed.
    """
    begun = clock.now()
    gateways = in_order(map(parser.gateway, describe.gateways(ec2)))
    connections = _connections(ec2, plan, gateways, parser)
    read_in = {plan.vpc}
    vpcs: tuple[VpcRecord, ...] = ()
    subnets: tuple[SubnetRecord, ...] = ()
    if plan.decisions.test_vpc:
        every = in_order(map(vpc_record, describe.vpcs(ec2)))
        vpcs = tuple(vpc for vpc in every if _concerns(vpc, plan))
        if new := sorted(vpc.id for vpc in vpcs if vpc.id not in plan.surveyed):
            subnets = in_order(map(subnet_record, describe.subnets_in(ec2, new)))
            read_in.update(new)
    return Reading(
        begun=begun,
        gateways=gateways,
        connections=connections,
        tables=in_order(map(parser.table, describe.route_tables(ec2, sorted(read_in)))),
        vpcs=vpcs,
        subnets=subnets,
    )


def differs(
    ec2: EC2Client, plan: Plan, earlier: Reading, part: ReadingPart, parser: RowParser
) -> bool:
    """Return whether *part* differs from that of *earlier*: one call instead of a reading.

    Raises:
        AwsError: The describe call failed.
    """
    match part:
        case ReadingPart.GATEWAYS:
            return in_order(map(parser.gateway, describe.gateways(ec2))) != earlier.gateways
        case ReadingPart.CONNECTIONS:
            return _connections(ec2, plan, earlier.gateways, parser) != earlier.connections


def _connections(
    ec2: EC2Client, plan: Plan, gateways: Iterable[GatewayRecord], parser: RowParser
) -> tuple[ConnectionRecord, ...]:
    # A gateway of this run may have lost its tags, and another gateway may have them.
    on = sorted({plan.old_gateway, *(g.id for g in gateways if _concerns(g, plan))})
    return in_order(map(parser.connection, describe.connections_on(ec2, on)))


def _concerns(resource: GatewayRecord | VpcRecord, plan: Plan) -> bool:
    """Return whether *resource* is newer than the plan's survey, or has the run's tags."""
    new = resource.id not in plan.surveyed
    return new or resource.tags.get(Tag.MIGRATION) == plan.migration
