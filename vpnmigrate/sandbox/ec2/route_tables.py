"""Route tables and their subnet and edge associations."""

from __future__ import annotations

from vpnmigrate.model.ec2 import LOCAL, TABLE_ROUTE
from vpnmigrate.sandbox.ec2.gateways import is_ready, not_ready
from vpnmigrate.sandbox.ec2.ids import ASSOCIATION, ROUTE_TABLE, ApiError, invalid_value, missing
from vpnmigrate.sandbox.ec2.request import (
    Field,
    Params,
    Result,
    Row,
    asked_for,
    page,
    required,
    selected,
    the_subnet,
    the_table,
    the_vpc,
)
from vpnmigrate.sandbox.ec2.routes import Brought, route_rows
from vpnmigrate.sandbox.ec2.tags import tag_rows, tags_at_creation
from vpnmigrate.sandbox.state import Association, Route, RouteTable, Vpc, WorldState

_EDGE_TARGETS = (LOCAL, "eni-", "vpce-")


def new_table(state: WorldState, vpc: Vpc) -> RouteTable:
    """Create a table of *vpc* with its local routes only."""
    table = RouteTable(state.new_id(ROUTE_TABLE), vpc.id, vpc.owner, local_routes(vpc))
    state.tables[table.id] = table
    return table


def local_routes(vpc: Vpc) -> list[Route]:
    """Return the local routes of every table of *vpc*."""
    return [Route(cidr, LOCAL, TABLE_ROUTE) for cidr in vpc.cidrs]


def create_route_table(state: WorldState, params: Params) -> Result:
    """CreateRouteTable."""
    vpc = the_vpc(state, required(params, "VpcId"))
    tags = tags_at_creation(params, ROUTE_TABLE)
    table = new_table(state, vpc)
    state.tags[table.id] = tags
    return {"RouteTable": _row(state, table)}


def delete_route_table(state: WorldState, params: Params) -> Result:
    """DeleteRouteTable."""
    table = the_table(state, params)
    if table.tied(state.now):
        raise ApiError(
            "DependencyViolation",
            f"The routeTable '{table.id}' has dependencies and cannot be deleted.",
        )
    del state.tables[table.id]
    state.tags.pop(table.id, None)
    return {}


def associate_route_table(state: WorldState, params: Params) -> Result:
    """AssociateRouteTable, with a subnet, or with a gateway as its edge table."""
    table = the_table(state, params)
    subnet, gateway = params.get("SubnetId"), params.get("GatewayId")
    if bool(subnet) == bool(gateway):
        raise missing("SubnetId")
    if gateway:
        _check_edge(state, table, gateway)
    elif the_subnet(state, str(subnet)).vpc != table.vpc:
        raise invalid_value(f"{table.id} and {subnet} belong to different networks")
    for other in state.tables.values():
        for tie in other.tied(state.now):
            if (subnet and tie.subnet == subnet) or (gateway and tie.gateway == gateway):
                if other is table:
                    return _associated(tie)
                raise ApiError(
                    "Resource.AlreadyAssociated",
                    f"the specified association for route table {table.id} conflicts with an "
                    "existing association",
                )
    tie = Association(state.new_id(ASSOCIATION), subnet, gateway)
    table.associations.append(tie)
    return _associated(tie)


def disassociate_route_table(state: WorldState, params: Params) -> Result:
    """DisassociateRouteTable; the main association cannot be removed."""
    identifier = required(params, "AssociationId")
    for table in state.tables.values():
        for tie in table.tied(state.now):
            if tie.id != identifier:
                continue
            if tie.main:
                raise invalid_value(
                    f"cannot disassociate the main route table association {identifier}"
                )
            table.associations.remove(tie)
            return {}
    raise ASSOCIATION.unknown(identifier)


_FILTERS: dict[str, Field] = {
    "association.gateway-id": "Associations.GatewayId",
    "association.main": "Associations.Main",
    "association.route-table-association-id": "Associations.RouteTableAssociationId",
    "association.route-table-id": "Associations.RouteTableId",
    "association.subnet-id": "Associations.SubnetId",
    "owner-id": "OwnerId",
    "route-table-id": "RouteTableId",
    "route.destination-cidr-block": "Routes.DestinationCidrBlock",
    "route.destination-ipv6-cidr-block": "Routes.DestinationIpv6CidrBlock",
    "route.destination-prefix-list-id": "Routes.DestinationPrefixListId",
    "route.egress-only-internet-gateway-id": "Routes.EgressOnlyInternetGatewayId",
    "route.gateway-id": "Routes.GatewayId",
    "route.instance-id": "Routes.InstanceId",
    "route.nat-gateway-id": "Routes.NatGatewayId",
    "route.origin": "Routes.Origin",
    "route.state": "Routes.State",
    "route.transit-gateway-id": "Routes.TransitGatewayId",
    "route.vpc-peering-connection-id": "Routes.VpcPeeringConnectionId",
    "vpc-id": "VpcId",
}


def describe_route_tables(state: WorldState, params: Params) -> Result:
    """DescribeRouteTables, in pages of at most 100."""
    if params.get("RouteTableIds") and params.get("MaxResults"):
        raise ApiError(
            "InvalidParameterCombination",
            "The parameter routeTableIdSet cannot be used with the parameter maxResults",
        )
    brought: Brought = {}
    tables = asked_for(state.tables, params, "RouteTableIds", ROUTE_TABLE)
    whole = _filters_routes(params)
    rows = [_row(state, table, brought) if whole else _head(state, table) for table in tables]
    answer = page(
        selected(rows, params, _FILTERS), params, "RouteTables", bounds=(5, 100), size=100
    )
    if not whole:
        # Routes are calculated only for the tables in the answer.
        answer["RouteTables"] = [
            {**row, "Routes": route_rows(state, state.tables[row["RouteTableId"]], brought)}
            for row in answer["RouteTables"]
        ]
    return answer


def _filters_routes(params: Params) -> bool:
    return any(each.get("Name", "").startswith("route.") for each in params.get("Filters") or ())


def _head(state: WorldState, table: RouteTable) -> Row:
    """Return the row of *table* without its routes."""
    return {
        "RouteTableId": table.id,
        "VpcId": table.vpc,
        "OwnerId": table.owner,
        "Associations": [_tie_row(table, tie) for tie in table.tied(state.now)],
        "PropagatingVgws": [{"GatewayId": p.gateway} for p in table.propagating(state.now)],
        "Tags": tag_rows(state, table.id),
    }


def _row(state: WorldState, table: RouteTable, brought: Brought | None = None) -> Row:
    return {**_head(state, table), "Routes": route_rows(state, table, brought)}


def _tie_row(table: RouteTable, tie: Association) -> Row:
    row: Row = {
        "RouteTableAssociationId": tie.id,
        "RouteTableId": table.id,
        "Main": tie.main,
        "AssociationState": {"State": "associated"},
    }
    if tie.subnet:
        row["SubnetId"] = tie.subnet
    if tie.gateway:
        row["GatewayId"] = tie.gateway
    return row


def _associated(tie: Association) -> Result:
    return {"AssociationId": tie.id, "AssociationState": {"State": "associated"}}


def _check_edge(state: WorldState, table: RouteTable, identifier: str) -> None:
    gateway = state.gateways.get(identifier)
    if identifier.startswith("vgw-") and (
        gateway is None or not is_ready(state, gateway, table.vpc)
    ):
        usual = ApiError(
            "Gateway.NotAttached", f"Gateway {identifier} is not attached to VPC {table.vpc}"
        )
        raise not_ready(state, gateway, table, usual)
    if table.propagating(state.now):
        raise invalid_value(f"Route table {table.id} has route propagation enabled")
    if any(not route.target.startswith(_EDGE_TARGETS) for route in table.routes):
        raise invalid_value(
            f"Route table {table.id} has routes that an edge association does not allow"
        )
