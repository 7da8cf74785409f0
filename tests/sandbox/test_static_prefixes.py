"""Static prefixes in the sandbox keep EC2's rules."""

from __future__ import annotations

from tests.sandbox.worlds import (
    OLD_VPN,
    a_world,
    ask,
    connection,
    creation,
    new_gateway,
    refusal,
    wait,
)
from vpnmigrate.sandbox.behaviour import seconds


class TestStaticPrefixes:
    def test_they_settle(self):
        """A prefix is pending, then available; deleted, it is deleting, then deleted."""
        world = a_world("single-static", prefix_change=seconds(7))
        name, prefix = "vpn-0a200000000000001", "10.77.0.0/16"
        ask(world, "CreateVpnConnectionRoute", VpnConnectionId=name, DestinationCidrBlock=prefix)
        assert _prefixes(world, name)[prefix] == "pending"
        wait(world, 7)
        assert _prefixes(world, name)[prefix] == "available"
        ask(world, "DeleteVpnConnectionRoute", VpnConnectionId=name, DestinationCidrBlock=prefix)
        assert _prefixes(world, name)[prefix] == "deleting"
        wait(world, 7)
        assert _prefixes(world, name)[prefix] == "deleted"
        again = {"VpnConnectionId": name, "DestinationCidrBlock": prefix}
        assert refusal(world, "DeleteVpnConnectionRoute", **again) == "InvalidRoute.NotFound"

    def test_they_are_for_static_connections(self):
        """A prefix on a BGP connection is InvalidVpnConnection.InvalidType."""
        wanted = {"VpnConnectionId": OLD_VPN, "DestinationCidrBlock": "10.77.0.0/16"}
        code = refusal(a_world(), "CreateVpnConnectionRoute", **wanted)
        assert code == "InvalidVpnConnection.InvalidType"

    def test_they_are_for_available_connections(self):
        """A prefix on a pending connection is InvalidVpnConnection.InvalidState."""
        world = a_world()
        wanted = creation(new_gateway(world), StaticRoutesOnly=True)
        name = ask(world, "CreateVpnConnection", **wanted)["VpnConnection"]["VpnConnectionId"]
        code = refusal(
            world,
            "CreateVpnConnectionRoute",
            VpnConnectionId=name,
            DestinationCidrBlock="10.77.0.0/16",
        )
        assert code == "InvalidVpnConnection.InvalidState"

    def test_host_bits_are_cleared_and_repeating_is_harmless(self):
        """EC2 stores the network; adding it twice has no effect."""
        world = a_world("single-static")
        name = "vpn-0a200000000000001"
        for spelled in ("10.77.1.1/16", "10.77.0.0/16"):
            ask(
                world,
                "CreateVpnConnectionRoute",
                VpnConnectionId=name,
                DestinationCidrBlock=spelled,
            )
        assert [p for p in _prefixes(world, name) if p.startswith("10.")] == ["10.77.0.0/16"]

    def test_the_hundred_and_first_is_refused(self):
        """A connection has at most 100 prefixes."""
        world = a_world("single-static")
        name = "vpn-0a200000000000001"
        for number in range(98):
            ask(
                world,
                "CreateVpnConnectionRoute",
                VpnConnectionId=name,
                DestinationCidrBlock=f"10.{number}.0.0/16",
            )
        wanted = {"VpnConnectionId": name, "DestinationCidrBlock": "10.98.0.0/16"}
        code = refusal(world, "CreateVpnConnectionRoute", **wanted)
        assert code == "VpnConnectionRouteLimitExceeded"


def _prefixes(world, name):
    routes = connection(world, name)["Routes"]
    return {route["DestinationCidrBlock"]: route["State"] for route in routes}
