"""VPCs, subnets, tags, samples and other services in the sandbox follow AWS's rules."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.worlds import (
    OLD,
    OLD_VPN,
    TABLE,
    VPC,
    a_world,
    ask,
    attach,
    connection,
    detach,
    gateway,
    new_gateway,
    refusal,
    refused,
    wait,
)
from vpnmigrate.model.survey import Quotas
from vpnmigrate.sandbox.behaviour import seconds


class TestTestVpc:
    def test_it_is_built_and_taken_down(self):
        """VPC and subnet become available, and can be deleted once nothing depends on them."""
        world = a_world(vpc_creation=seconds(3))
        vpc = ask(world, "CreateVpc", CidrBlock="10.250.0.0/24")["Vpc"]
        assert vpc["State"] == "pending"
        wait(world, 3)
        name = vpc["VpcId"]
        subnet = ask(world, "CreateSubnet", VpcId=name, CidrBlock="10.250.0.0/28")["Subnet"]
        new = new_gateway(world)
        attach(world, new, name)
        assert refusal(world, "DeleteVpc", VpcId=name) == "DependencyViolation"
        detach(world, new, name)
        assert refusal(world, "DeleteVpc", VpcId=name) == "DependencyViolation"
        ask(world, "DeleteSubnet", SubnetId=subnet["SubnetId"])
        ask(world, "DeleteVpc", VpcId=name)
        assert refusal(world, "DescribeVpcs", VpcIds=[name]) == "InvalidVpcID.NotFound"
        assert [v["VpcId"] for v in ask(world, "DescribeVpcs")["Vpcs"]] == [VPC]

    def test_a_detaching_gateway_still_holds_its_vpc(self):
        """A VPC with a detaching gateway cannot be deleted."""
        world = a_world()
        name = ask(world, "CreateVpc", CidrBlock="10.250.0.0/24")["Vpc"]["VpcId"]
        new = new_gateway(world)
        attach(world, new, name)
        ask(world, "DetachVpnGateway", VpnGatewayId=new, VpcId=name)
        assert refusal(world, "DeleteVpc", VpcId=name) == "DependencyViolation"
        wait(world)
        ask(world, "DeleteVpc", VpcId=name)

    def test_it_has_a_main_table(self):
        """A new VPC comes with a main route table that has a local route."""
        world = a_world()
        name = ask(world, "CreateVpc", CidrBlock="10.250.0.0/24")["Vpc"]["VpcId"]
        filters = [{"Name": "vpc-id", "Values": [name]}]
        (table,) = ask(world, "DescribeRouteTables", Filters=filters)["RouteTables"]
        assert table["Associations"][0]["Main"]
        assert [route["GatewayId"] for route in table["Routes"]] == ["local"]

    def test_a_further_table_has_to_go_first(self):
        """A VPC with an additional route table cannot be deleted."""
        world = a_world()
        name = ask(world, "CreateVpc", CidrBlock="10.250.0.0/24")["Vpc"]["VpcId"]
        table = ask(world, "CreateRouteTable", VpcId=name)["RouteTable"]["RouteTableId"]
        assert refusal(world, "DeleteVpc", VpcId=name) == "DependencyViolation"
        ask(world, "DeleteRouteTable", RouteTableId=table)
        ask(world, "DeleteVpc", VpcId=name)

    def test_the_quota(self):
        """The sixth VPC is VpcLimitExceeded."""
        world = a_world()
        for number in range(Quotas().vpcs_per_region - 1):
            ask(world, "CreateVpc", CidrBlock=f"10.{number}.0.0/24")
        assert refusal(world, "CreateVpc", CidrBlock="10.9.0.0/24") == "VpcLimitExceeded"

    @pytest.mark.parametrize(
        ("cidr", "code"),
        [
            ("10.11.0.0/24", "InvalidSubnet.Range"),
            ("10.10.0.0/29", "InvalidSubnet.Range"),
            ("10.10.1.0/25", "InvalidSubnet.Conflict"),
        ],
    )
    def test_subnets_that_are_refused(self, cidr, code):
        """A subnet lies inside its VPC, is large enough and overlaps no other."""
        world = a_world()
        ask(world, "CreateSubnet", VpcId=VPC, CidrBlock="10.10.1.0/24")
        assert refusal(world, "CreateSubnet", VpcId=VPC, CidrBlock=cidr) == code


class TestTags:
    def test_they_are_set_changed_and_removed(self):
        """Tags can be added, overwritten, and removed by key or by key and value."""
        world = a_world()
        ask(world, "CreateTags", Resources=[OLD, OLD_VPN], Tags=[{"Key": "claim", "Value": "a"}])
        ask(world, "CreateTags", Resources=[OLD], Tags=[{"Key": "claim", "Value": "b"}])
        ask(world, "DeleteTags", Resources=[OLD], Tags=[{"Key": "claim", "Value": "a"}])
        assert {"Key": "claim", "Value": "b"} in gateway(world)["Tags"]
        ask(world, "DeleteTags", Resources=[OLD], Tags=[{"Key": "claim"}])
        assert [tag["Key"] for tag in gateway(world)["Tags"]] == ["Name"]
        assert {"Key": "claim", "Value": "a"} in connection(world)["Tags"]

    def test_aws_keys_are_reserved(self):
        """A key that begins with aws: can neither be set nor removed."""
        world = a_world()
        reserved = [{"Key": "aws:cloudformation:stack-name", "Value": "x"}]
        for action in ("CreateTags", "DeleteTags"):
            code = refusal(world, action, Resources=[OLD], Tags=reserved)
            assert code == "InvalidParameterValue"
        specification = [{"ResourceType": "vpn-gateway", "Tags": reserved}]
        code = refusal(world, "CreateVpnGateway", Type="ipsec.1", TagSpecifications=specification)
        assert code == "InvalidParameterValue"

    def test_a_resource_has_fifty(self):
        """The fifty-first tag is TagLimitExceeded."""
        tags = [{"Key": f"k{number}", "Value": ""} for number in range(50)]
        assert refusal(a_world(), "CreateTags", Resources=[OLD], Tags=tags) == "TagLimitExceeded"

    def test_tags_of_another_type_are_refused(self):
        """TagSpecifications must name the type of the created resource."""
        specification = [{"ResourceType": "vpn-connection", "Tags": [{"Key": "a", "Value": "b"}]}]
        code = refusal(
            a_world(), "CreateVpnGateway", Type="ipsec.1", TagSpecifications=specification
        )
        assert code == "InvalidParameterValue"

    def test_an_unknown_resource_has_its_own_code(self):
        """Tagging an unknown resource gives the error of its kind."""
        world = a_world()
        tags = [{"Key": "a", "Value": "b"}]
        unknown = "vpn-00000000000000000"
        code = refusal(world, "CreateTags", Resources=[unknown], Tags=tags)
        assert code == "InvalidVpnConnectionID.NotFound"

    def test_describe_tags(self):
        """DescribeTags lists each tag with resource and type, and filters."""
        world = a_world()
        filters = [{"Name": "resource-type", "Values": ["vpn-gateway"]}]
        assert ask(world, "DescribeTags", Filters=filters)["Tags"] == [
            {
                "ResourceId": OLD,
                "ResourceType": "vpn-gateway",
                "Key": "Name",
                "Value": "production-classic",
            }
        ]


class TestSamples:
    def test_device_types_come_in_pages(self):
        """Device types need more than one page, for every MaxResults."""
        world = a_world()
        first = ask(world, "GetVpnConnectionDeviceTypes", MaxResults=200)
        rest = ask(world, "GetVpnConnectionDeviceTypes", NextToken=first["NextToken"])
        listed = [*first["VpnConnectionDeviceTypes"], *rest["VpnConnectionDeviceTypes"]]
        names = {(row["Vendor"], row["Platform"], row["Software"]) for row in listed}
        assert len(names) == len(listed) == 18

    def test_a_sample_holds_the_keys(self):
        """The sample is for the connection, and contains its addresses and keys."""
        text = ask(
            a_world(),
            "GetVpnConnectionDeviceSampleConfiguration",
            VpnConnectionId=OLD_VPN,
            VpnConnectionDeviceTypeId="a1000001",
            InternetKeyExchangeVersion="ikev2",
            SampleType="recommended",
        )["VpnConnectionDeviceSampleConfiguration"]
        assert OLD_VPN in text
        assert all(key in text for key in a_world().keys)
        assert "interface Tunnel1" in text
        assert "no shutdown" in text

    def test_recommended_needs_ikev2(self):
        """A recommended sample for IKEv1 is UnsupportedOperationException."""
        code = refusal(
            a_world(),
            "GetVpnConnectionDeviceSampleConfiguration",
            VpnConnectionId=OLD_VPN,
            VpnConnectionDeviceTypeId="a1000001",
            InternetKeyExchangeVersion="ikev1",
            SampleType="recommended",
        )
        assert code == "UnsupportedOperationException"


class TestOtherServices:
    def test_who_am_i(self):
        """STS returns the world's account."""
        identity = a_world().execute("sts", "GetCallerIdentity", {})
        assert identity["Account"] == "123456789012"
        assert ":123456789012:" in identity["Arn"]

    def test_direct_connect_is_visible(self):
        """Virtual interfaces of every state are listed, and associations by gateway."""
        world = a_world("direct-connect")
        interfaces = world.execute("directconnect", "DescribeVirtualInterfaces", {})
        states = {i["virtualInterfaceState"] for i in interfaces["virtualInterfaces"]}
        assert states == {"available", "deleted"}
        other = {"virtualGatewayId": "vgw-00000000000000000"}
        found = world.execute("directconnect", "DescribeDirectConnectGatewayAssociations", other)
        assert found == {"directConnectGatewayAssociations": []}

    def test_an_unknown_quota(self):
        """A quota that the world does not know is NoSuchResourceException."""
        world = a_world()
        with pytest.raises(Exception, match="NoSuchResourceException"):
            world.execute(
                "service-quotas", "GetServiceQuota", {"ServiceCode": "ec2", "QuotaCode": "L-0"}
            )


def test_dry_run_is_honoured_by_every_call_that_has_it():
    """No call with DryRun changes anything, and a describe returns DryRunOperation too."""
    world = a_world()
    calls: dict[str, dict[str, Any]] = {
        "AttachVpnGateway": {"VpnGatewayId": OLD, "VpcId": VPC},
        "DetachVpnGateway": {"VpnGatewayId": OLD, "VpcId": VPC},
        "DeleteVpnConnection": {"VpnConnectionId": OLD_VPN},
        "DisableVgwRoutePropagation": {"RouteTableId": TABLE, "GatewayId": OLD},
        "DeleteRoute": {"RouteTableId": TABLE, "DestinationCidrBlock": "0.0.0.0/0"},
        "CreateVpc": {"CidrBlock": "10.250.0.0/24"},
        "CreateTags": {"Resources": [OLD], "Tags": [{"Key": "a", "Value": "b"}]},
        "DescribeVpnGateways": {},
    }
    before = _everything(world)
    for action, params in calls.items():
        assert refused(world, action, DryRun=True, **params).code == "DryRunOperation"
    assert _everything(world) == before


def _everything(world):
    actions = (
        "DescribeVpnGateways",
        "DescribeVpnConnections",
        "DescribeRouteTables",
        "DescribeVpcs",
        "DescribeTags",
    )
    return {action: ask(world, action) for action in actions}
