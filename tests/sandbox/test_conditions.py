"""The sandbox's maintenance of tunnels and encryption controls."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.sandbox.worlds import (
    OLD_VPN,
    VPC,
    a_world,
    ask,
    bundled,
    new_connection,
    new_gateway,
    wait,
)
from tests.sandbox.worlds import refusal as refused_with
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.encryption_control import EncryptionControl
from vpnmigrate.sandbox.scenarios.load import load_world
from vpnmigrate.sandbox.state import TunnelTelemetry
from vpnmigrate.sandbox.world import World

ENFORCED = EncryptionControl("enforce", "available", "disabled")
NEWER = {
    "GetActiveVpnTunnelStatus": {"VpnConnectionId": OLD_VPN},
    "GetVpnTunnelReplacementStatus": {"VpnConnectionId": OLD_VPN},
    "DescribeVpcEncryptionControls": {},
    "DescribeAccountVpcEncryptionControl": {},
}


def tunnel_of(world: World, connection: str) -> str:
    """Return the outside address of the first tunnel of *connection*."""
    with world.to_be_read() as state:
        return state.connections[connection].tunnels[0].outside_ip


def details(world: World, connection: str):
    """Return the maintenance of the first tunnel of *connection*."""
    return ask(
        world,
        "GetVpnTunnelReplacementStatus",
        VpnConnectionId=connection,
        VpnTunnelOutsideIpAddress=tunnel_of(world, connection),
    )["MaintenanceDetails"]


@pytest.mark.parametrize(("named", "shown"), [(True, {"PendingMaintenance": "NONE"}), (False, {})])
def test_no_maintenance_is_named_or_omitted(named, shown):
    """EC2's text for no pending maintenance is unconfirmed, so both forms are answered."""
    world = a_world(no_maintenance_named=named)

    assert details(world, new_connection(world, new_gateway(world))) == shown


def test_pending_maintenance_has_its_time():
    """Pending maintenance is shown, with the time at which AWS applies it if there is one."""
    world = a_world()
    connection = new_connection(world, new_gateway(world))
    after = world.clock.now() + timedelta(days=3)
    for moment, more in ((None, {}), (after, {"MaintenanceAutoAppliedAfter": after})):
        with world.alone() as state:
            state.pending_maintenance[state.connections[connection].tunnels[0].outside_ip] = moment

        assert details(world, connection) == {"PendingMaintenance": "AVAILABLE", **more}


def test_the_status_of_a_classic_connection():
    """EC2 may show it, or refuse."""
    shown = a_world(classic_maintenance_shown=True)
    world = a_world()

    assert details(shown, OLD_VPN) == {"PendingMaintenance": "NONE"}
    refusal = refused_with(
        world,
        "GetVpnTunnelReplacementStatus",
        VpnConnectionId=OLD_VPN,
        VpnTunnelOutsideIpAddress=tunnel_of(world, OLD_VPN),
    )
    assert refusal == "OperationNotPermitted"


@pytest.mark.parametrize("action", NEWER)
def test_an_endpoint_may_not_know_the_calls(action):
    """An endpoint without them answers as EC2 does to an unknown action."""
    world = a_world(newer_actions_known=False)

    assert refused_with(world, action, **NEWER[action]) == "InvalidAction"


def test_the_controls_of_a_scenario_are_described():
    """A scenario's controls are those of its world, and no VPC has another one."""
    scenario = bundled("single-bgp")
    assert ask(a_world(), "DescribeVpcEncryptionControls")["VpcEncryptionControls"] == []

    controls = {"encryption_controls": {VPC: ENFORCED}, "account_encryption_control": ENFORCED}
    world = load_world(replace(scenario, **controls), VirtualClock())

    (row,) = ask(world, "DescribeVpcEncryptionControls", VpcIds=[VPC])["VpcEncryptionControls"]
    assert (row["VpcId"], row["Mode"], row["State"]) == (VPC, "enforce", "available")
    assert row["ResourceExclusions"] == {"VirtualPrivateGateway": {"State": "disabled"}}
    account = ask(world, "DescribeAccountVpcEncryptionControl")["AccountVpcEncryptionControl"]
    assert account["Exclusions"] == {"VirtualPrivateGateway": "disabled"}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [("strongest", ("ikev2", "AES256-GCM-16", 21)), ("weakest", ("ikev1", "AES256", 14))],
)
def test_what_a_device_chooses(choice, expected):
    """A tunnel that is UP has the strongest or the weakest of what AWS accepts for it."""
    world = a_world(devices_choose=choice)
    options = {
        "Phase1EncryptionAlgorithms": [{"Value": "AES256"}, {"Value": "AES256-GCM-16"}],
        "Phase1DHGroupNumbers": [{"Value": 21}, {"Value": 14}],
    }
    connection = new_connection(world, new_gateway(world), TunnelOptions=[options, {}])
    named = {
        "VpnConnectionId": connection,
        "VpnTunnelOutsideIpAddress": tunnel_of(world, connection),
    }
    down = ask(world, "GetActiveVpnTunnelStatus", **named)["ActiveVpnTunnelStatus"]
    world.devices.enable(connection)
    wait(world)

    row = ask(world, "GetActiveVpnTunnelStatus", **named)["ActiveVpnTunnelStatus"]
    shown = (row["IkeVersion"], row["Phase1EncryptionAlgorithm"], row["Phase1DHGroup"])
    assert down == {"ProvisioningStatus": "available"}
    assert shown == expected
    assert ("Phase1IntegrityAlgorithm" in row) == (choice == "weakest")


def test_a_measured_tunnel_shows_what_it_has_negotiated():
    """The lab's algorithms are shown of a tunnel that is UP, and of no other."""
    world = a_world()
    named = {
        "VpnConnectionId": OLD_VPN,
        "VpnTunnelOutsideIpAddress": tunnel_of(world, OLD_VPN),
    }
    shown = {"IkeVersion": "ikev2", "Phase1EncryptionAlgorithm": "AES256"}
    rows = []
    for up in (True, False):
        with world.alone() as state:
            telemetry = TunnelTelemetry(up, state.now, negotiated=shown)
            state.measured = {named["VpnTunnelOutsideIpAddress"]: telemetry}
        rows.append(ask(world, "GetActiveVpnTunnelStatus", **named)["ActiveVpnTunnelStatus"])

    assert rows == [
        {"ProvisioningStatus": "available", **shown},
        {"ProvisioningStatus": "available"},
    ]
