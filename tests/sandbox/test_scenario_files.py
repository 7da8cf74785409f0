"""Scenario files: the bundled ones, and messages about mistakes."""

from __future__ import annotations

import pytest

from tests.sandbox.worlds import (
    BUNDLED,
    a_world,
    ask,
    bundled,
    described,
    gateway,
    propagated,
    table,
    wait,
)
from vpnmigrate.local.documents import (
    LARGEST_SCENARIO,
    load_playbook,
    scenario_text,
)
from vpnmigrate.local.text_files import MEGABYTE
from vpnmigrate.model.errors import MalformedFileError
from vpnmigrate.sandbox.scenarios.parser import scenario_from_text

MISTAKES = {
    "title: x\ngateway: []\n": (2, "gateway"),
    "title: 1\n": (1, "title"),
    "vpcs: []\n": (1, "title"),
    "title: x\nvpcs:\n  - id: vpc-1\n    cidrs: [nonsense]\n": (4, "vpcs[0].cidrs[0]"),
    "title: x\nvpcs:\n  - {id: foo-1, cidrs: []}\n": (3, "vpcs[0].id"),
    "title: x\nvpcs:\n  - {id: vpc-1, cidrs: []}\n  - {id: vpc-1, cidrs: []}\n": (
        4,
        "vpcs[1].id",
    ),
    "title: x\ngateways:\n  - id: vgw-1\n    vpc: vpc-1\n": (4, "gateways[0].vpc"),
    "title: x\nquotas:\n  gateways: 5\n": (3, "quotas.gateways"),
    "title: x\nvpcs: [{id: vpc-1, cidrs: []}]\ngateways:\n  - {id: vgw-1, vpc: vpc-1}\n"
    "  - {id: vgw-2, vpc: vpc-1}\n": (5, "gateways[1].vpc"),
    "title: x\nvpcs: [{id: vpc-1, cidrs: []}]\nroute_tables:\n  - id: rtb-1\n    vpc: vpc-1\n"
    "    routes: {somewhere: igw-1}\n": (6, "route_tables[0].routes.somewhere"),
    "title: x\ncustomer_gateways: [{id: cgw-1}]\nconnections:\n"
    "  - id: vpn-1\n    customer_gateway: cgw-1\n": (4, "connections[0]"),
    "title: x\ncustomer_gateways: [{id: cgw-1}]\nconnections:\n  - id: vpn-1\n"
    "    customer_gateway: cgw-1\n    elsewhere: tgw-1\n    prefixes: [10.0.0.0/8]\n": (
        7,
        "connections[0].prefixes",
    ),
    "title: x\nconnections:\n  - id: vpn-1\n    customer_gateway: cgw-1\n"
    "    tunnels: [up, sideways]\n": (5, "connections[0].tunnels[1]"),
}


class TestBundled:
    def test_the_promised_ones_are_there(self):
        """Every situation that planning distinguishes has a scenario."""
        assert {
            "single-bgp",
            "single-static",
            "three-connections",
            "mixed-category",
            "direct-connect",
            "nothing-classic",
            "cloudhub",
        } <= set(BUNDLED)

    @pytest.mark.parametrize("name", BUNDLED)
    def test_each_is_a_quiet_world(self, name):
        """Every scenario loads with its gateway attached, connections available, tunnels up."""
        world = a_world(name)
        gateways = ask(world, "DescribeVpnGateways")["VpnGateways"]
        assert [g["VpcAttachments"][0]["State"] for g in gateways] == ["attached"] * len(gateways)
        for row in ask(world, "DescribeVpnConnections")["VpnConnections"]:
            assert row["State"] == "available"
            assert "UP" in [tunnel["Status"] for tunnel in row["VgwTelemetry"]]
        assert bundled(name).title

    @pytest.mark.parametrize("name", BUNDLED)
    def test_time_alone_changes_nothing(self, name):
        """A world without changes answers the same a day later."""
        world = a_world(name)
        before = described(world)
        wait(world, 24 * 3600)
        assert described(world) == before


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_named_with_line_and_field(text):
    """A mistake in a scenario file is reported with file, line and field."""
    line, field = MISTAKES[text]
    with pytest.raises(MalformedFileError) as caught:
        scenario_from_text(text, "mine.yaml")
    message = str(caught.value)
    assert message.startswith(f"mine.yaml, line {line}: ")
    assert f" {field}: " in message or f"`{field}`" in message


def test_a_table_of_every_kind_is_in_the_large_scenario():
    """It has a propagating main table, a mixed table, a static, an edge and an unrelated one."""
    world = a_world("three-connections")
    rows = [table(world, f"rtb-0a30000000000000{number}") for number in range(1, 6)]
    kinds = [
        (
            bool(row["PropagatingVgws"]),
            any(
                route["Origin"] == "CreateRoute" and route.get("GatewayId", "")[:4] == "vgw-"
                for route in row["Routes"]
            ),
            any("GatewayId" in tie for tie in row["Associations"]),
        )
        for row in rows
    ]
    assert kinds == [
        (True, False, False),
        (True, True, False),
        (False, True, False),
        (False, False, True),
        (False, False, False),
    ]
    assert len(propagated(world, "rtb-0a300000000000001")) == 5
    assert gateway(world, "vgw-0a300000000000001")["AmazonSideAsn"] == 7224


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("title: x\nvpcs: [{id: vpc-1, cidr: 10.0.0.0/8}]\n", "cidrs"),
        ("title: x\nquotas: {gateways: 1}\n", "gateways_per_region"),
        ("name: x\n", "title"),
    ],
)
def test_a_misspelt_field_is_answered_with_those_there_are(text, field):
    """The advice lists the fields that are possible at that place."""
    with pytest.raises(MalformedFileError) as caught:
        scenario_from_text(text, "mine.yaml")
    assert field in caught.value.advice_text.removeprefix("fields: ").split(", ")


def test_a_scenario_file_may_be_larger_than_a_megabyte(tmp_path):
    """A scenario has a limit of 256 MB; a playbook, which people write, has one of 1 MB."""
    file = tmp_path / "large.yaml"
    file.write_text(f"# {'x' * (2 * MEGABYTE)}\ntitle: Large\n")

    assert scenario_text(str(file)).text.endswith("title: Large\n")
    assert LARGEST_SCENARIO == 256 * MEGABYTE
    with pytest.raises(MalformedFileError, match="larger than 1 MB"):
        load_playbook(str(file))
