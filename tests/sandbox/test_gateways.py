"""Virtual private gateways in the sandbox keep EC2's rules."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.sandbox.worlds import (
    CUSTOMER,
    OLD,
    OLD_VPN,
    VPC,
    a_world,
    ask,
    attach,
    attachments,
    detach,
    gateway,
    new_gateway,
    refusal,
    refused,
    wait,
)
from vpnmigrate.sandbox.behaviour import AT_ONCE, seconds
from vpnmigrate.survey import Quotas

DETACH = {"VpnGatewayId": OLD, "VpcId": VPC}


class TestLife:
    def test_a_new_gateway_is_pending_and_then_available(self):
        """A gateway is pending for the time its creation takes, and available after it."""
        world = a_world(gateway_creation=seconds(30))
        made = ask(world, "CreateVpnGateway", Type="ipsec.1")["VpnGateway"]
        assert made["State"] == "pending"
        wait(world, 29)
        assert gateway(world, made["VpnGatewayId"])["State"] == "pending"
        wait(world, 1)
        assert gateway(world, made["VpnGatewayId"])["State"] == "available"

    def test_a_pending_gateway_cannot_be_attached(self):
        """Attaching a gateway that is not available is InvalidVpnGatewayState."""
        world = a_world()
        made = ask(world, "CreateVpnGateway", Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
        code = refusal(world, "AttachVpnGateway", VpnGatewayId=made, VpcId=VPC)
        assert code == "InvalidVpnGatewayState"

    def test_a_deleted_gateway_is_listed_for_a_while_and_then_unknown(self):
        """A deleted gateway is deleting, deleted, and after its lingering not found."""
        world = a_world(gateway_deletion=seconds(20), deleted_lingers=timedelta(minutes=10))
        new = new_gateway(world)
        ask(world, "DeleteVpnGateway", VpnGatewayId=new)
        assert gateway(world, new)["State"] == "deleting"
        wait(world, 20)
        assert gateway(world, new)["State"] == "deleted"
        assert (
            refusal(world, "DeleteVpnGateway", VpnGatewayId=new) == "InvalidVpnGatewayID.NotFound"
        )
        wait(world, 600)
        code = refusal(world, "DescribeVpnGateways", VpnGatewayIds=[new])
        assert code == "InvalidVpnGatewayID.NotFound"
        assert [g["VpnGatewayId"] for g in ask(world, "DescribeVpnGateways")["VpnGateways"]] == [
            OLD
        ]

    def test_a_new_gateway_has_tags_and_the_default_asn(self):
        """Tags given at creation are there at once, and the ASN is 64512 unless asked otherwise."""
        world = a_world()
        tags = [{"Key": "Name", "Value": "new"}]
        made = ask(
            world,
            "CreateVpnGateway",
            Type="ipsec.1",
            TagSpecifications=[{"ResourceType": "vpn-gateway", "Tags": tags}],
        )["VpnGateway"]
        assert (made["Tags"], made["AmazonSideAsn"]) == (tags, 64512)

    @pytest.mark.parametrize("asn", [64512, 65534, 4200000000, 4294967294])
    def test_private_asns_can_be_asked_for(self, asn):
        """The bounds of the private ranges are accepted."""
        made = ask(a_world(), "CreateVpnGateway", Type="ipsec.1", AmazonSideAsn=asn)
        assert made["VpnGateway"]["AmazonSideAsn"] == asn

    @pytest.mark.parametrize("asn", [7224, 64511, 65535, 4199999999, 4294967295])
    def test_other_asns_cannot(self, asn):
        """AWS's own old ASN and everything just outside the private ranges is refused."""
        code = refusal(a_world(), "CreateVpnGateway", Type="ipsec.1", AmazonSideAsn=asn)
        assert code == "InvalidParameterValue"

    def test_dry_run_does_nothing(self):
        """DryRun answers DryRunOperation and creates no gateway."""
        world = a_world()
        error = refused(world, "CreateVpnGateway", Type="ipsec.1", DryRun=True)
        assert (error.code, error.status) == ("DryRunOperation", 412)
        assert len(ask(world, "DescribeVpnGateways")["VpnGateways"]) == 1


class TestAttachment:
    def test_it_takes_its_time(self):
        """An attached gateway was attaching before, and one that is detached was detaching."""
        world = a_world(attach=seconds(30), detach=seconds(40))
        new = new_gateway(world)
        ask(world, "DetachVpnGateway", **DETACH)
        assert attachments(world) == {VPC: "detaching"}
        wait(world, 40)
        assert attachments(world) == {VPC: "detached"}
        answer = ask(world, "AttachVpnGateway", VpnGatewayId=new, VpcId=VPC)
        assert answer["VpcAttachment"] == {"VpcId": VPC, "State": "attaching"}
        wait(world, 29)
        assert attachments(world, new) == {VPC: "attaching"}
        wait(world, 1)
        assert attachments(world, new) == {VPC: "attached"}

    def test_a_vpc_holds_one_gateway(self):
        """A second gateway for a VPC is InvalidVpcState, and says that there is one."""
        world = a_world()
        error = refused(world, "AttachVpnGateway", VpnGatewayId=new_gateway(world), VpcId=VPC)
        assert error.code == "InvalidVpcState"
        assert "already has a virtual private gateway attached" in error.message

    def test_a_gateway_is_on_one_vpc(self):
        """A gateway that is on a VPC cannot go to another: VpnGatewayAttachmentLimitExceeded."""
        world = a_world()
        other = ask(world, "CreateVpc", CidrBlock="10.250.0.0/24")["Vpc"]["VpcId"]
        code = refusal(world, "AttachVpnGateway", VpnGatewayId=OLD, VpcId=other)
        assert code == "VpnGatewayAttachmentLimitExceeded"

    def test_repeating_an_attach_tells_how_far_it_is(self):
        """Attaching the same pair again is no error and gives the present state."""
        world = a_world()
        again = ask(world, "AttachVpnGateway", VpnGatewayId=OLD, VpcId=VPC)
        assert again["VpcAttachment"]["State"] == "attached"

    def test_repeating_a_detach_is_not_found(self):
        """Detaching a pair that is leaving or gone is InvalidVpnGatewayAttachment.NotFound."""
        world = a_world()
        ask(world, "DetachVpnGateway", **DETACH)
        during = refusal(world, "DetachVpnGateway", **DETACH)
        wait(world)
        after = refusal(world, "DetachVpnGateway", **DETACH)
        assert during == after == "InvalidVpnGatewayAttachment.NotFound"

    def test_detaching_from_the_wrong_vpc_is_not_found(self):
        """A VPC that the gateway is not on gives the same refusal."""
        code = refusal(a_world(), "DetachVpnGateway", VpnGatewayId=OLD, VpcId="vpc-11111111")
        assert code == "InvalidVpnGatewayAttachment.NotFound"

    @pytest.mark.parametrize("code", ["InvalidVpcState", "IncorrectState", "InvalidParameterValue"])
    def test_attaching_while_the_other_leaves_is_refused_with_a_code_of_choice(self, code):
        """While another gateway is detaching, the refusal's code is a switch."""
        world = a_world(attach_while_other_detaches=code)
        new = new_gateway(world)
        ask(world, "DetachVpnGateway", **DETACH)
        assert refusal(world, "AttachVpnGateway", VpnGatewayId=new, VpcId=VPC) == code
        wait(world)
        assert ask(world, "AttachVpnGateway", VpnGatewayId=new, VpcId=VPC)

    def test_a_fresh_attachment_can_be_invisible_at_first(self):
        """Describes omit the pair for the time of the switch; the VPC is taken all the same."""
        world = a_world(attachment_visible_after=seconds(10), attach=seconds(30))
        detach(world)
        new, third = new_gateway(world), new_gateway(world)
        ask(world, "AttachVpnGateway", VpnGatewayId=new, VpcId=VPC)
        assert attachments(world, new) == {}
        assert (
            refusal(world, "AttachVpnGateway", VpnGatewayId=third, VpcId=VPC) == "InvalidVpcState"
        )
        wait(world, 10)
        assert attachments(world, new) == {VPC: "attaching"}
        wait(world, 20)
        assert attachments(world, new) == {VPC: "attached"}

    def test_a_detached_row_lingers_beside_a_live_one(self):
        """A row of an earlier VPC stays listed as detached, then goes."""
        world = a_world(detached_lingers=timedelta(hours=1))
        other = ask(world, "CreateVpc", CidrBlock="10.250.0.0/24")["Vpc"]["VpcId"]
        new = new_gateway(world)
        attach(world, new, other)
        detach(world, new, other)
        detach(world)
        attach(world, new)
        assert attachments(world, new) == {other: "detached", VPC: "attached"}
        wait(world, 3600)
        assert attachments(world, new) == {VPC: "attached"}

    @pytest.mark.parametrize("action", ["AttachVpnGateway", "DetachVpnGateway"])
    def test_a_connection_on_its_way_blocks_both(self, action):
        """While a connection is pending, attach and detach are refused, with the known message."""
        world = a_world()
        target = OLD
        if action == "AttachVpnGateway":
            detach(world)
            target = new_gateway(world)
        ask(
            world,
            "CreateVpnConnection",
            Type="ipsec.1",
            VpnGatewayId=target,
            CustomerGatewayId=_another_customer(world),
        )
        error = refused(world, action, VpnGatewayId=target, VpcId=VPC)
        assert error.code == "InvalidParameterValue"
        assert "pending VPNs or Virtual Interfaces" in error.message
        wait(world)
        ask(world, action, VpnGatewayId=target, VpcId=VPC)

    def test_a_direct_connect_gateway_makes_a_detach_slow_and_loses_its_association(self):
        """With an association a detach takes many minutes, and the association is gone."""
        world = a_world("direct-connect")
        old, vpc = "vgw-0a500000000000001", "vpc-0a500000000000001"
        ask(world, "DetachVpnGateway", VpnGatewayId=old, VpcId=vpc)
        wait(world, 1400)
        assert attachments(world, old) == {vpc: "detaching"}
        wait(world, 200)
        assert attachments(world, old) == {vpc: "detached"}
        listed = world.execute("directconnect", "DescribeDirectConnectGatewayAssociations", {})
        states = [a["associationState"] for a in listed["directConnectGatewayAssociations"]]
        assert states == ["disassociated"]


class TestDeletion:
    def test_a_gateway_in_use_stays(self):
        """An attached gateway, or one with a connection, is in use: IncorrectState."""
        world = a_world()
        attached = refused(world, "DeleteVpnGateway", VpnGatewayId=OLD)
        assert (attached.code, attached.message) == (
            "IncorrectState",
            "The VPN gateway is in use.",
        )
        detach(world)
        assert refusal(world, "DeleteVpnGateway", VpnGatewayId=OLD) == "IncorrectState"
        ask(world, "DeleteVpnConnection", VpnConnectionId=OLD_VPN)
        assert refusal(world, "DeleteVpnGateway", VpnGatewayId=OLD) == "IncorrectState"
        wait(world)
        ask(world, "DeleteVpnGateway", VpnGatewayId=OLD)
        assert gateway(world)["State"] == "deleting"


class TestQuota:
    def test_the_sixth_gateway_is_too_many(self):
        """At the quota a gateway is refused with a message about the number of gateways."""
        world = a_world()
        for _ in range(4):
            new_gateway(world)
        error = refused(world, "CreateVpnGateway", Type="ipsec.1")
        assert error.code == "VpnGatewayLimitExceeded"
        assert "mutating" not in error.message

    @pytest.mark.parametrize("counts", [True, False])
    def test_what_is_being_deleted_counts_or_not(self, counts):
        """Whether a deleting gateway takes up quota is a switch."""
        world = a_world(quota_counts_deleting=counts)
        made = [new_gateway(world) for _ in range(4)]
        ask(world, "DeleteVpnGateway", VpnGatewayId=made[0])
        if counts:
            assert refusal(world, "CreateVpnGateway", Type="ipsec.1") == "VpnGatewayLimitExceeded"
        else:
            assert ask(world, "CreateVpnGateway", Type="ipsec.1")

    def test_too_many_changes_at_once_are_refused_for_now(self):
        """Beyond the number of mutating objects the same code comes with another message."""
        world = a_world(mutating_objects=1)
        ask(world, "CreateVpnGateway", Type="ipsec.1")
        error = refused(world, "CreateVpnGateway", Type="ipsec.1")
        assert error.code == "VpnGatewayLimitExceeded"
        assert "maximum number of mutating objects has been reached" in error.message
        wait(world)
        assert ask(world, "CreateVpnGateway", Type="ipsec.1")

    def test_quotas_can_be_read(self):
        """Service Quotas tells the numbers that the world enforces."""
        world = a_world()
        told = world.execute(
            "service-quotas",
            "GetServiceQuota",
            {"ServiceCode": "ec2", "QuotaCode": "L-7029FAB6"},
        )
        assert told["Quota"]["Value"] == Quotas().gateways_per_region


def test_filters_narrow_and_unknown_ones_are_refused():
    """Filters match any of their values, wildcards included; an unknown name is an error."""
    world = a_world(gateway_creation=AT_ONCE)
    new = new_gateway(world)

    def found(name: str, *values: str) -> list[str]:
        rows = ask(world, "DescribeVpnGateways", Filters=[{"Name": name, "Values": list(values)}])
        return [row["VpnGatewayId"] for row in rows["VpnGateways"]]

    assert found("attachment.vpc-id", VPC) == [OLD]
    assert found("amazon-side-asn", "64512") == [new]
    assert found("tag:Name", "production-*") == [OLD]
    assert found("tag-key", "Name", "Other") == [OLD]
    assert found("tag:Name", "production") == []
    assert sorted(found("state", "available")) == sorted([OLD, new])
    bogus = {"Name": "colour", "Values": ["red"]}
    assert refusal(world, "DescribeVpnGateways", Filters=[bogus]) == "InvalidParameterValue"


def test_a_lost_race_leaves_ids_and_durations_alone():
    """What is drawn depends on the call and not on the order of calls, so parallel runs repeat."""
    first, second = a_world(), a_world()
    one = [new_gateway(first, AmazonSideAsn=64600), new_gateway(first, AmazonSideAsn=64700)]
    other = [new_gateway(second, AmazonSideAsn=64700), new_gateway(second, AmazonSideAsn=64600)]
    assert one == other[::-1]
    assert len(set(one)) == 2


def _another_customer(world):
    made = ask(
        world, "CreateCustomerGateway", Type="ipsec.1", IpAddress="203.0.113.99", BgpAsn=65099
    )
    return made["CustomerGateway"]["CustomerGatewayId"]


def test_a_customer_gateway_in_use_stays():
    """A customer gateway cannot be deleted while a connection uses it."""
    world = a_world()
    assert refusal(world, "DeleteCustomerGateway", CustomerGatewayId=CUSTOMER) == "IncorrectState"
    spare = _another_customer(world)
    assert spare == _another_customer(world), "identical input gives the existing one"
    ask(world, "DeleteCustomerGateway", CustomerGatewayId=spare)
    rows = ask(world, "DescribeCustomerGateways")["CustomerGateways"]
    assert {row["CustomerGatewayId"]: row["State"] for row in rows} == {
        CUSTOMER: "available",
        spare: "deleted",
    }
