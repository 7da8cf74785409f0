"""VPN connections in the sandbox keep EC2's rules."""

from __future__ import annotations

from datetime import timedelta
from xml.etree.ElementTree import fromstring

import pytest

from tests.sandbox.worlds import (
    CUSTOMER,
    OLD,
    OLD_VPN,
    a_world,
    another_customer,
    ask,
    connection,
    creation,
    new_connection,
    new_gateway,
    refusal,
    refused,
    wait,
)
from vpnmigrate.sandbox.behaviour import seconds


class TestLife:
    def test_pending_available_deleting_deleted_gone(self):
        """A connection goes through its states in the times of the behaviour."""
        world = a_world(
            connection_creation=seconds(200),
            connection_deletion=seconds(130),
            deleted_lingers=timedelta(minutes=5),
        )
        new = new_gateway(world)
        made = ask(world, "CreateVpnConnection", **creation(new))["VpnConnection"]
        name = made["VpnConnectionId"]
        assert made["State"] == "pending"
        wait(world, 200)
        assert connection(world, name)["State"] == "available"
        ask(world, "DeleteVpnConnection", VpnConnectionId=name)
        assert connection(world, name)["State"] == "deleting"
        wait(world, 130)
        assert connection(world, name)["State"] == "deleted"
        wait(world, 300)
        code = refusal(world, "DescribeVpnConnections", VpnConnectionIds=[name])
        assert code == "InvalidVpnConnectionID.NotFound"

    def test_the_configuration_is_there_only_while_it_lives(self):
        """The configuration is in describes of a pending or available connection, never later."""
        world = a_world()
        assert "CustomerGatewayConfiguration" in connection(world)
        ask(world, "DeleteVpnConnection", VpnConnectionId=OLD_VPN)
        assert "CustomerGatewayConfiguration" not in connection(world)

    def test_a_created_connection_is_aws_vpn(self):
        """A connection on a new gateway has the category VPN."""
        world = a_world()
        assert connection(world, new_connection(world, new_gateway(world)))["Category"] == "VPN"

    @pytest.mark.parametrize("absent", [True, False])
    def test_an_endpoint_may_not_tell_the_category(self, absent):
        """A switch decides whether describes show a category."""
        assert ("Category" not in connection(a_world(category_absent=absent))) is absent

    @pytest.mark.parametrize("listed", [True, False])
    def test_a_classic_connection_may_hide_its_tunnel_options(self, listed):
        """A switch decides whether a Classic connection shows tunnel options; a new one does."""
        world = a_world(classic_tunnel_options_listed=listed)
        assert ("TunnelOptions" in connection(world)["Options"]) is listed
        new = new_connection(world, new_gateway(world))
        assert len(connection(world, new)["Options"]["TunnelOptions"]) == 2


class TestPairs:
    @pytest.mark.parametrize("same", [True, False])
    def test_the_same_pair_twice(self, same):
        """A switch decides whether a second create for a pair returns the first connection."""
        world = a_world(same_pair_returns_existing=same)
        new = new_gateway(world)
        first, second = new_connection(world, new), new_connection(world, new)
        assert (first == second) is same

    @pytest.mark.parametrize("reusable", [True, False])
    def test_the_customer_gateway_of_a_classic_connection(self, reusable):
        """A switch decides whether it may be used for a new connection too."""
        world = a_world(classic_customer_gateway_reusable=reusable)
        new = new_gateway(world)
        if reusable:
            assert new_connection(world, new)
        else:
            code = refusal(world, "CreateVpnConnection", **creation(new))
            assert code == "InvalidCustomerGateway.DuplicateIpAddress"

    @pytest.mark.parametrize("beside", ["VPN", "VPN-Classic", "refuse"])
    def test_a_connection_beside_a_classic_one(self, beside):
        """A switch decides the category of a new connection on a Classic gateway."""
        world = a_world(beside_classic=beside)
        customer = another_customer(world)
        if beside == "refuse":
            code = refusal(world, "CreateVpnConnection", **creation(OLD, customer))
            assert code == "UnsupportedOperation"
        else:
            made = new_connection(world, OLD, customer)
            assert connection(world, made)["Category"] == beside

    def test_equal_asns_clash(self):
        """A customer gateway with the ASN of the virtual private gateway is an AsnConflict."""
        world = a_world()
        new = new_gateway(world, AmazonSideAsn=65010)
        assert refusal(world, "CreateVpnConnection", **creation(new)) == "AsnConflict"

    def test_a_deleted_connection_does_not_count_as_the_pairs(self):
        """After a deletion the same pair gets a new connection."""
        world = a_world()
        new = new_gateway(world)
        first = new_connection(world, new)
        ask(world, "DeleteVpnConnection", VpnConnectionId=first)
        wait(world)
        assert new_connection(world, new) != first

    def test_the_quota_of_a_gateway(self):
        """The eleventh connection on a gateway is VpnConnectionLimitExceeded."""
        world = a_world(same_pair_returns_existing=False)
        new = new_gateway(world)
        for _ in range(10):
            new_connection(world, new)
        error = refused(world, "CreateVpnConnection", **creation(new))
        assert error.code == "VpnConnectionLimitExceeded"
        assert "mutating" not in error.message


def test_a_static_configuration_has_no_bgp():
    """The XML of a static connection says NoBGPVPNConnection and has no bgp element."""
    root = fromstring(
        connection(a_world("single-static"), "vpn-0a200000000000001")[
            "CustomerGatewayConfiguration"
        ]
    )
    assert root.findtext("vpn_connection_attributes") == "NoBGPVPNConnection"
    assert list(root.iter("bgp")) == []
    bgp = fromstring(connection(a_world())["CustomerGatewayConfiguration"])
    assert [asn.text for asn in bgp.iter("asn")] == ["65010", "7224"] * 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vpn-gateway-id", OLD),
        ("customer-gateway-id", CUSTOMER),
        ("state", "available"),
        ("option.static-routes-only", "false"),
        ("bgp-asn", "65010"),
        ("type", "ipsec.1"),
        ("tag:Name", "hq"),
        ("vpn-connection-id", OLD_VPN),
    ],
)
def test_each_filter_finds_and_excludes(name, value):
    """Every filter finds a connection by its value and does not find it by another."""
    world = a_world()

    def found(text: str) -> list[str]:
        filters = [{"Name": name, "Values": [text]}]
        rows = ask(world, "DescribeVpnConnections", Filters=filters)["VpnConnections"]
        return [row["VpnConnectionId"] for row in rows]

    assert found(value) == [OLD_VPN]
    assert found("something-else") == []


def test_unknown_ends_are_named_with_their_codes():
    """Unknown gateway, customer gateway and connection have EC2's own codes."""
    world = a_world()
    unknown = "vgw-00000000000000000"
    code = refusal(world, "CreateVpnConnection", **creation(unknown))
    assert code == "InvalidVpnGatewayID.NotFound"
    missing = creation(OLD, "cgw-00000000000000000")
    assert refusal(world, "CreateVpnConnection", **missing) == "InvalidCustomerGatewayID.NotFound"
    malformed = creation(OLD, "cgw-1")
    code = refusal(world, "CreateVpnConnection", **malformed)
    assert code == "InvalidCustomerGatewayId.Malformed"
    code = refusal(world, "DeleteVpnConnection", VpnConnectionId="vpn-00000000000000000")
    assert code == "InvalidVpnConnectionID.NotFound"
