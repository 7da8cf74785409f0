"""Every call that the world answers, through boto3 and HTTP, compared with an equal world."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.sandbox.ec2.dispatch import READS, WRITES
from vpnmigrate.sandbox.server.serve import Server, serve
from vpnmigrate.sandbox.world import World

REGION = "eu-west-1"


class Pair:
    """A served world and an equal world that is called directly; the answers must be equal."""

    def __init__(self, server: Server, clock: VirtualClock, served: World, equal: World) -> None:
        session = boto3.Session(region_name=REGION)
        self._clients = {
            service: session.client(service, endpoint_url=server.url)
            for service in ("ec2", "sts", "directconnect", "service-quotas")
        }
        self._clock = clock
        self._served = served
        self._equal = equal
        self.made: set[tuple[str, str]] = set()

    def ask(self, action: str, service: str = "ec2", **params: Any) -> dict[str, Any]:
        """Compare both answers and return the served one."""
        client = self._clients[service]
        method = next(m for m, a in client.meta.method_to_api_mapping.items() if a == action)
        answer: dict[str, Any] = getattr(client, method)(**params)
        del answer["ResponseMetadata"]
        assert answer == self._equal.execute(service, action, params)
        self.made.add((service, action))
        return answer

    def wait(self, **span: float) -> None:
        """Advance the time in both worlds."""
        self._clock.sleep(timedelta(**span))

    def enable(self, connection: str) -> None:
        """Enable the tunnels of a connection in both worlds."""
        for world in (self._served, self._equal):
            world.devices.enable(connection)


@pytest.fixture
def pair() -> Iterator[Pair]:
    clock = VirtualClock()
    served, equal = World(clock), World(clock)
    with serve(served) as server:
        yield Pair(server, clock, served, equal)


def test_every_served_action_answers_as_the_world_does(pair):  # noqa: PLR0915  one after another
    """From an empty account through a static connection that carries traffic to an empty account.

    The answer that boto3 reads over HTTP equals the world's, for every action.
    """
    named = [{"Key": "Name", "Value": "head office <&> déjà"}]
    vpc = pair.ask("CreateVpc", CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = pair.ask("CreateSubnet", VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    # boto3 would draw a token of its own.
    table = pair.ask("CreateRouteTable", VpcId=vpc, ClientToken="a")["RouteTable"]["RouteTableId"]
    device = pair.ask(
        "CreateCustomerGateway", Type="ipsec.1", BgpAsn=65010, IpAddress="203.0.113.9"
    )["CustomerGateway"]["CustomerGatewayId"]
    gateway = pair.ask(
        "CreateVpnGateway",
        Type="ipsec.1",
        AmazonSideAsn=64555,
        TagSpecifications=[{"ResourceType": "vpn-gateway", "Tags": named}],
    )["VpnGateway"]["VpnGatewayId"]
    pair.wait(minutes=5)
    connection = pair.ask(
        "CreateVpnConnection",
        Type="ipsec.1",
        CustomerGatewayId=device,
        VpnGatewayId=gateway,
        Options={
            "StaticRoutesOnly": True,
            "TunnelOptions": [{"TunnelInsideCidr": "169.254.44.40/30"}, {"DPDTimeoutSeconds": 45}],
        },
    )["VpnConnection"]["VpnConnectionId"]
    pair.wait(minutes=30)
    outside = pair.ask("DescribeVpnConnections", VpnConnectionIds=[connection])["VpnConnections"]
    pair.ask(
        "ModifyVpnTunnelOptions",
        VpnConnectionId=connection,
        VpnTunnelOutsideIpAddress=outside[0]["Options"]["TunnelOptions"][0]["OutsideIpAddress"],
        TunnelOptions={"StartupAction": "start"},
    )
    pair.wait(minutes=5)
    pair.ask(
        "GetVpnTunnelReplacementStatus",
        VpnConnectionId=connection,
        VpnTunnelOutsideIpAddress=outside[0]["Options"]["TunnelOptions"][0]["OutsideIpAddress"],
    )
    pair.ask(
        "GetActiveVpnTunnelStatus",
        VpnConnectionId=connection,
        VpnTunnelOutsideIpAddress=outside[0]["Options"]["TunnelOptions"][0]["OutsideIpAddress"],
    )
    pair.ask("DescribeVpcEncryptionControls", VpcIds=[vpc])
    pair.ask("DescribeAccountVpcEncryptionControl")
    tie = pair.ask("AssociateRouteTable", RouteTableId=table, SubnetId=subnet)["AssociationId"]
    for cidr in ("192.168.0.0/16", "172.16.0.0/12"):
        pair.ask("CreateVpnConnectionRoute", VpnConnectionId=connection, DestinationCidrBlock=cidr)
    pair.ask("AttachVpnGateway", VpcId=vpc, VpnGatewayId=gateway)
    pair.wait(minutes=5)
    pair.ask("EnableVgwRoutePropagation", RouteTableId=table, GatewayId=gateway)
    pair.enable(connection)
    pair.ask("CreateTags", Resources=[connection, table], Tags=named)
    pair.ask(
        "CreateRoute", RouteTableId=table, DestinationCidrBlock="10.9.0.0/16", GatewayId=gateway
    )
    pair.ask(
        "ReplaceRoute", RouteTableId=table, DestinationCidrBlock="10.9.0.0/16", GatewayId=gateway
    )
    pair.wait(minutes=5)

    connections = pair.ask("DescribeVpnConnections", VpnConnectionIds=[connection])
    tables = pair.ask("DescribeRouteTables", Filters=[{"Name": "vpc-id", "Values": [vpc]}])
    assert {t["Status"] for t in connections["VpnConnections"][0]["VgwTelemetry"]} == {"UP"}
    assert len([r for t in tables["RouteTables"] for r in t["Routes"] if "GatewayId" in r]) == 5

    for action in (
        "DescribeCustomerGateways",
        "DescribeRegions",
        "DescribeSubnets",
        "DescribeTags",
        "DescribeVpcs",
        "DescribeVpnGateways",
        "GetVpnConnectionDeviceTypes",
    ):
        assert any(pair.ask(action).values()), action
    pair.ask(
        "GetVpnConnectionDeviceSampleConfiguration",
        VpnConnectionId=connection,
        VpnConnectionDeviceTypeId="9d9470de",
    )
    pair.ask("DescribeVirtualInterfaces", "directconnect")
    pair.ask("DescribeDirectConnectGatewayAssociations", "directconnect", virtualGatewayId=gateway)
    pair.ask("GetServiceQuota", "service-quotas", ServiceCode="ec2", QuotaCode="L-7029FAB6")
    pair.ask("GetCallerIdentity", "sts")

    pair.ask("DeleteTags", Resources=[connection], Tags=[{"Key": "Name"}])
    pair.ask("DeleteRoute", RouteTableId=table, DestinationCidrBlock="10.9.0.0/16")
    pair.ask("DisableVgwRoutePropagation", RouteTableId=table, GatewayId=gateway)
    pair.ask(
        "DeleteVpnConnectionRoute",
        VpnConnectionId=connection,
        DestinationCidrBlock="172.16.0.0/12",
    )
    pair.ask("DetachVpnGateway", VpcId=vpc, VpnGatewayId=gateway)
    pair.ask("DisassociateRouteTable", AssociationId=tie)
    pair.ask("DeleteVpnConnection", VpnConnectionId=connection)
    pair.wait(minutes=40)
    pair.ask("DeleteVpnGateway", VpnGatewayId=gateway)
    pair.ask("DeleteCustomerGateway", CustomerGatewayId=device)
    pair.ask("DeleteRouteTable", RouteTableId=table)
    pair.ask("DeleteSubnet", SubnetId=subnet)
    pair.ask("DeleteVpc", VpcId=vpc)

    assert pair.made == {*READS, *WRITES}


def test_pages_can_be_followed(pair):
    """A boto3 paginator reads every device type in several pages."""
    client = pair._clients["ec2"]

    pages = list(client.get_paginator("get_vpn_connection_device_types").paginate())

    ids = [t["VpnConnectionDeviceTypeId"] for p in pages for t in p["VpnConnectionDeviceTypes"]]
    assert len(pages) > 1
    assert len(ids) == len(set(ids)) == 18


def test_a_dry_run_changes_nothing(pair):
    """DryRun returns DryRunOperation with status 412 and creates no gateway."""
    with pytest.raises(ClientError) as refused:
        pair._clients["ec2"].create_vpn_gateway(Type="ipsec.1", DryRun=True)

    found = refused.value.response
    assert found["Error"]["Code"] == "DryRunOperation"
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 412
    assert pair.ask("DescribeVpnGateways") == {"VpnGateways": []}


def test_moto_meets_vpcs_of_the_world_without_breaking(pair):
    """Moto refuses a subnet that only the world knows with EC2's error."""
    vpc = pair.ask("CreateVpc", CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = pair.ask("CreateSubnet", VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]

    with pytest.raises(ClientError) as refused:
        pair._clients["ec2"].run_instances(
            ImageId="ami-12345678", MinCount=1, MaxCount=1, SubnetId=subnet
        )

    assert refused.value.response["Error"]["Code"] == "InvalidSubnetID.NotFound"
