"""What counts as configuration, and how a change is described."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from tests.support.builders import (
    NOON,
    OLD,
    VPC,
    a_connection,
    a_customer_gateway,
    a_gateway,
    a_survey,
    a_table,
    some_telemetry,
    with_tunnels,
)
from vpnmigrate.model.ec2 import (
    AssociationRecord,
    KeyVisibility,
    RouteRecord,
    StaticPrefixRecord,
    Tag,
    TunnelOptions,
    VpcRecord,
)
from vpnmigrate.model.survey import (
    DirectConnectAssociation,
    Quotas,
    Survey,
    Unread,
    VirtualInterface,
)
from vpnmigrate.planning.drift import Drift, configuration, differences, drift

BEFORE = a_survey()


@pytest.mark.parametrize(
    "now",
    [
        a_survey(taken=NOON + timedelta(days=3)),
        a_survey(
            connections=(msgspec.structs.replace(a_connection(), telemetry=some_telemetry(up=0)),)
        ),
        a_survey(gateway=a_gateway(tags={Tag.CLAIM: "ann", Tag.MIGRATION: "mig-1"})),
        a_survey(other_gateways=(a_gateway("vgw-other", on=None),)),
        a_survey(other_connections=(a_connection("vpn-other"),)),
        a_survey(quotas=Quotas(gateways_per_region=50), unread=(Unread("quotas", "x"),)),
        a_survey(connections=(a_connection(), a_connection("vpn-ghost", state="deleted"))),
        a_survey(vpcs=(*BEFORE.vpcs, VpcRecord("vpc-2"))),  # type: ignore[arg-type]
        a_survey(virtual_interfaces=(VirtualInterface("dxvif-1", "deleted", OLD),)),
        a_survey(associations=(DirectConnectAssociation("a-1", "disassociated", "dxgw-1"),)),
    ],
    ids=[
        "time",
        "telemetry",
        "our tags",
        "other gateways",
        "other connections",
        "quotas",
        "deleted connections",
        "other VPCs",
        "deleted virtual interfaces",
        "ended associations",
    ],
)
def test_what_changes_by_itself_is_no_drift(now: Survey) -> None:
    """Telemetry, claims, other gateways, quotas and deleted resources are not configuration."""
    assert differences(BEFORE, now) == ()


def test_propagated_routes_and_route_states_are_no_drift() -> None:
    """Routes that depend on the tunnels are not configuration."""
    before = a_survey(route_tables=(a_table(propagates=OLD, learned=["10.1.0.0/16"]),))
    now = a_survey(route_tables=(a_table(propagates=OLD, learned=["10.2.0.0/16"]),))
    alive = a_survey(route_tables=(a_table(static={"10.0.0.0/8": OLD}),))
    dead = a_survey(route_tables=(a_table(static={"10.0.0.0/8": OLD}, dead=["10.0.0.0/8"]),))

    assert differences(before, now) == differences(alive, dead) == ()


def test_association_ids_are_no_drift() -> None:
    """A new association of the same two resources is no difference, although its id is new."""
    old, new = (
        msgspec.structs.replace(
            a_table(), associations=(AssociationRecord(id_, subnet="subnet-1"),)
        )
        for id_ in ("rtbassoc-1", "rtbassoc-2")
    )

    assert differences(a_survey(route_tables=(old,)), a_survey(route_tables=(new,))) == ()


def test_a_route_is_told_with_both_targets() -> None:
    """A changed route is one sentence with table, destination, old and new target."""
    before = a_survey(route_tables=(a_table("rtb-1", static={"10.0.0.0/8": OLD}),))
    now = a_survey(route_tables=(a_table("rtb-1", static={"10.0.0.0/8": "igw-b"}),))

    assert differences(before, now) == ("rtb-1: route 10.0.0.0/8 pointed at vgw-old, now at igw-b",)


@pytest.mark.parametrize(
    ("now", "text"),
    [
        (
            a_survey(gateway=a_gateway(asn=65000)),
            "vgw-old: Amazon-side ASN was 7224, now 65000",
        ),
        (
            a_survey(gateway=a_gateway(tags={"team": "core"})),
            "vgw-old: tag team (core) is new",
        ),
        (
            a_survey(connections=(a_connection(state="modifying"),)),
            "vpn-old: state was available, now modifying",
        ),
        (
            a_survey(connections=(a_connection(category="VPN"),)),
            "vpn-old: category was VPN-Classic, now VPN",
        ),
        (
            a_survey(connections=(a_connection(customer_gateway="cgw-9"),)),
            "vpn-old: customer gateway was cgw-1, now cgw-9",
        ),
        (
            a_survey(customer_gateways=(a_customer_gateway(asn=65001),)),
            "cgw-1: ASN was 65000, now 65001",
        ),
        (
            a_survey(vpcs=(VpcRecord(VPC, cidrs=("10.0.0.0/16", "10.9.0.0/16")),)),
            "vpc-1: network 10.9.0.0/16 is new",
        ),
        (
            a_survey(virtual_interfaces=(VirtualInterface("dxvif-1", "available", OLD),)),
            "dxvif-1: virtual interface on vgw-old is new",
        ),
        (
            a_survey(associations=(DirectConnectAssociation("a-1", "associated", "dxgw-1"),)),
            "a-1: Direct Connect gateway (dxgw-1) is new",
        ),
    ],
)
def test_a_change_is_told_field_by_field(now: Survey, text: str) -> None:
    """Every configuration fact that differs has a sentence with its subject and its values."""
    assert differences(BEFORE, now) == (text,)


@pytest.mark.parametrize(
    ("table", "text"),
    [
        (a_table("rtb-1"), "rtb-1: propagation vgw-old is gone"),
        (
            a_table("rtb-1", propagates=OLD, static={"10.0.0.0/8": OLD}),
            "rtb-1: route 10.0.0.0/8 to vgw-old is new",
        ),
        (
            a_table("rtb-1", propagates=OLD, edge_of=OLD),
            "rtb-1: edge association vgw-old is new",
        ),
        (a_table("rtb-1", propagates=OLD, main=True), "rtb-1: main table is new"),
    ],
)
def test_a_table_is_compared_in_all_its_parts(table: object, text: str) -> None:
    """Propagation, routes, edge associations and the main table are configuration."""
    before = a_survey(route_tables=(a_table("rtb-1", propagates=OLD),))

    assert differences(before, a_survey(route_tables=(table,))) == (text,)


def test_a_static_prefix_that_is_leaving_has_gone() -> None:
    """A prefix that EC2 is deleting no longer counts as configured."""
    old = a_connection(prefixes=["10.1.0.0/16"])
    leaving = msgspec.structs.replace(
        old, prefixes=(StaticPrefixRecord("10.1.0.0/16", "deleting"),)
    )

    found = differences(a_survey(connections=(old,)), a_survey(connections=(leaving,)))

    assert found == ("vpn-old: static prefix 10.1.0.0/16 is gone",)


def test_a_lost_attachment_is_told() -> None:
    """A detached gateway is a difference, although its VPC can no longer be read from it."""
    found = differences(BEFORE, a_survey(gateway=a_gateway(attachment="detached")))

    assert "vgw-old: attachment vpc-1 (attached) is gone" in found


def test_routes_of_other_services_are_no_configuration() -> None:
    """A route that a route server advertises is not configuration."""
    table = msgspec.structs.replace(
        a_table("rtb-1"), routes=(RouteRecord("10.9.0.0/16", "eni-1", "Advertisement"),)
    )

    assert not any("10.9" in path for path in configuration(a_survey(route_tables=(table,))))


class TestIndependence:
    """A fact that no step depends on does not close the gate."""

    @pytest.mark.parametrize(
        ("destination", "target", "independent"),
        [
            ("10.0.7.0/24", "eni-node", True),
            ("2001:db8:7::/64", "eni-node", True),
            # The device advertises 10.1.0.0/16, and 192.168.0.0/16 is static to the gateway.
            ("10.1.7.0/24", "eni-node", False),
            ("0.0.0.0/0", "nat-1", False),
            ("192.168.0.0/16", "eni-node", False),
            ("10.0.7.0/24", OLD, False),
            ("pl-1", "eni-node", False),
        ],
    )
    def test_a_route_matters_if_it_may_take_on_premises_traffic(
        self, destination: str, target: str, *, independent: bool
    ) -> None:
        """A controller adds routes to its nodes, inside the VPC's own range."""
        table = BEFORE.route_tables[0]
        routes = tuple(r for r in table.routes if r.destination != destination)
        changed = msgspec.structs.replace(table, routes=(*routes, RouteRecord(destination, target)))
        now = a_survey(route_tables=(changed, *BEFORE.route_tables[1:]))

        found = drift(BEFORE, now)

        assert found.breaking + found.independent == differences(BEFORE, now)
        assert bool(found.independent) is independent
        assert bool(found.breaking) is not independent

    def test_tags_matter_if_they_are_copied(self) -> None:
        """A cluster tags the VPC and its tables; the successors copy tags of the old side."""
        vpc = msgspec.structs.replace(BEFORE.vpcs[0], tags={"kubernetes.io/cluster/x": "shared"})
        tagged = a_gateway(tags={"team": "network"})

        assert drift(BEFORE, a_survey(vpcs=(vpc,))).breaking == ()
        assert drift(BEFORE, a_survey(vpcs=(vpc,))).independent != ()
        assert drift(BEFORE, a_survey(gateway=tagged)).independent == ()
        assert drift(BEFORE, a_survey(gateway=tagged)).breaking != ()

    def test_a_changed_option_matters(self) -> None:
        """An option, a selector or the place of a key of an old tunnel is compared."""
        old = a_connection()
        options = TunnelOptions(dpd_timeout_seconds=40)
        for changed in (
            msgspec.structs.replace(old, local_network="10.1.0.0/16"),
            with_tunnels(old, options=options),
            with_tunnels(old, key=KeyVisibility.REDACTED),
        ):
            assert drift(BEFORE, a_survey(connections=(changed,))).breaking != ()

    def test_nothing_differs_from_itself(self) -> None:
        """Equal surveys have no drift."""
        assert drift(BEFORE, a_survey()) == Drift()
