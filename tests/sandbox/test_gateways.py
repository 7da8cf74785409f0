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
    another_customer,
    ask,
    detach,
    gateway,
    new_gateway,
    refusal,
    refused,
    wait,
)
from vpnmigrate.model.survey import Quotas
from vpnmigrate.sandbox.behaviour import AT_ONCE, seconds

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
        """A deleted gateway is deleting, then deleted, and later not found."""
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
        """Tags of the create call exist at once, and the default ASN is 64512."""
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
        """AWS's old public ASN and the numbers just outside the private ranges are refused."""
        code = refusal(a_world(), "CreateVpnGateway", Type="ipsec.1", AmazonSideAsn=asn)
        assert code == "InvalidParameterValue"

    def test_dry_run_does_nothing(self):
        """DryRun returns DryRunOperation and creates no gateway."""
        world = a_world()
        error = refused(world, "CreateVpnGateway", Type="ipsec.1", DryRun=True)
        assert (error.code, error.status) == ("DryRunOperation", 412)
        assert len(ask(world, "DescribeVpnGateways")["VpnGateways"]) == 1


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
        """At the quota a new gateway is refused with a message about the number of gateways."""
        world = a_world()
        for _ in range(4):
            new_gateway(world)
        error = refused(world, "CreateVpnGateway", Type="ipsec.1")
        assert error.code == "VpnGatewayLimitExceeded"
        assert "mutating" not in error.message

    @pytest.mark.parametrize("counts", [True, False])
    def test_what_is_being_deleted_counts_or_not(self, counts):
        """A switch decides whether a deleting gateway counts against the quota."""
        world = a_world(quota_counts_deleting=counts)
        made = [new_gateway(world) for _ in range(4)]
        ask(world, "DeleteVpnGateway", VpnGatewayId=made[0])
        if counts:
            assert refusal(world, "CreateVpnGateway", Type="ipsec.1") == "VpnGatewayLimitExceeded"
        else:
            assert ask(world, "CreateVpnGateway", Type="ipsec.1")

    def test_too_many_changes_at_once_are_refused_for_now(self):
        """Above the number of mutating objects the same code has another message."""
        world = a_world(mutating_objects=1)
        ask(world, "CreateVpnGateway", Type="ipsec.1")
        error = refused(world, "CreateVpnGateway", Type="ipsec.1")
        assert error.code == "VpnGatewayLimitExceeded"
        assert "maximum number of mutating objects has been reached" in error.message
        wait(world)
        assert ask(world, "CreateVpnGateway", Type="ipsec.1")

    def test_quotas_can_be_read(self):
        """Service Quotas returns the numbers that the world enforces."""
        world = a_world()
        found = world.execute(
            "service-quotas",
            "GetServiceQuota",
            {"ServiceCode": "ec2", "QuotaCode": "L-7029FAB6"},
        )
        assert found["Quota"]["Value"] == Quotas().gateways_per_region


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
    """Random values depend on the call, not on the order of calls, so runs can be repeated."""
    first, second = a_world(), a_world()
    one = [new_gateway(first, AmazonSideAsn=64600), new_gateway(first, AmazonSideAsn=64700)]
    other = [new_gateway(second, AmazonSideAsn=64700), new_gateway(second, AmazonSideAsn=64600)]
    assert one == other[::-1]
    assert len(set(one)) == 2


def test_a_customer_gateway_in_use_stays():
    """A customer gateway cannot be deleted while a connection uses it."""
    world = a_world()
    assert refusal(world, "DeleteCustomerGateway", CustomerGatewayId=CUSTOMER) == "IncorrectState"
    spare = another_customer(world)
    assert spare == another_customer(world), "identical input gives the existing one"
    ask(world, "DeleteCustomerGateway", CustomerGatewayId=spare)
    rows = ask(world, "DescribeCustomerGateways")["CustomerGateways"]
    assert {row["CustomerGatewayId"]: row["State"] for row in rows} == {
        CUSTOMER: "available",
        spare: "deleted",
    }
