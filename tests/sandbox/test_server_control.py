"""The control endpoint: devices and time of a served sandbox, through its own client."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.support.control import DeviceControl
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.errors import UnreachableError, UsageError
from vpnmigrate.sandbox.server.clock import ScaledClock
from vpnmigrate.sandbox.server.serve import serve
from vpnmigrate.sandbox.world import World


class TwoSides:
    """A VPC with the first of two gateways attached, each with a connection to the same device."""

    def __init__(self) -> None:
        # The machine's time stands still: only the control endpoint moves the World's.
        self.clock = ScaledClock(machine=VirtualClock())
        self.world = World(self.clock)
        self.vpc = self.do("CreateVpc", CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        device = self.do("CreateCustomerGateway", Type="ipsec.1", BgpAsn=65010, IpAddress="8.8.8.8")
        self.gateways = [self._gateway(), self._gateway()]
        self.clock.advance(timedelta(minutes=5))
        self.connections = [
            self.do(
                "CreateVpnConnection",
                Type="ipsec.1",
                CustomerGatewayId=device["CustomerGateway"]["CustomerGatewayId"],
                VpnGatewayId=gateway,
            )["VpnConnection"]["VpnConnectionId"]
            for gateway in self.gateways
        ]
        self.clock.advance(timedelta(hours=1))
        self.attach(0)

    def do(self, action: str, **params: Any) -> dict[str, Any]:
        return self.world.execute("ec2", action, params)

    def attach(self, side: int) -> None:
        self.do("AttachVpnGateway", VpcId=self.vpc, VpnGatewayId=self.gateways[side])
        self.clock.advance(timedelta(minutes=5))

    def detach(self, side: int) -> None:
        self.do("DetachVpnGateway", VpcId=self.vpc, VpnGatewayId=self.gateways[side])
        self.clock.advance(timedelta(minutes=5))

    def _gateway(self) -> str:
        made: str = self.do("CreateVpnGateway", Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
        return made


@pytest.fixture
def sides() -> TwoSides:
    return TwoSides()


@pytest.fixture
def control(sides: TwoSides) -> Iterator[DeviceControl]:
    with serve(sides.world) as server:
        yield DeviceControl(server.url)


def devices(control: DeviceControl, sides: TwoSides) -> list[str]:
    state = control.state()["connections"]
    return [state[connection]["device"] for connection in sides.connections]


def test_the_state_shows_gateways_and_tunnels(control, sides):
    """The state contains each gateway's VPC and each connection's tunnels."""
    old, new = sides.gateways
    control.enable(sides.connections[0])
    control.advance(timedelta(minutes=1))

    state = control.state()

    assert state["gateways"] == {
        old: {"state": "available", "vpcs": {sides.vpc: "attached"}},
        new: {"state": "available", "vpcs": {}},
    }
    tunnels = [set(state["connections"][c]["tunnels"].values()) for c in sides.connections]
    assert tunnels == [{"UP"}, {"DOWN"}]
    assert state["behaviour"]["category_absent"] is False


def test_the_state_holds_no_key(control, sides):
    """No answer of the endpoint contains a tunnel's key."""
    said = json.dumps(control.state())

    assert sides.world.keys
    assert not [key for key in sides.world.keys if key in said]


def test_a_device_follows_requests(control, sides):
    """Tunnels are enabled and disabled for one connection, without an effect on others."""
    control.enable(sides.connections[1])
    assert devices(control, sides) == ["disabled", "enabled"]

    control.disable(sides.connections[1])
    assert devices(control, sides) == ["disabled", "disabled"]


def test_a_device_can_run_one_tunnel_of_two(control, sides):
    """The first tunnel comes UP, the second goes DOWN if it was UP."""
    connection = sides.connections[0]
    for turn in (control.enable, control.one_tunnel):
        turn(connection)
        control.advance(timedelta(minutes=10))

    tunnels = control.state()["connections"][connection]["tunnels"]

    assert list(tunnels.values()) == ["UP", "DOWN"]


def test_time_is_put_forward(control, sides):
    """The world's clock advances by exactly the requested time."""
    before = sides.clock.now()

    control.advance(timedelta(minutes=7))

    assert sides.clock.now() - before == timedelta(minutes=7)
    for shown in (control.state(), control.time()):
        assert (shown["time"], shown["speed"]) == (sides.clock.now().isoformat(), 1.0)


class TestAttentiveDevices:
    """The simulated engineer follows every swap of gateways."""

    DELAY = timedelta(seconds=20)

    def test_enables_the_tunnels_of_an_attached_gateway(self, control, sides):
        """The engineer acts only when the delay has passed since the attachment."""
        sides.detach(0)
        sides.do("AttachVpnGateway", VpcId=sides.vpc, VpnGatewayId=sides.gateways[1])
        control.attend_after(timedelta(minutes=10))
        control.advance(timedelta(minutes=9))
        assert devices(control, sides) == ["disabled", "disabled"]

        control.advance(timedelta(minutes=2))

        assert devices(control, sides) == ["disabled", "enabled"]

    def test_follows_a_migration_and_its_rollback(self, control, sides):
        """After each swap only the tunnels to the attached gateway are enabled."""
        control.attend_after(self.DELAY)
        seen = [devices(control, sides)]
        for leaving, joining in ((0, 1), (1, 0)):
            sides.detach(leaving)
            sides.attach(joining)
            seen.append(devices(control, sides))

        assert seen == [
            ["enabled", "disabled"],
            ["disabled", "enabled"],
            ["enabled", "disabled"],
        ]

    def test_makes_before_it_breaks(self, control, sides):
        """The tunnels to the detached gateway stay enabled until twice the delay has passed."""
        control.attend_after(timedelta(minutes=1))
        control.state()
        sides.detach(0)
        control.attend_after(timedelta(minutes=6))
        sides.attach(1)

        control.advance(timedelta(minutes=2))
        assert devices(control, sides) == ["enabled", "enabled"]

        control.advance(timedelta(minutes=6))
        assert devices(control, sides) == ["disabled", "enabled"]

    def test_can_be_sent_away(self, control, sides):
        """In manual mode, devices do not change when gateways are swapped."""
        control.attend_after(self.DELAY)
        control.state()
        control.leave_alone()

        sides.detach(0)
        sides.attach(1)

        assert devices(control, sides) == ["enabled", "disabled"]
        assert control.state()["devices"] == "manual"

    def test_acts_when_only_aws_calls_come(self, sides):
        """The engineer can be active from the start, without a call to the control endpoint."""
        scope = "k/20260101/eu-west-1/ec2/aws4_request"
        with serve(sides.world, attentive=self.DELAY) as server:
            request = urllib.request.Request(
                server.url,
                data=b"Action=DescribeVpnConnections&Version=2016-11-15",
                headers={"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}"},
            )
            urllib.request.urlopen(request).close()

        assert sides.world.devices.enabled(sides.connections[0])


def test_an_unknown_connection_is_named(control):
    """An unknown id changes nothing and is named."""
    with pytest.raises(UsageError, match="no VPN connection vpn-0bad"):
        control.enable("vpn-0bad")


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("time/advance", {"seconds": -1}, "must be a number from 0"),
        ("time/advance", {"seconds": "60"}, "must be a number from 0"),
        ("time/advance", {"seconds": True}, "must be a number from 0"),
        ("time/advance", {}, "seconds is None"),
        ("time/advance", [60], "not a JSON object"),
        ("devices", {"mode": "eager"}, "manual or attentive"),
        ("devices", {"mode": "attentive"}, "seconds is None"),
        ("weather", {}, "there is no POST /_sandbox/weather"),
    ],
)
def test_requests_that_make_no_sense_are_explained(control, path, body, says):
    """Each refusal is a JSON object with the reason; the clock does not change."""
    before = control.state()["time"]
    request = urllib.request.Request(
        control._base + path,
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )

    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)

    with refused.value as answer:
        assert says in json.load(answer)["error"]
    assert control.state()["time"] == before


def test_a_clock_that_cannot_be_advanced(sides):
    """A world on a clock that cannot be advanced refuses an advance."""
    with (
        serve(World(VirtualClock())) as server,
        pytest.raises(UsageError, match="cannot be advanced"),
    ):
        DeviceControl(server.url).advance(timedelta(minutes=1))


def test_a_missing_server_and_another_server_are_reported(control):
    """A missing server, and a server that is not a sandbox, are reported."""
    with serve(World(ScaledClock())) as server:
        pass
    with pytest.raises(UnreachableError, match="no sandbox answers"):
        DeviceControl(server.url).state()

    with pytest.raises(UsageError, match="not a vpnmigrate sandbox"):
        DeviceControl(control._base.replace("/_sandbox", "/somewhere")).state()
