"""Reasons for the sandbox's own world: gaps of plain moto.

A test that fails here is good news: moto closed a gap, and docs/sandbox-fidelity.md and the
World's share of the work can be looked at again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from tests.support.moto_check import client_through
from vpnmigrate.sandbox.server.moto import MotoApplication, OneAccount

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


class NoWorld:
    """Leaves every action to moto.  Each has its own account, because moto's state is shared."""

    region = "eu-west-1"

    def __init__(self, account: str) -> None:
        self.account = account

    def handles(self, service: str, action: str) -> bool:
        return False

    def execute(self, service: str, action: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        raise AssertionError(action)


def plain_moto(account: str) -> Any:
    nothing = NoWorld(account)
    return client_through(
        MotoApplication(OneAccount(nothing, lambda _region: nothing)), "ec2", "eu-west-1"
    )


def moto_itself(account: str) -> Any:
    """Return a client of moto without the adapter, which refuses dry runs that moto would get."""
    moto: WSGIApplication = DomainDispatcherApplication(create_backend_app)

    def in_account(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = account
        return moto(environ, start_response)

    return client_through(in_account, "ec2", "eu-west-1")


def test_moto_carries_out_a_dry_run():
    """A DryRun of CreateVpnGateway creates a gateway, so the adapter refuses the call."""
    alone, adapted = moto_itself("111111111101"), plain_moto("111111111101")

    alone.create_vpn_gateway(Type="ipsec.1", DryRun=True)
    with pytest.raises(ClientError) as refused:
        adapted.create_vpn_gateway(Type="ipsec.1", DryRun=True)

    assert refused.value.response["Error"]["Code"] == "UnsupportedOperation"
    assert len(alone.describe_vpn_gateways()["VpnGateways"]) == 1


def test_moto_puts_two_gateways_on_a_vpc():
    """Attaching a second gateway succeeds, so a cutover in the wrong order would pass."""
    ec2 = plain_moto("111111111102")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]

    for _ in range(2):
        gateway = ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
        ec2.attach_vpn_gateway(VpcId=vpc, VpnGatewayId=gateway)

    rows = [g["VpcAttachments"] for g in ec2.describe_vpn_gateways()["VpnGateways"]]
    assert rows == [[{"State": "attached", "VpcId": vpc}]] * 2


def test_moto_does_not_know_unknown_gateways():
    """Describing an unknown id returns an empty list instead of EC2's error."""
    ec2 = plain_moto("111111111103")

    assert ec2.describe_vpn_gateways(VpnGatewayIds=["vgw-0000000000000000f"])["VpnGateways"] == []


def test_moto_drops_the_options_of_a_connection():
    """A static connection is described without category, options and telemetry."""
    ec2 = plain_moto("111111111104")
    device = ec2.create_customer_gateway(BgpAsn=65000, IpAddress="203.0.113.1", Type="ipsec.1")
    gateway = ec2.create_vpn_gateway(Type="ipsec.1")

    made = ec2.create_vpn_connection(
        CustomerGatewayId=device["CustomerGateway"]["CustomerGatewayId"],
        VpnGatewayId=gateway["VpnGateway"]["VpnGatewayId"],
        Type="ipsec.1",
        Options={"StaticRoutesOnly": True},
    )["VpnConnection"]

    assert not {"Category", "Options", "VgwTelemetry"} & set(made)


@pytest.mark.parametrize(
    ("call", "sent"),
    [
        ("enable_vgw_route_propagation", {"GatewayId": "vgw-1", "RouteTableId": "rtb-1"}),
        ("disable_vgw_route_propagation", {"GatewayId": "vgw-1", "RouteTableId": "rtb-1"}),
        (
            "create_vpn_connection_route",
            {"VpnConnectionId": "vpn-1", "DestinationCidrBlock": "10.0.0.0/8"},
        ),
        ("get_vpn_connection_device_types", {}),
        (
            "get_vpn_connection_device_sample_configuration",
            {"VpnConnectionId": "vpn-1", "VpnConnectionDeviceTypeId": "9005b6c1"},
        ),
    ],
)
def test_moto_lacks_the_calls_of_a_migration(call, sent):
    """Propagation, static prefixes and device samples are not implemented."""
    with pytest.raises(ClientError) as refused:
        getattr(plain_moto("111111111105"), call)(**sent)

    assert refused.value.response["Error"]["Code"] == "InvalidAction"
