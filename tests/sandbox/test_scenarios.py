"""Scenarios: files, surveys and saved describe output become worlds with the same ids."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tests.sandbox.worlds import (
    BUNDLED,
    OLD,
    OLD_VPN,
    VPC,
    a_world,
    ask,
    attachments,
    bundled,
    connection,
    described,
    wait,
)
from tests.support.boto_client import session_for
from vpnmigrate.aws.account import Reader
from vpnmigrate.aws.session import Clients
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.ec2 import (
    Attached,
    ConnectionRecord,
    CustomerGatewayId,
    GatewayRecord,
    RouteRecord,
    RouteTableId,
    RouteTableRecord,
    StaticPrefixRecord,
    TunnelReading,
    VpcId,
    VpnConnectionId,
    VpnGatewayId,
)
from vpnmigrate.model.errors import MalformedFileError
from vpnmigrate.sandbox.scenarios.load import load_world
from vpnmigrate.sandbox.scenarios.scenario import (
    Scenario,
    advertised_prefixes,
    scenario_from_describe,
    scenario_from_survey,
)


def survey_of(world, on):
    """Return the survey of *world*, as planning reads it."""
    session = session_for(world, latency=timedelta(0))
    return Reader(Clients(lambda: session), world.clock).survey(on)


class TestSurvey:
    @pytest.mark.parametrize("name", BUNDLED)
    def test_a_survey_of_a_surveys_world_is_the_same_survey(self, name):
        """A survey of the world of a survey equals that survey, ids and telemetry included."""
        world = a_world(name)
        on = ask(world, "DescribeVpnGateways")["VpnGateways"][0]["VpnGatewayId"]
        first = survey_of(world, on)
        again = load_world(scenario_from_survey(first), VirtualClock(), seed=7)
        assert msgspec.structs.replace(survey_of(again, on), taken=first.taken) == first

    def test_it_survives_json(self):
        """A plan's survey that was written to a file and read gives the same world."""
        first = survey_of(a_world("three-connections"), "vgw-0a300000000000001")
        loaded = msgspec.json.decode(msgspec.json.encode(first), type=type(first))
        assert scenario_from_survey(loaded) == scenario_from_survey(first)

    def test_what_is_announced_is_shared_out_by_accepted_routes(self):
        """Each device gets as many prefixes as its connection had accepted."""
        world = a_world("three-connections")
        scenario = scenario_from_survey(survey_of(world, "vgw-0a300000000000001"))
        assert {name: len(each) for name, each in scenario.advertised.items()} == {
            "cgw-0a300000000000001": 2,
            "cgw-0a300000000000002": 1,
        }


class TestAdvertised:
    def test_a_redundant_pair_announces_the_same(self):
        """Two connections that accepted every prefix both advertise every prefix."""
        pair = [_output("vpn-1", "cgw-1", 2), _output("vpn-2", "cgw-2", 2)]
        prefixes = ("10.1.0.0/16", "10.2.0.0/16")
        assert advertised_prefixes(pair, [_propagating(prefixes)]) == {
            "cgw-1": prefixes,
            "cgw-2": prefixes,
        }

    def test_what_no_number_explains_goes_to_the_last(self):
        """A propagated prefix is never lost, even if the counts do not add up."""
        one = [_output("vpn-1", "cgw-1", 1)]
        prefixes = ("10.1.0.0/16", "10.2.0.0/16")
        assert advertised_prefixes(one, [_propagating(prefixes)]) == {"cgw-1": prefixes}

    def test_static_routes_stand_in_where_nothing_propagates(self):
        """If no table propagates, the static IPv4 destinations count as advertised."""
        written = RouteTableRecord(
            RouteTableId("rtb-1"),
            VpcId("vpc-1"),
            routes=(
                RouteRecord("10.1.0.0/16", "vgw-1"),
                RouteRecord("0.0.0.0/0", "vgw-1"),
                RouteRecord("2001:db8::/32", "vgw-1"),
                RouteRecord("pl-1", "vgw-1"),
            ),
        )
        assert advertised_prefixes([_output("vpn-1", "cgw-1", 1)], [written]) == {
            "cgw-1": ("10.1.0.0/16",)
        }

    def test_only_the_number_may_be_known(self):
        """Without any route the number of accepted routes is kept, with placeholder prefixes."""
        announced = advertised_prefixes([_output("vpn-1", "cgw-1", 3)], [])
        assert len(announced["cgw-1"]) == 3

    def test_a_device_that_is_down_announces_nothing(self):
        """A connection without a tunnel up gets no share."""
        down = msgspec.structs.replace(_output("vpn-1", "cgw-1", 2), telemetry=())
        assert advertised_prefixes([down], [_propagating(("10.1.0.0/16",))]) == {"cgw-1": ()}


class TestDescribeOutput:
    def test_it_loads_with_the_same_ids(self):
        """The world of saved describe output has the same describe output, except for keys."""
        world = a_world("three-connections")
        saved = json.loads(json.dumps(described(world), default=str))
        scenario = scenario_from_describe(saved)
        again = load_world(scenario, VirtualClock(), seed=world.seed)
        assert scenario.account == world.account
        assert _without_keys(described(again)) == _without_keys(described(world))

    @pytest.mark.parametrize(
        "row", [None, "vpn-1", {"VgwTelemetry": [{"LastStatusChange": "yesterday"}]}]
    )
    def test_what_no_describe_prints_is_named_and_not_quoted(self, row):
        """A member of another form is named, without its content."""
        with pytest.raises(MalformedFileError) as caught:
            scenario_from_describe({"VpnConnections": [row]}, "saved.json")
        assert str(caught.value).startswith("saved.json: field VpnConnections: ")
        assert caught.value.__cause__ is None

    @pytest.mark.parametrize(
        ("said", "since"),
        [
            (1517432929.0, datetime(2018, 1, 31, 21, 8, 49, tzinfo=UTC)),
            (1517432929, datetime(2018, 1, 31, 21, 8, 49, tzinfo=UTC)),
            ("2018-01-31T21:08:49", datetime(2018, 1, 31, 21, 8, 49, tzinfo=UTC)),
            ("0001-01-01T00:00:00Z", None),
            ("9999-12-31T23:59:59+00:00", None),
            (None, None),
        ],
    )
    def test_times_have_several_forms(self, said, since):
        """Numbers are seconds since 1970 (aws/aws-cli#6224), and year 1 is Go's unset time."""
        reading = {"OutsideIpAddress": "198.18.0.1", "LastStatusChange": said}
        row = {"VpnConnectionId": "vpn-1", "State": "available", "VgwTelemetry": [reading]}
        (connection,) = scenario_from_describe({"VpnConnections": [row]}).connections
        assert connection.telemetry[0].since == since

    @pytest.mark.parametrize("said", [1e300, -1e300, True, "yesterday", [1]])
    def test_what_is_no_time_is_named(self, said):
        """The member is named, and not quoted."""
        row = {"VgwTelemetry": [{"LastStatusChange": said}]}
        with pytest.raises(MalformedFileError, match="LastStatusChange"):
            scenario_from_describe({"VpnConnections": [row]}, "saved.json")

    @pytest.mark.parametrize("origin", ["CreateRouteTable", "CreateRoute"])
    def test_a_firewall_in_place_of_the_local_route_stays(self, origin):
        """The VPC's own range has one row, which leads where it led."""
        vpc = {"VpcId": "vpc-1", "State": "available", "CidrBlock": "10.10.0.0/16"}
        firewall = {
            "DestinationCidrBlock": "10.10.0.0/16",
            "NetworkInterfaceId": "eni-1",
            "Origin": origin,
            "State": "active",
        }
        advertised = {
            "DestinationCidrBlock": "10.20.0.0/16",
            "NetworkInterfaceId": "eni-2",
            "Origin": "Advertisement",
            "State": "active",
        }
        table = {"RouteTableId": "rtb-1", "VpcId": "vpc-1", "Routes": [firewall, advertised]}
        scenario = scenario_from_describe({"Vpcs": [vpc], "RouteTables": [table]})
        world = load_world(scenario, VirtualClock())
        tables = ask(world, "DescribeRouteTables", RouteTableIds=["rtb-1"])["RouteTables"]
        assert tables[0]["Routes"] == [firewall, advertised]

    def test_static_rows_of_a_bgp_connection_are_no_static_prefixes(self):
        """The device still advertises what its tables have learned."""
        both = msgspec.structs.replace(
            _output("vpn-1", "cgw-1", 1), prefixes=(StaticPrefixRecord("10.1.0.0/16", "available"),)
        )
        announced = advertised_prefixes([both], [_propagating(("10.1.0.0/16",))])
        assert announced == {"cgw-1": ("10.1.0.0/16",)}

    def test_members_that_no_scenario_has_are_left_out(self):
        """Output of other describe commands is ignored."""
        scenario = scenario_from_describe({"Instances": [{"InstanceId": "i-1"}]}, "mine")
        assert scenario == Scenario(name="mine", title="saved describe output")


class TestLoading:
    def test_what_was_moving_arrives(self):
        """A detaching gateway is detached later, and a pending connection becomes available."""
        scenario = msgspec.structs.replace(
            bundled("single-bgp"),
            gateways=(
                GatewayRecord(
                    VpnGatewayId(OLD), "available", attachments=(Attached(VpcId(VPC), "detaching"),)
                ),
            ),
            connections=(
                ConnectionRecord(
                    VpnConnectionId(OLD_VPN), "pending", vpn_gateway=VpnGatewayId(OLD)
                ),
            ),
        )
        world = load_world(scenario, VirtualClock())
        assert attachments(world) == {VPC: "detaching"}
        assert connection(world)["State"] == "pending"
        wait(world)
        assert attachments(world) == {VPC: "detached"}
        assert connection(world)["State"] == "available"

    def test_a_missing_category_stays_missing(self):
        """A connection without a category is described without one."""
        (known,) = bundled("single-bgp").connections
        unknown = msgspec.structs.replace(known, category=None)
        scenario = msgspec.structs.replace(bundled("single-bgp"), connections=(unknown,))
        assert "Category" not in connection(load_world(scenario, VirtualClock()))

    def test_a_transit_gateways_connection_is_shown_as_one(self):
        """A connection that ends elsewhere has no virtual private gateway in its description."""
        (known,) = bundled("single-bgp").connections
        moved = msgspec.structs.replace(known, vpn_gateway=None, elsewhere="tgw-1")
        scenario = msgspec.structs.replace(bundled("single-bgp"), connections=(moved,))
        row = connection(load_world(scenario, VirtualClock()))
        assert row["TransitGatewayId"] == "tgw-1"
        assert "VpnGatewayId" not in row

    def test_the_seed_decides_the_keys(self):
        """The same seed gives the same keys, another seed gives others."""
        assert a_world(seed=1).keys == a_world(seed=1).keys
        assert a_world(seed=1).keys.isdisjoint(a_world(seed=2).keys)


def _without_keys(described):
    """Remove what a scenario does not keep: configuration, and times of telemetry."""
    for row in described["VpnConnections"]:
        row.pop("CustomerGatewayConfiguration")
        for reading in row["VgwTelemetry"]:
            reading.pop("LastStatusChange")
    return described


def _output(name, customer, accepted):
    return ConnectionRecord(
        VpnConnectionId(name),
        "available",
        "VPN-Classic",
        CustomerGatewayId(customer),
        VpnGatewayId("vgw-1"),
        telemetry=(TunnelReading("203.0.113.1", up=True, accepted_routes=accepted),),
    )


def _propagating(prefixes):
    routes = tuple(RouteRecord(p, "vgw-1", "EnableVgwRoutePropagation") for p in prefixes)
    return RouteTableRecord(
        RouteTableId("rtb-1"),
        VpcId("vpc-1"),
        propagating=(VpnGatewayId("vgw-1"),),
        routes=routes,
    )
