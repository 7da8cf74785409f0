"""Gateways and connections of several accounts, by what can be migrated."""

from __future__ import annotations

from msgspec.structs import replace

from tests.support.builders import NOON, a_connection, a_customer_gateway, a_gateway, a_survey
from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.discovery import ClosedAccount, Discovery, RegionSurvey, UnreadPlace
from vpnmigrate.model.ec2 import AWS_VPN, AccountId
from vpnmigrate.model.survey import Unread, VirtualInterface
from vpnmigrate.planning.discovery import (
    DeviceUse,
    DiscoveryGroup,
    direct_connect,
    discovered,
    tables_of,
)

DEVICE = a_customer_gateway()


def a_region(account="111111111111", region="eu-west-1", **fields):
    """Return the ordinary migration's Region, in *account*."""
    ordinary = RegionSurvey(
        NOON, AccountId(account), region, (a_survey(),), customer_gateways=(DEVICE,)
    )
    return replace(ordinary, **fields)


def found(*regions, **others):
    return discovered(Discovery(regions, **others), Decisions())


def test_a_gateway_is_in_the_group_of_its_verdict():
    """The verdict is that of ``list``; groups come in the order of the views."""
    modern = a_survey(connections=(replace(a_connection(), category=AWS_VPN),))
    detached = a_survey(gateway=a_gateway(on=None))

    result = found(a_region(surveys=(modern, detached, a_survey())))

    assert [each.group for each in result.gateways] == [
        DiscoveryGroup.CAN,
        DiscoveryGroup.CANNOT,
        DiscoveryGroup.NOT_NEEDED,
    ]
    assert "VPM-B202" in result.of(DiscoveryGroup.CANNOT)[0].why[0]


def test_a_connection_without_a_gateway_of_the_region_is_listed_with_its_end():
    """A transit gateway, a gateway that does not exist any more, and nothing."""
    ends = (
        replace(a_connection("vpn-1", on=None), elsewhere="tgw-1"),
        a_connection("vpn-2", on="vgw-gone"),
        a_connection("vpn-3", on=None),
    )

    (each,) = found(a_region(surveys=(), elsewhere=ends)).gateways

    assert each.group is DiscoveryGroup.ELSEWHERE
    assert len(each.connections) == 3
    assert [w for w in ("tgw-1", "vgw-gone", "nothing") if w not in " ".join(each.why)] == []


class TestDevices:
    def test_a_device_is_found_again_in_another_account_by_its_address(self):
        """The customer gateways of two accounts with one address are one device."""
        other = replace(DEVICE, id="cgw-2")
        elsewhere = a_region(
            "222222222222",
            "us-east-1",
            surveys=(),
            elsewhere=(a_connection("vpn-9", on="vgw-9", customer_gateway="cgw-2"),),
            customer_gateways=(other,),
        )

        result = found(a_region(), elsewhere)

        (use,) = result.gateways[0].connections[0].also
        assert use == DeviceUse("222222222222", "us-east-1", "vgw-9", "vpn-9", "cgw-2")

    def test_a_device_without_an_address_is_its_record(self):
        """The same id in another Region is another customer gateway."""
        unknown = replace(DEVICE, ip="")
        here = a_region(
            customer_gateways=(unknown,), elsewhere=(a_connection("vpn-2", on="vgw-2"),)
        )
        there = a_region(region="us-east-1", customer_gateways=(unknown,))

        result = found(here, there)

        uses = [use.connection for use in result.gateways[0].connections[0].also]
        assert uses == ["vpn-2"]


def test_a_place_that_two_roles_reach_is_shown_once():
    """The account was named twice, and has one gateway."""
    result = found(a_region(), a_region())

    assert len(result.places) == len(result.gateways) == 1


def test_what_was_not_read_is_part_of_the_result():
    """Accounts and Regions without an answer, and accounts that AWS has closed."""
    lost = UnreadPlace("no", "222222222222", "us-east-1")
    closed = ClosedAccount("333333333333", "old", "SUSPENDED")

    result = found(a_region(surveys=()), unread=(lost,), closed=(closed,))

    assert (result.unread, result.closed) == ((lost,), (closed,))
    assert result.places[0].account == "111111111111"


def test_direct_connect_that_could_not_be_read_is_not_taken_for_none():
    """A gateway has interfaces, or why they are unknown."""
    survey = a_survey(
        virtual_interfaces=(VirtualInterface("dxvif-1", "available", "vgw-old"),),
        unread=(Unread("direct_connect", "denied"), Unread("quotas", "denied")),
    )

    (each,) = found(a_region(surveys=(survey,))).gateways

    assert direct_connect(each) == ("dxvif-1", "not read: denied")


def test_tables_are_listed_by_how_they_refer_to_the_gateway():
    """A table with propagation and a static route is in both lists, and counted once."""
    (each,) = found(a_region()).gateways

    tables = tables_of(each)

    assert tables.propagating == ("rtb-both", "rtb-main")
    assert tables.static == ("rtb-both",)
    assert tables.ids == ("rtb-both", "rtb-main")
    assert tables.others == 0
