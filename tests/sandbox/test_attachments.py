"""Attaching and detaching gateways in the sandbox keeps EC2's rules."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.sandbox.worlds import (
    OLD,
    VPC,
    a_world,
    another_customer,
    ask,
    attach,
    attachments,
    detach,
    new_gateway,
    refusal,
    refused,
    wait,
)
from vpnmigrate.sandbox.behaviour import seconds

DETACH = {"VpnGatewayId": OLD, "VpcId": VPC}


class TestAttachment:
    def test_it_takes_its_time(self):
        """Before `attached` a gateway is `attaching`, before `detached` it is `detaching`."""
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
        """A second gateway for a VPC is InvalidVpcState, and the message names the reason."""
        world = a_world()
        error = refused(world, "AttachVpnGateway", VpnGatewayId=new_gateway(world), VpcId=VPC)
        assert error.code == "InvalidVpcState"
        assert "already has a virtual private gateway attached" in error.message

    def test_a_gateway_is_on_one_vpc(self):
        """Attaching an attached gateway to another VPC is VpnGatewayAttachmentLimitExceeded."""
        world = a_world()
        other = ask(world, "CreateVpc", CidrBlock="10.250.0.0/24")["Vpc"]["VpcId"]
        code = refusal(world, "AttachVpnGateway", VpnGatewayId=OLD, VpcId=other)
        assert code == "VpnGatewayAttachmentLimitExceeded"

    def test_repeating_an_attach_returns_the_state(self):
        """Repeating an attach is no error and returns the present state."""
        world = a_world()
        again = ask(world, "AttachVpnGateway", VpnGatewayId=OLD, VpcId=VPC)
        assert again["VpcAttachment"]["State"] == "attached"

    def test_repeating_a_detach_is_not_found(self):
        """Detaching a detaching or detached pair is InvalidVpnGatewayAttachment.NotFound."""
        world = a_world()
        ask(world, "DetachVpnGateway", **DETACH)
        during = refusal(world, "DetachVpnGateway", **DETACH)
        wait(world)
        after = refusal(world, "DetachVpnGateway", **DETACH)
        assert during == after == "InvalidVpnGatewayAttachment.NotFound"

    def test_detaching_from_the_wrong_vpc_is_not_found(self):
        """Detaching from a VPC without the gateway gives the same error."""
        code = refusal(a_world(), "DetachVpnGateway", VpnGatewayId=OLD, VpcId="vpc-11111111")
        assert code == "InvalidVpnGatewayAttachment.NotFound"

    @pytest.mark.parametrize("code", ["InvalidVpcState", "IncorrectState", "InvalidParameterValue"])
    def test_attaching_while_the_other_leaves_is_refused_with_a_code_of_choice(self, code):
        """While another gateway is detaching, a switch decides the error code."""
        world = a_world(attach_while_other_detaches=code)
        new = new_gateway(world)
        ask(world, "DetachVpnGateway", **DETACH)
        assert refusal(world, "AttachVpnGateway", VpnGatewayId=new, VpcId=VPC) == code
        wait(world)
        assert ask(world, "AttachVpnGateway", VpnGatewayId=new, VpcId=VPC)

    def test_a_fresh_attachment_can_be_invisible_at_first(self):
        """Describes omit the attachment for the time of the switch, but the VPC is occupied."""
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
        """A row of an earlier VPC stays listed as detached for some time."""
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
        """While a connection is pending, attach and detach fail with EC2's message."""
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
            CustomerGatewayId=another_customer(world),
        )
        error = refused(world, action, VpnGatewayId=target, VpcId=VPC)
        assert error.code == "InvalidParameterValue"
        assert "pending VPNs or Virtual Interfaces" in error.message
        wait(world)
        ask(world, action, VpnGatewayId=target, VpcId=VPC)

    def test_a_direct_connect_gateway_makes_a_detach_slow_and_loses_its_association(self):
        """With an association a detach takes many minutes and ends the association."""
        world = a_world("direct-connect", detach_with_direct_connect=seconds(1500))
        old, vpc = "vgw-0a500000000000001", "vpc-0a500000000000001"
        ask(world, "DetachVpnGateway", VpnGatewayId=old, VpcId=vpc)
        wait(world, 1400)
        assert attachments(world, old) == {vpc: "detaching"}
        wait(world, 200)
        assert attachments(world, old) == {vpc: "detached"}
        listed = world.execute("directconnect", "DescribeDirectConnectGatewayAssociations", {})
        states = [a["associationState"] for a in listed["directConnectGatewayAssociations"]]
        assert states == ["disassociated"]
