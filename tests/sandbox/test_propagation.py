"""Route propagation in the sandbox, and the effect of a detach."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.sandbox.worlds import (
    CUSTOMER,
    OLD,
    OLD_VPN,
    PREFIXES,
    TABLE,
    VPC,
    a_world,
    ask,
    attach,
    attachments,
    bundled,
    detach,
    new_connection,
    new_gateway,
    propagated,
    propagating,
    refusal,
    static_routes,
    table,
    wait,
)
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.ec2 import RouteRecord
from vpnmigrate.sandbox.behaviour import seconds
from vpnmigrate.sandbox.scenarios.load import load_world
from vpnmigrate.sandbox.state import TunnelTelemetry

ACTIVE = dict.fromkeys(PREFIXES, "active")
HERE = {"RouteTableId": TABLE}
BOTH = "rtb-0a300000000000002"
STATIC = "rtb-0a300000000000003"
EDGE = "rtb-0a300000000000004"
BIG, BIG_VPC = "vgw-0a300000000000001", "vpc-0a300000000000001"


class TestPropagation:
    def test_a_loaded_table_has_its_routes_at_once(self):
        """Propagated routes of active tunnels exist from the first describe on."""
        assert propagated(a_world()) == ACTIVE

    def test_it_follows_the_tunnels(self):
        """Without a tunnel up the routes vanish; with one they come back after the delay."""
        world = a_world()
        world.devices.disable(OLD_VPN)
        assert propagated(world) == {}
        world.devices.one_tunnel(OLD_VPN)
        wait(world, 16)
        assert propagated(world) == {}
        wait(world, 1)
        assert propagated(world) == ACTIVE

    def test_it_follows_measured_tunnels(self):
        """Telemetry that a lab has measured replaces the model's, with the same delay of routes."""
        world = a_world()
        tunnels = ask(world, "DescribeVpnConnections")["VpnConnections"][0]["VgwTelemetry"]

        def measure(*, up: bool) -> None:
            with world.alone() as state:
                reading = TunnelTelemetry(up=up, since=state.now, message="measured", accepted=2)
                state.measured = {tunnels[0]["OutsideIpAddress"]: reading}

        measure(up=False)
        assert propagated(world) == {}
        measure(up=True)
        first, second = ask(world, "DescribeVpnConnections")["VpnConnections"][0]["VgwTelemetry"]
        assert (first["Status"], first["StatusMessage"]) == ("UP", "measured")
        assert second["Status"] == "DOWN"
        assert propagated(world) == {}
        wait(world, world.behaviour.propagation_delay.total_seconds())
        assert propagated(world) == ACTIVE

    def test_it_brings_what_the_device_announces(self):
        """A device that advertises nothing adds no routes, even with tunnels up."""
        world = a_world()
        world.devices.advertise(CUSTOMER, [])
        assert propagated(world) == {}
        world.devices.advertise(CUSTOMER, ["10.200.0.0/16"])
        assert propagated(world) == {"10.200.0.0/16": "active"}

    def test_static_connections_bring_their_prefixes(self):
        """A propagating table also gets the prefixes of a static connection."""
        destinations = propagated(a_world("three-connections"), "rtb-0a300000000000001")
        assert {"192.168.30.0/24", "172.16.0.0/16", "172.18.0.0/16"} <= set(destinations)

    def test_it_is_switched_off_and_on_any_number_of_times(self):
        """Enable and disable are idempotent."""
        world = a_world()
        for _ in range(2):
            ask(world, "DisableVgwRoutePropagation", GatewayId=OLD, **HERE)
            assert (propagating(world), propagated(world)) == ([], {})
        for _ in range(2):
            ask(world, "EnableVgwRoutePropagation", GatewayId=OLD, **HERE)
            assert propagating(world) == [OLD]
        wait(world, 2)
        assert propagated(world) == ACTIVE

    def test_an_unattached_gateway_is_refused(self):
        """Enabling for a gateway that is not on the VPC is Gateway.NotAttached."""
        world = a_world()
        new = new_gateway(world)
        enable = {"GatewayId": new, **HERE}
        assert refusal(world, "EnableVgwRoutePropagation", **enable) == "Gateway.NotAttached"
        detach(world)
        ask(world, "AttachVpnGateway", VpnGatewayId=new, VpcId=VPC)
        assert refusal(world, "EnableVgwRoutePropagation", **enable) == "Gateway.NotAttached"
        wait(world)
        ask(world, "EnableVgwRoutePropagation", **enable)

    def test_attached_can_be_visible_before_routing_accepts_it(self):
        """For the time of the switch, every table refuses an attached gateway."""
        world = a_world(gateway_ready_after=timedelta(seconds=15), attach=seconds(30))
        detach(world)
        new = new_gateway(world)
        ask(world, "AttachVpnGateway", VpnGatewayId=new, VpcId=VPC)
        wait(world, 40)
        assert attachments(world, new)[VPC] == "attached"
        enable = {"GatewayId": new, **HERE}
        assert refusal(world, "EnableVgwRoutePropagation", **enable) == "Gateway.NotAttached"
        route = {"DestinationCidrBlock": "10.1.0.0/16", **enable}
        assert refusal(world, "CreateRoute", **route) == "InvalidGatewayID.NotFound"
        wait(world, 5)
        ask(world, "EnableVgwRoutePropagation", **enable)

    def test_an_edge_table_cannot_propagate(self):
        """Propagation into an edge table is refused."""
        world = a_world("three-connections")
        code = refusal(world, "EnableVgwRoutePropagation", RouteTableId=EDGE, GatewayId=BIG)
        assert code == "InvalidParameterValue"


class TestDetach:
    @pytest.mark.parametrize("survives", [True, False])
    def test_the_setting_may_survive(self, survives):
        """A switch decides whether a table still lists the gateway after a detach."""
        world = a_world(propagation_setting_survives_detach=survives)
        detach(world)
        assert propagating(world) == ([OLD] if survives else [])
        ask(world, "DisableVgwRoutePropagation", GatewayId=OLD, **HERE)
        assert propagating(world) == []

    @pytest.mark.parametrize(
        ("injector", "left"), [("vanish", {}), ("blackhole", dict.fromkeys(PREFIXES, "blackhole"))]
    )
    def test_propagated_routes_vanish_or_turn_into_black_holes(self, injector, left):
        """A switch decides the state of the routes of a gateway that is still listed."""
        world = a_world(propagated_routes_of_detached=injector)
        detach(world)
        assert propagated(world) == left

    @pytest.mark.parametrize("restores", [True, False])
    def test_a_reattach_may_restore_a_surviving_setting(self, restores):
        """A switch decides whether routes return without a new enable; with one they always do."""
        world = a_world(reattach_restores_propagation=restores)
        detach(world)
        attach(world, OLD)
        assert propagated(world) == (ACTIVE if restores else {})
        ask(world, "EnableVgwRoutePropagation", GatewayId=OLD, **HERE)
        wait(world, 2)
        assert propagated(world) == ACTIVE

    @pytest.mark.parametrize("survives", [True, False])
    def test_an_edge_association_may_survive(self, survives):
        """A switch decides whether a table stays the gateway's edge table after a detach."""
        world = a_world("three-connections", edge_association_survives_detach=survives)
        detach(world, BIG, BIG_VPC)
        ties = [tie["GatewayId"] for tie in table(world, EDGE)["Associations"]]
        assert ties == ([BIG] if survives else [])

    def test_static_routes_turn_into_black_holes_and_back(self):
        """A static route to a gateway is a black hole exactly while the gateway is not attached."""
        world = a_world("three-connections")
        destinations = ["192.168.30.0/24", "pl-0a300000000000001"]
        assert static_routes(world, STATIC) == dict.fromkeys(destinations, (BIG, "active"))
        detach(world, BIG, BIG_VPC)
        assert static_routes(world, STATIC) == dict.fromkeys(destinations, (BIG, "blackhole"))
        attach(world, BIG, BIG_VPC)
        assert static_routes(world, STATIC) == dict.fromkeys(destinations, (BIG, "active"))

    def test_so_do_advertised_routes_that_are_installed(self):
        """The target decides, not the origin; a filtered route is filtered wherever it leads."""
        scenario = bundled("three-connections")
        advertised = (
            RouteRecord("10.8.0.0/16", BIG, "Advertisement"),
            RouteRecord("10.9.0.0/16", BIG, "Advertisement", "filtered"),
        )
        tables = tuple(
            replace(t, routes=(*t.routes, *advertised)) if t.id == STATIC else t
            for t in scenario.route_tables
        )
        world = load_world(replace(scenario, route_tables=tables), VirtualClock())

        detach(world, BIG, BIG_VPC)

        rows = [row for row in table(world, STATIC)["Routes"] if row["Origin"] == "Advertisement"]
        states = {row["DestinationCidrBlock"]: row["State"] for row in rows}
        assert states == {"10.8.0.0/16": "blackhole", "10.9.0.0/16": "filtered"}


def test_the_whole_swap_keeps_every_destination():
    """After steps 7 to 10 the new gateway carries every destination the old one did."""
    world = a_world()
    new = new_gateway(world)
    successor = new_connection(world, new)
    ask(world, "DisableVgwRoutePropagation", GatewayId=OLD, **HERE)
    detach(world)
    attach(world, new)
    ask(world, "EnableVgwRoutePropagation", GatewayId=new, **HERE)
    world.devices.enable(successor)
    wait(world, 20)
    assert (propagating(world), propagated(world)) == ([new], ACTIVE)
