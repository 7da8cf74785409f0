"""Route tables, routes and propagation in the sandbox keep EC2's rules."""

from __future__ import annotations

import pytest

from tests.sandbox.worlds import (
    OLD,
    PREFIXES,
    TABLE,
    VPC,
    a_world,
    ask,
    attach,
    detach,
    new_gateway,
    refusal,
    refused,
    static_routes,
    table,
)

ACTIVE = dict.fromkeys(PREFIXES, "active")
HERE = {"RouteTableId": TABLE}
BOTH = "rtb-0a300000000000002"
STATIC = "rtb-0a300000000000003"
EDGE = "rtb-0a300000000000004"
BIG, BIG_VPC = "vgw-0a300000000000001", "vpc-0a300000000000001"


class TestRoutes:
    def test_every_kind_of_destination_can_be_re_pointed(self):
        """ReplaceRoute changes IPv4, IPv6 and prefix-list routes to the attached gateway."""
        world = a_world("three-connections")
        detach(world, BIG, BIG_VPC)
        new = new_gateway(world)
        attach(world, new, BIG_VPC)
        for where, destination in (
            (STATIC, {"DestinationCidrBlock": "192.168.30.0/24"}),
            (STATIC, {"DestinationPrefixListId": "pl-0a300000000000001"}),
            (BOTH, {"DestinationCidrBlock": "10.99.7.7/16"}),
            (BOTH, {"DestinationIpv6CidrBlock": "2001:db8:99::/48"}),
        ):
            ask(world, "ReplaceRoute", RouteTableId=where, GatewayId=new, **destination)
        for where in (STATIC, BOTH):
            assert set(static_routes(world, where).values()) == {(new, "active")}

    def test_answers_share_the_rows_that_stay_the_same(self):
        """A call makes new rows for the routes that it changes alone; an earlier answer stays."""
        world = a_world("three-connections")
        before = {name: table(world, name)["Routes"] for name in (STATIC, BOTH)}
        then = {name: [dict(row) for row in rows] for name, rows in before.items()}
        changed = {"DestinationCidrBlock": "192.168.30.0/24", "GatewayId": "igw-0a300000000000001"}

        ask(world, "ReplaceRoute", RouteTableId=STATIC, **changed)

        assert table(world, BOTH)["Routes"] is before[BOTH]
        replaced = {"Origin": "CreateRoute", "State": "active", **changed}
        made = [row for row in table(world, STATIC)["Routes"] if row not in before[STATIC]]
        assert made == [replaced]
        others = [row for row in table(world, STATIC)["Routes"] if row != replaced]
        assert all(any(row is each for each in before[STATIC]) for row in others)

        detach(world, BIG, BIG_VPC)

        states = {r["State"] for r in table(world, BOTH)["Routes"] if r.get("GatewayId") == BIG}
        assert states == {"blackhole"}
        assert before == then

    def test_a_route_to_an_unattached_gateway_is_refused(self):
        """A route to a gateway that is not attached is InvalidGatewayID.NotFound."""
        world = a_world("three-connections")
        new = new_gateway(world)
        route = {
            "RouteTableId": STATIC,
            "GatewayId": new,
            "DestinationCidrBlock": "192.168.30.0/24",
        }
        assert refusal(world, "ReplaceRoute", **route) == "InvalidGatewayID.NotFound"

    @pytest.mark.parametrize("destination", ["10.1.0.0/16", PREFIXES[0]])
    def test_only_a_written_route_can_be_replaced(self, destination):
        """Replacing a route that is not static reports that no route is defined."""
        route = {"GatewayId": OLD, "DestinationCidrBlock": destination, **HERE}
        error = refused(a_world(), "ReplaceRoute", **route)
        assert error.code == "InvalidParameterValue"
        assert "There is no route defined for" in error.message

    def test_writing_a_route_twice(self):
        """Repeating a route is no error; another target for its destination already exists."""
        world = a_world()
        route = {"DestinationCidrBlock": "10.1.0.0/16", **HERE}
        for _ in range(2):
            assert ask(world, "CreateRoute", GatewayId=OLD, **route) == {"Return": True}
        code = refusal(world, "CreateRoute", GatewayId="igw-0a100000000000001", **route)
        assert code == "RouteAlreadyExists"

    def test_a_written_route_stands_beside_its_propagated_twin(self):
        """A static and a propagated route of one destination coexist."""
        world = a_world()
        ask(world, "CreateRoute", GatewayId=OLD, DestinationCidrBlock=PREFIXES[0], **HERE)
        routes = [
            route["Origin"]
            for route in table(world)["Routes"]
            if route["DestinationCidrBlock"] == PREFIXES[0]
        ]
        assert sorted(routes) == ["CreateRoute", "EnableVgwRoutePropagation"]

    def test_the_local_route_stays(self):
        """The local route cannot be deleted; a missing route is not found."""
        world = a_world()
        local = {"DestinationCidrBlock": "10.10.0.0/16", **HERE}
        assert refusal(world, "DeleteRoute", **local) == "InvalidParameterValue"
        absent = {"DestinationCidrBlock": "10.1.0.0/16", **HERE}
        assert refusal(world, "DeleteRoute", **absent) == "InvalidRoute.NotFound"
        ask(world, "DeleteRoute", DestinationCidrBlock="0.0.0.0/0", **HERE)
        assert "0.0.0.0/0" not in [r["DestinationCidrBlock"] for r in table(world)["Routes"]]

    def test_a_table_holds_fifty_routes_of_a_family(self):
        """The fifty-first IPv4 route is RouteLimitExceeded, an IPv6 one is not."""
        world = a_world()
        for number in range(48):
            where = {"DestinationCidrBlock": f"10.{100 + number}.0.0/16", **HERE}
            ask(world, "CreateRoute", GatewayId=OLD, **where)
        one_more = {"GatewayId": OLD, "DestinationCidrBlock": "10.99.0.0/16", **HERE}
        assert refusal(world, "CreateRoute", **one_more) == "RouteLimitExceeded"
        ask(world, "CreateRoute", GatewayId=OLD, DestinationIpv6CidrBlock="2001:db8::/32", **HERE)

    def test_a_route_has_one_destination_and_one_target(self):
        """No target, two targets, no destination and two destinations are refused."""
        world = a_world()
        assert refusal(world, "CreateRoute", GatewayId=OLD, **HERE) == "MissingParameter"
        two = {"DestinationCidrBlock": "10.1.0.0/16", "DestinationPrefixListId": "pl-1"}
        code = refusal(world, "CreateRoute", GatewayId=OLD, **two, **HERE)
        assert code == "InvalidParameterCombination"
        one = {"DestinationCidrBlock": "10.1.0.0/16", **HERE}
        assert refusal(world, "CreateRoute", **one) == "MissingParameter"


class TestTables:
    def test_describe_is_paged_and_filtered(self):
        """A page has MaxResults rows, at most 100; the token gives the next page."""
        world = a_world()
        for _ in range(120):
            ask(world, "CreateRouteTable", VpcId=VPC)
        first = ask(world, "DescribeRouteTables")
        assert len(first["RouteTables"]) == 100
        second = ask(world, "DescribeRouteTables", NextToken=first["NextToken"])
        assert len(second["RouteTables"]) == 21
        assert "NextToken" not in second
        assert len(ask(world, "DescribeRouteTables", MaxResults=5)["RouteTables"]) == 5
        assert refusal(world, "DescribeRouteTables", MaxResults=4) == "InvalidParameterValue"
        code = refusal(world, "DescribeRouteTables", NextToken="made-up")
        assert code == "InvalidPaginationToken"
        main = [{"Name": "association.main", "Values": ["true"]}]
        found = ask(world, "DescribeRouteTables", Filters=main)["RouteTables"]
        assert [row["RouteTableId"] for row in found] == [TABLE]

    def test_an_edge_table_is_tied_and_untied(self):
        """An attached gateway can have an edge table without propagation and other targets."""
        world = a_world("three-connections")
        tie = table(world, EDGE)["Associations"][0]["RouteTableAssociationId"]
        ask(world, "DisassociateRouteTable", AssociationId=tie)
        assert table(world, EDGE)["Associations"] == []
        made = ask(world, "AssociateRouteTable", RouteTableId=EDGE, GatewayId=BIG)
        assert made["AssociationState"] == {"State": "associated"}
        again = refusal(world, "DisassociateRouteTable", AssociationId=tie)
        assert again == "InvalidAssociationID.NotFound"

    def test_edge_ties_that_are_refused(self):
        """An unattached gateway, a propagating table and one with other routes are refused."""
        world = a_world("three-connections")
        new = new_gateway(world)
        edge = {"RouteTableId": EDGE, "GatewayId": new}
        assert refusal(world, "AssociateRouteTable", **edge) == "Gateway.NotAttached"
        for unfit in (BOTH, STATIC):
            wanted = {"RouteTableId": unfit, "GatewayId": BIG}
            assert refusal(world, "AssociateRouteTable", **wanted) == "InvalidParameterValue"

    def test_a_tied_table_stays(self):
        """A table with an association cannot be deleted, nor the main association removed."""
        world = a_world()
        assert refusal(world, "DeleteRouteTable", **HERE) == "DependencyViolation"
        tie = table(world)["Associations"][0]["RouteTableAssociationId"]
        code = refusal(world, "DisassociateRouteTable", AssociationId=tie)
        assert code == "InvalidParameterValue"

    def test_a_subnet_has_one_table(self):
        """Associating a subnet with a second table is Resource.AlreadyAssociated."""
        world = a_world("three-connections")
        wanted = {"RouteTableId": STATIC, "SubnetId": "subnet-0a300000000000001"}
        assert refusal(world, "AssociateRouteTable", **wanted) == "Resource.AlreadyAssociated"

    def test_unknown_and_malformed_ids(self):
        """A well-formed unknown id is not found; another is malformed."""
        world = a_world()
        code = refusal(world, "DescribeRouteTables", RouteTableIds=["rtb-00000000000000000"])
        assert code == "InvalidRouteTableID.NotFound"
        code = refusal(world, "DescribeRouteTables", RouteTableIds=["vpc-00000000000000000"])
        assert code == "InvalidRouteTableId.Malformed"
