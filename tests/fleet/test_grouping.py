"""From a discovery to waves."""

from __future__ import annotations

import pytest

from vpnmigrate.fleet.grouping import WaveSizes, campaign_of, discovery_document
from vpnmigrate.model.errors import MalformedFileError, NothingToMigrateError

ROLE = "arn:aws:iam::111111111111:role/Change"


def gateway(number: int, *devices: str, account: str = "111111111111", **changed):
    """Return a gateway as ``discover --json`` has it, with a connection for each device."""
    connections = [
        {
            "connection": f"vpn-{number}{place}",
            "customer_gateway": f"cgw-{number}{place}",
            "device": {"ip": address, "asn": "65000"},
            "static_prefixes": [],
        }
        for place, address in enumerate(devices)
    ]
    return {
        "account": account,
        "account_name": "shop",
        "region": "eu-west-1",
        "gateway": f"vgw-{number}",
        "vpc": f"vpc-{number}",
        "connections": connections,
        "group": "can",
        "can_be_migrated": True,
        "why": [],
        "something_new": 1,
        **changed,
    }


def document(*gateways, **changed):
    whole = {"schema": "vpnmigrate/discover/1", "complete": True, "gateways": list(gateways)}
    return discovery_document({**whole, **changed}, "d.json")


def waves(*gateways, canary: int = 1, others: int = 10):
    found = campaign_of(document(*gateways), "c", "standard", {}, WaveSizes(canary, others))
    return [[member.id for member in wave.members] for wave in found.waves]


def test_the_canary_shares_least_and_is_the_smallest() -> None:
    """What goes wrong first should concern one site, with few connections."""
    shared = [gateway(1, "192.0.2.1"), gateway(2, "192.0.2.1")]

    assert waves(*shared, gateway(3, "192.0.2.3", "192.0.2.4")) == [["vgw-3"], ["vgw-1", "vgw-2"]]
    assert waves(gateway(1, "192.0.2.1", "192.0.2.2"), gateway(2, "192.0.2.3")) == [
        ["vgw-2"],
        ["vgw-1"],
    ]
    assert waves(gateway(1), gateway(2), gateway(3), canary=2) == [["vgw-1", "vgw-2"], ["vgw-3"]]
    assert waves(gateway(1), canary=2) == [["vgw-1"]]


def test_paths_of_one_site_are_in_different_waves() -> None:
    """The second path is touched when the first has proven itself, as far as there are waves."""
    pair = [gateway(n, "192.0.2.1") for n in (1, 2)]
    alone = [gateway(n, f"192.0.2.{n}0") for n in (3, 4, 5)]

    assert waves(*pair, *alone, others=2) == [["vgw-3"], ["vgw-4", "vgw-5"], ["vgw-1", "vgw-2"]]
    assert waves(*pair, *alone, gateway(6, "192.0.2.60"), others=3) == [
        ["vgw-3"],
        ["vgw-4", "vgw-5", "vgw-6"],
        ["vgw-1", "vgw-2"],
    ]
    two_pairs = [gateway(n, f"192.0.2.{n % 2}") for n in (1, 2, 3, 4)]
    assert waves(gateway(9), *two_pairs, others=2) == [
        ["vgw-9"],
        ["vgw-1", "vgw-2"],
        ["vgw-3", "vgw-4"],
    ]


def test_a_member_names_all_that_it_shares() -> None:
    """Devices, customer gateways, prefixes; and how its account is reached."""
    one = gateway(1, "192.0.2.2", "192.0.2.1", name="prod")
    one["connections"][0]["static_prefixes"] = ["10.0.0.0/8"]
    one["connections"].append({"connection": "vpn-x", "customer_gateway": None, "device": None})
    found = campaign_of(document(one), "c", "strict", {"111111111111": ROLE})

    (member,) = found.members
    assert member.devices == ("192.0.2.1", "192.0.2.2")
    assert member.customer_gateways == ("cgw-10", "cgw-11")
    assert member.prefixes == ("10.0.0.0/8",)
    assert (member.name, member.vpc, member.connections) == ("prod", "vpc-1", 3)
    assert member.plan == "plans/vgw-1.json"
    assert found.accounts["111111111111"].role == ROLE
    assert found.playbook == "strict"


def test_ids_are_unique_and_what_cannot_be_migrated_is_left_out() -> None:
    """The copies of a sandbox have one id in several accounts."""
    no = gateway(2, can_be_migrated=False, group="cannot")
    twice = [gateway(1), gateway(1, account="222222222222")]

    assert waves(*twice, no) == [
        ["vgw-1-111111111111-eu-west-1"],
        ["vgw-1-222222222222-eu-west-1"],
    ]
    with pytest.raises(NothingToMigrateError):
        waves(no)


@pytest.mark.parametrize("damage", [[], {"schema": "vpnmigrate/status/1"}, {"gateways": 1}])
def test_another_document_is_refused(damage) -> None:
    """A file of another command has no gateways, which is no reason for an empty campaign."""
    with pytest.raises(MalformedFileError, match=r"^d\.json: "):
        discovery_document(
            {"schema": "vpnmigrate/discover/1", **damage} if isinstance(damage, dict) else damage,
            "d.json",
        )
