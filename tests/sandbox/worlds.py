"""Worlds for tests of the sandbox, and calls that succeed or fail."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from importlib import resources
from typing import Any

import pytest

from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.sandbox.authorization import CalledWorld
from vpnmigrate.sandbox.behaviour import Behaviour
from vpnmigrate.sandbox.ec2.ids import ApiError
from vpnmigrate.sandbox.scenarios.load import load_world
from vpnmigrate.sandbox.scenarios.parser import scenario_from_text
from vpnmigrate.sandbox.scenarios.scenario import Scenario
from vpnmigrate.sandbox.world import World

BUNDLED = tuple(
    sorted(
        entry.name.removesuffix(".yaml")
        for entry in resources.files("vpnmigrate.sandbox").joinpath("scenarios").iterdir()
        if entry.name.endswith(".yaml")
    )
)

# The ids of the scenario `single-bgp`.
VPC = "vpc-0a100000000000001"
OLD = "vgw-0a100000000000001"
OLD_VPN = "vpn-0a100000000000001"
CUSTOMER = "cgw-0a100000000000001"
TABLE = "rtb-0a100000000000001"
PREFIXES = ["192.168.10.0/24", "192.168.11.0/24"]
ABOUT_A_MINUTE = 60
LONG_ENOUGH = 400
"""Seconds after which everything but the slowest detach has settled."""


def bundled(name: str) -> Scenario:
    """Return a scenario of the package."""
    place = resources.files("vpnmigrate.sandbox").joinpath("scenarios", f"{name}.yaml")
    return scenario_from_text(place.read_text("utf-8"), name)


def a_world(name: str = "single-bgp", *, seed: int = 0, **behaviour: Any) -> World:
    """Return the world of a bundled scenario on a virtual clock."""
    return load_world(bundled(name), VirtualClock(), Behaviour(**behaviour), seed=seed)


def ask(world: CalledWorld, action: str, **params: Any) -> dict[str, Any]:
    """Return the answer of an EC2 call."""
    return world.execute("ec2", action, params)


def refusal(world: CalledWorld, action: str, **params: Any) -> str:
    """Return the error code of an EC2 call."""
    return refused(world, action, **params).code


def refused(world: CalledWorld, action: str, **params: Any) -> ApiError:
    """Return the error of an EC2 call."""
    with pytest.raises(ApiError) as caught:
        world.execute("ec2", action, params)
    return caught.value


def wait(world: World, seconds: float = LONG_ENOUGH) -> None:
    """Advance the clock."""
    world.clock.sleep(timedelta(seconds=seconds))


def gateway(world: World, identifier: str = OLD) -> Mapping[str, Any]:
    """Return the describe row of one gateway."""
    rows = ask(world, "DescribeVpnGateways", VpnGatewayIds=[identifier])["VpnGateways"]
    return dict(rows[0])


def attachments(world: World, identifier: str = OLD) -> dict[str, str]:
    """Return the state of each of a gateway's attachments, by VPC."""
    return {a["VpcId"]: a["State"] for a in gateway(world, identifier)["VpcAttachments"]}


def connection(world: World, identifier: str = OLD_VPN) -> dict[str, Any]:
    """Return the describe row of one connection."""
    rows = ask(world, "DescribeVpnConnections", VpnConnectionIds=[identifier])["VpnConnections"]
    return dict(rows[0])


def tunnels_up(world: World, identifier: str = OLD_VPN) -> int:
    """Return the number of a connection's tunnels that are up."""
    return sum(t["Status"] == "UP" for t in connection(world, identifier)["VgwTelemetry"])


def table(world: World, identifier: str = TABLE) -> dict[str, Any]:
    """Return the describe row of one route table."""
    rows = ask(world, "DescribeRouteTables", RouteTableIds=[identifier])["RouteTables"]
    return dict(rows[0])


def propagated(world: World, identifier: str = TABLE) -> dict[str, str]:
    """Return the state of each propagated route, by destination."""
    return {
        route["DestinationCidrBlock"]: route["State"]
        for route in table(world, identifier)["Routes"]
        if route["Origin"] == "EnableVgwRoutePropagation"
    }


def propagating(world: World, identifier: str = TABLE) -> list[str]:
    """Return the gateways that propagate into a table."""
    return [each["GatewayId"] for each in table(world, identifier)["PropagatingVgws"]]


def static_routes(world: World, identifier: str) -> dict[str, tuple[str, str]]:
    """Return target and state of each static route to a gateway, by destination."""
    names = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")
    return {
        next(route[name] for name in names if name in route): (route["GatewayId"], route["State"])
        for route in table(world, identifier)["Routes"]
        if route["Origin"] == "CreateRoute" and route.get("GatewayId", "").startswith("vgw-")
    }


def new_gateway(world: World, **params: Any) -> str:
    """Create a gateway and wait until it is available."""
    made = ask(world, "CreateVpnGateway", Type="ipsec.1", **params)["VpnGateway"]
    wait(world)
    return str(made["VpnGatewayId"])


def new_connection(world: World, on: str, to: str = CUSTOMER, **options: Any) -> str:
    """Create a connection and wait until it is available."""
    made = ask(world, "CreateVpnConnection", **creation(on, to, **options))["VpnConnection"]
    wait(world)
    return str(made["VpnConnectionId"])


def detach(world: World, identifier: str = OLD, vpc: str = VPC) -> None:
    """Detach a gateway and wait until it is detached."""
    ask(world, "DetachVpnGateway", VpnGatewayId=identifier, VpcId=vpc)
    wait(world)


def attach(world: World, identifier: str, vpc: str = VPC) -> None:
    """Attach a gateway and wait until it is attached."""
    ask(world, "AttachVpnGateway", VpnGatewayId=identifier, VpcId=vpc)
    wait(world)


def creation(on: str, to: str = CUSTOMER, **options: Any) -> dict[str, Any]:
    """Return the parameters that create a connection."""
    return {
        "Type": "ipsec.1",
        "VpnGatewayId": on,
        "CustomerGatewayId": to,
        "Options": options,
    }


def described(world: World) -> dict[str, Any]:
    """Return the describe answers that a migration reads, by member."""
    actions = {
        "VpnGateways": "DescribeVpnGateways",
        "VpnConnections": "DescribeVpnConnections",
        "CustomerGateways": "DescribeCustomerGateways",
        "RouteTables": "DescribeRouteTables",
        "Vpcs": "DescribeVpcs",
        "Subnets": "DescribeSubnets",
    }
    return {member: ask(world, action)[member] for member, action in actions.items()}


def another_customer(world: World) -> str:
    """Create a second customer gateway."""
    made = ask(
        world, "CreateCustomerGateway", Type="ipsec.1", IpAddress="203.0.113.99", BgpAsn=65099
    )
    return str(made["CustomerGateway"]["CustomerGatewayId"])
