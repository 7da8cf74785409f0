"""Describe answers converted to records."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.devices.documents import OLD_ENDS, OLD_KEYS, a_document
from vpnmigrate.aws import parse
from vpnmigrate.aws.parse import table_record
from vpnmigrate.model.ec2 import (
    AssociationRecord,
    Attached,
    ConnectionRecord,
    KeyVisibility,
    RouteRecord,
    StaticPrefixRecord,
    TunnelReading,
    TunnelRecord,
    VpcId,
    VpnConnectionId,
)

SINCE = datetime(2026, 1, 17, 2, 0, tzinfo=UTC)


def a_row(**more: Any) -> Any:
    """Return a connection as EC2 describes it."""
    return {
        "VpnConnectionId": "vpn-1",
        "State": "available",
        "Category": "VPN-Classic",
        "CustomerGatewayId": "cgw-1",
        "VpnGatewayId": "vgw-1",
        "CustomerGatewayConfiguration": a_document(),
        "VgwTelemetry": [
            {"OutsideIpAddress": "203.0.113.20", "Status": "DOWN", "AcceptedRouteCount": 0},
            {
                "OutsideIpAddress": "203.0.113.10",
                "Status": "UP",
                "StatusMessage": "2 BGP ROUTES",
                "AcceptedRouteCount": 2,
                "LastStatusChange": SINCE,
            },
        ],
        **more,
    }


class TestConnection:
    """VPN connections."""

    def test_no_key_in_the_record(self):
        """A record contains no key, whatever EC2 sends."""
        row = a_row(Options={"TunnelOptions": [{"PreSharedKey": key} for key in OLD_KEYS]})

        encoded = msgspec.json.encode(parse.connection_record(row)).decode()
        assert not any(key in encoded for key in OLD_KEYS)

    def test_inside_networks_of_a_classic_connection(self):
        """Classic connections have no tunnel options, only the configuration (domain.md 1.1)."""
        assert parse.connection_record(a_row()).tunnels == (
            TunnelRecord("203.0.113.10", "169.254.44.40/30", key=KeyVisibility.SHOWN),
            TunnelRecord("203.0.113.20", "169.254.44.44/30", key=KeyVisibility.SHOWN),
        )

    def test_tunnels_are_joined_by_outside_address(self):
        """Options in another order than the configuration are joined correctly (case 36)."""
        options = [
            {"OutsideIpAddress": "203.0.113.20", "TunnelInsideCidr": "169.254.9.6/30"},
            {"OutsideIpAddress": "203.0.113.10"},
        ]
        row = a_row(Options={"TunnelOptions": options})

        assert parse.connection_record(row).tunnels == (
            TunnelRecord("203.0.113.10", "169.254.44.40/30", key=KeyVisibility.SHOWN),
            TunnelRecord("203.0.113.20", "169.254.9.4/30", key=KeyVisibility.SHOWN),
        )

    def test_telemetry(self):
        """Telemetry is sorted by outside address; UP comes from the status, not from the text."""
        assert parse.connection_record(a_row()).telemetry == (
            TunnelReading("203.0.113.10", True, "2 BGP ROUTES", 2, SINCE),
            TunnelReading("203.0.113.20", False),
        )

    @pytest.mark.parametrize("category", [None, ""])
    def test_missing_category(self, category):
        """A missing category is None (case 3)."""
        assert parse.connection_record(a_row(Category=category)).category is None

    def test_unknown_words_survive(self):
        """Unknown states and categories are kept unchanged (case 19)."""
        record = parse.connection_record(a_row(State="modifying", Category="VPN-Next"))

        assert (record.state, record.category) == ("modifying", "VPN-Next")

    @pytest.mark.parametrize("field", ["TransitGatewayId", "CoreNetworkArn", "VpnConcentratorId"])
    def test_elsewhere(self, field):
        """The other kind of gateway of a connection is named (case 5)."""
        record = parse.connection_record(a_row(VpnGatewayId=None, **{field: "x-1"}))

        assert (record.vpn_gateway, record.elsewhere) == (None, "x-1")

    def test_static_prefixes(self):
        """Prefixes are canonical and sorted, with their states, deleted ones included."""
        routes = [
            {"DestinationCidrBlock": "192.168.9.1/16", "State": "available"},
            {"DestinationCidrBlock": "10.1.0.0/16", "State": "deleted"},
        ]
        record = parse.connection_record(a_row(Options={"StaticRoutesOnly": True}, Routes=routes))

        assert record.static_only
        assert record.prefixes == (
            StaticPrefixRecord("10.1.0.0/16", "deleted"),
            StaticPrefixRecord("192.168.0.0/16", "available"),
        )

    @pytest.mark.parametrize("text", ["", "not XML", a_document(OLD_ENDS[:1])])
    def test_a_configuration_that_cannot_be_read(self, text):
        """An invalid configuration leaves the tunnels unknown and does not fail."""
        record = parse.connection_record(a_row(CustomerGatewayConfiguration=text))

        assert record.tunnels == ()

    def test_bare(self):
        """A row with only an id and a state is read."""
        row: Any = {"VpnConnectionId": "vpn-1", "State": "available"}

        assert parse.connection_record(row) == ConnectionRecord(
            VpnConnectionId("vpn-1"), "available"
        )


class TestOthers:
    """Gateways, customer gateways, VPCs and subnets."""

    def test_gateway(self):
        """A gateway's attachments are all kept, detached ones too, sorted by VPC."""
        row: Any = {
            "VpnGatewayId": "vgw-1",
            "State": "available",
            "AmazonSideAsn": 7224,
            "VpcAttachments": [
                {"VpcId": "vpc-2", "State": "detached"},
                {"VpcId": "vpc-1", "State": "attached"},
            ],
            "Tags": [{"Key": "b", "Value": "2"}, {"Key": "aws:cloudformation:x", "Value": "1"}],
        }
        record = parse.gateway_record(row)

        assert record.asn == 7224
        assert record.attachments == (
            Attached(VpcId("vpc-1"), "attached"),
            Attached(VpcId("vpc-2"), "detached"),
        )
        assert list(record.tags) == ["aws:cloudformation:x", "b"]

    @pytest.mark.parametrize(
        ("states", "counts"),
        [
            (("detached", "attached"), "attached"),
            (("detached", "attaching"), "attaching"),
            (("detached", "detaching"), "detaching"),
            (("detached", "detached", "attached"), "attached"),
            (("attached", "detaching"), "detaching"),
            (("attached", "attaching"), "attaching"),
            (("attached", "invented"), "invented"),
            (("detached", "detached"), "detached"),
        ],
    )
    def test_several_rows_of_one_vpc(self, states, counts):
        """In any order, a row that is not detached counts before one that is (domain.md 2.2)."""
        for order in itertools.permutations(states):
            row: Any = {
                "VpnGatewayId": "vgw-1",
                "VpcAttachments": [
                    *({"VpcId": "vpc-1", "State": state} for state in order),
                    {"VpcId": "vpc-2", "State": "detached"},
                ],
            }

            assert parse.gateway_record(row).attachments == (
                Attached(VpcId("vpc-1"), counts),
                Attached(VpcId("vpc-2"), "detached"),
            )

    @pytest.mark.parametrize(
        ("row", "asn"),
        [
            ({"BgpAsn": "65000"}, 65000),
            ({"BgpAsnExtended": "4200000001"}, 4200000001),
            ({"BgpAsn": "65000", "BgpAsnExtended": None}, 65000),
            ({}, None),
        ],
    )
    def test_asn_of_a_customer_gateway(self, row, asn):
        """EC2 gives a device's ASN as text, a 4-byte one in a separate field (domain.md 2.7)."""
        assert parse.customer_gateway_record(row).asn == asn

    def test_networks_of_a_vpc(self):
        """Every associated network is read, IPv4 and IPv6, and no former one."""
        row: Any = {
            "VpcId": "vpc-1",
            "CidrBlock": "10.0.0.0/16",
            "CidrBlockAssociationSet": [
                {"CidrBlock": "10.0.0.0/16", "CidrBlockState": {"State": "associated"}},
                {"CidrBlock": "10.9.0.0/16", "CidrBlockState": {"State": "disassociated"}},
                {"CidrBlock": "10.2.0.0/16", "CidrBlockState": {"State": "associated"}},
            ],
            "Ipv6CidrBlockAssociationSet": [
                {"Ipv6CidrBlock": "2001:db8::/56", "Ipv6CidrBlockState": {"State": "associated"}}
            ],
        }

        assert parse.vpc_record(row).cidrs == ("10.0.0.0/16", "10.2.0.0/16", "2001:db8::/56")


class TestTable:
    """Route tables."""

    def test_every_kind_of_destination(self):
        """IPv4, IPv6 and prefix-list destinations are read and canonical (cases 16 and 51)."""
        row: Any = {
            "Routes": [
                {"DestinationPrefixListId": "pl-1", "GatewayId": "vgw-1", "Origin": "CreateRoute"},
                {"DestinationCidrBlock": "10.1.2.3/16", "GatewayId": "vgw-1"},
                {"DestinationIpv6CidrBlock": "2001:DB8::1/32", "GatewayId": "vgw-1"},
            ]
        }

        destinations = [route.destination for route in table_record(row).routes]
        assert destinations == ["10.1.0.0/16", "2001:db8::/32", "pl-1"]

    @pytest.mark.parametrize(
        "field",
        [
            "GatewayId",
            "NatGatewayId",
            "TransitGatewayId",
            "VpcPeeringConnectionId",
            "EgressOnlyInternetGatewayId",
            "LocalGatewayId",
            "CarrierGatewayId",
            "CoreNetworkArn",
            "NetworkInterfaceId",
            "InstanceId",
        ],
    )
    def test_target(self, field):
        """A route's target is read from any of its fields."""
        row: Any = {"Routes": [{"DestinationCidrBlock": "10.0.0.0/8", field: "x-1"}]}

        assert [route.target for route in table_record(row).routes] == ["x-1"]

    def test_static_and_propagated_twins(self):
        """A static and a propagated route for one destination are both kept (domain.md 2.6)."""
        row: Any = {
            "Routes": [
                {
                    "DestinationCidrBlock": "10.1.0.0/16",
                    "GatewayId": "vgw-1",
                    "Origin": origin,
                    "State": "filtered",
                }
                for origin in ("EnableVgwRoutePropagation", "CreateRoute", "Advertisement")
            ]
        }

        assert table_record(row).routes == tuple(
            RouteRecord("10.1.0.0/16", "vgw-1", origin, "filtered")
            for origin in ("Advertisement", "CreateRoute", "EnableVgwRoutePropagation")
        )

    def test_associations(self):
        """Main, subnet and edge associations are read; one being removed is not (case 14)."""
        row: Any = {
            "Associations": [
                {"RouteTableAssociationId": "a-3", "GatewayId": "vgw-1"},
                {"RouteTableAssociationId": "a-1", "Main": True},
                {
                    "RouteTableAssociationId": "a-4",
                    "GatewayId": "vgw-2",
                    "AssociationState": {"State": "disassociating"},
                },
                {"RouteTableAssociationId": "a-2", "SubnetId": "subnet-1", "Main": False},
            ]
        }

        assert table_record(row).associations == (
            AssociationRecord("a-1", main=True),
            AssociationRecord("a-2", subnet="subnet-1"),
            AssociationRecord("a-3", gateway="vgw-1"),
        )

    def test_propagation(self):
        """Propagating gateways are read; a server without the key has none."""
        row: Any = {"PropagatingVgws": [{"GatewayId": "vgw-2"}, {"GatewayId": "vgw-1"}]}

        assert table_record(row).propagating == ("vgw-1", "vgw-2")
        assert table_record({}).propagating == ()


@given(st.text(max_size=40))
def test_any_destination_is_kept(text):
    """Text that is not a network is unchanged, and the canonical form is stable."""
    assert parse.canonical(parse.canonical(text)) == parse.canonical(text)


@pytest.mark.parametrize(
    "read",
    [
        parse.gateway_record,
        parse.connection_record,
        parse.customer_gateway_record,
        parse.vpc_record,
        parse.subnet_record,
        table_record,
    ],
)
def test_every_field_may_be_missing(read):
    """An empty row, and one with null lists, are read without an error."""
    lists = ("Tags", "Routes", "VpcAttachments", "VgwTelemetry", "Options", "Associations")

    assert read({}) == read(dict.fromkeys(lists))
