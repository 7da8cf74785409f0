"""Planning never fails unexpectedly: any survey gives a plan or an error with advice."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.builders import (
    MIGRATION,
    NOON,
    OLD,
    VPC,
    a_connection,
    a_customer_gateway,
    a_gateway,
    a_survey,
    some_telemetry,
)
from tests.support.expected_end import expected_end
from vpnmigrate.model.changes import AttachVpnGateway, DetachVpnGateway, ReplaceRoute
from vpnmigrate.model.decisions import Decisions, InsideMode, OldTunnels, TestVpc
from vpnmigrate.model.ec2 import (
    AssociationRecord,
    Attached,
    ConnectionRecord,
    CustomerGatewayId,
    CustomerGatewayRecord,
    RouteRecord,
    RouteTableRecord,
    StaticPrefixRecord,
    TunnelReading,
    TunnelRecord,
    VpcRecord,
)
from vpnmigrate.model.errors import NothingToMigrateError, PreflightError, VpnMigrateError
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.survey import Survey
from vpnmigrate.planning.drift import configuration, differences
from vpnmigrate.planning.planner import fingerprint, plan_from

# Coverage of these modules is measured by their own tests.
pytestmark = pytest.mark.no_cover

some = settings(max_examples=50)
"""Number of examples; fewer already include every kind of table and connection."""

NETWORKS = ("0.0.0.0/0", "10.1.0.0/16", "10.1.2.0/24", "2001:db8::/32", "::/0")
TARGETS = (OLD, "local", "igw-1", "vgw-strange")
STATES = ("pending", "available", "deleting", "deleted", "modifying")

mostly_available = st.sampled_from(("available", "available", "available", *STATES))
tags = st.dictionaries(st.sampled_from(("Name", "aws:x", "team")), st.text(max_size=5), max_size=2)

routes = st.builds(
    RouteRecord,
    destination=st.sampled_from((*NETWORKS, "pl-1")),
    target=st.sampled_from(TARGETS),
    origin=st.sampled_from(("CreateRoute", "CreateRoute", "Advertisement")),
    state=st.sampled_from(("active", "blackhole", "filtered")),
)
# EC2 propagates networks; a route is static or propagated per destination and origin, once.
learned = st.builds(
    RouteRecord,
    destination=st.sampled_from(NETWORKS),
    target=st.just(OLD),
    origin=st.just("EnableVgwRoutePropagation"),
    state=st.sampled_from(("active", "blackhole")),
)


LOCAL = RouteRecord("10.0.0.0/16", "local", "CreateRouteTable")


def _by_destination(found: list[RouteRecord]) -> tuple[RouteRecord, ...]:
    return tuple({(r.destination, r.origin): r for r in found}.values())


def tables() -> st.SearchStrategy[tuple[RouteTableRecord, ...]]:
    """Draw the route tables of the VPC, each with its own id."""
    table = st.builds(
        RouteTableRecord,
        id=st.sampled_from(("rtb-1", "rtb-2", "rtb-3", "rtb-4")),
        vpc=st.just(VPC),
        associations=st.lists(
            st.builds(
                AssociationRecord,
                id=st.just("rtbassoc-1"),
                subnet=st.sampled_from((None, "subnet-1")),
                gateway=st.sampled_from((None, OLD, "igw-1")),
                main=st.booleans(),
            ),
            max_size=1,
        ).map(tuple),
        propagating=st.sampled_from(((), (OLD,))),
        routes=st.tuples(st.lists(routes, max_size=3), st.lists(learned, max_size=2)).map(
            lambda both: _by_destination([LOCAL, *both[0], *both[1]])
        ),
        tags=tags,
    )
    return st.lists(table, max_size=4, unique_by=lambda t: t.id).map(
        lambda found: tuple(sorted(found, key=lambda t: t.id))
    )


def connections() -> st.SearchStrategy[tuple[ConnectionRecord, ...]]:
    """Draw connections, each with its own id."""
    one = st.builds(
        ConnectionRecord,
        id=st.sampled_from(("vpn-1", "vpn-2", "vpn-3")),
        state=mostly_available,
        category=st.sampled_from(("VPN-Classic", "VPN-Classic", "VPN-Classic", "VPN", None)),
        customer_gateway=st.sampled_from(("cgw-1", "cgw-2", "cgw-3", None)),
        vpn_gateway=st.just(OLD),
        static_only=st.booleans(),
        prefixes=st.lists(
            st.builds(
                StaticPrefixRecord,
                cidr=st.sampled_from(NETWORKS[:3]),
                state=mostly_available,
            ),
            max_size=2,
            unique_by=lambda p: p.cidr,
        ).map(tuple),
        tunnels=st.lists(
            st.builds(TunnelRecord, st.just("192.0.2.1"), st.sampled_from(("", "169.254.9.0/30"))),
            max_size=2,
        ).map(tuple),
        telemetry=st.lists(
            st.builds(TunnelReading, st.just("192.0.2.1"), st.booleans()), max_size=2
        ).map(tuple),
        tags=tags,
    )
    return st.lists(one, max_size=3, unique_by=lambda c: c.id).map(
        lambda found: tuple(sorted(found, key=lambda c: c.id))
    )


attachments = st.sampled_from(
    (
        (Attached(VPC, "attached"),),
        (Attached(VPC, "attached"),),
        (Attached(VPC, "attached"),),
        (Attached(VPC, "detached"),),
        (Attached(VPC, "attaching"),),
        (),
    )
)


@st.composite
def surveys(draw: st.DrawFn) -> Survey:
    """Draw a survey of a gateway in almost any shape."""
    gateway = a_gateway(state=draw(mostly_available), asn=draw(st.sampled_from((7224, None))))
    devices = [
        CustomerGatewayRecord(CustomerGatewayId(f"cgw-{n}"), draw(mostly_available), 65000 + n)
        for n in (1, 2, 3)
    ]
    return a_survey(
        gateway=replace(gateway, attachments=draw(attachments), tags=draw(tags)),
        vpcs=draw(st.sampled_from(((VpcRecord(VPC, cidrs=("10.0.0.0/16",)),), ()))),
        connections=draw(connections()),
        customer_gateways=tuple(devices),
        route_tables=draw(tables()),
    )


def healthy_connections() -> st.SearchStrategy[tuple[ConnectionRecord, ...]]:
    """Draw connections that can be migrated, each with a device, static or BGP, up or down."""

    def numbered(count: int) -> st.SearchStrategy[tuple[ConnectionRecord, ...]]:
        return st.tuples(*(_healthy(number) for number in range(1, count + 1)))

    return st.integers(1, 3).flatmap(numbered)


def _healthy(number: int) -> st.SearchStrategy[ConnectionRecord]:
    static = a_connection(f"vpn-{number}", customer_gateway=f"cgw-{number}", prefixes=NETWORKS[1:3])
    return st.builds(
        lambda up, speaks_bgp, marks: replace(
            static,
            static_only=not speaks_bgp,
            prefixes=() if speaks_bgp else static.prefixes,
            telemetry=some_telemetry(up=up),
            tags=marks,
        ),
        st.integers(0, 2),
        st.booleans(),
        tags,
    )


healthy_surveys = st.builds(
    lambda connections, tables, marks: a_survey(
        gateway=a_gateway(tags=marks),
        connections=connections,
        customer_gateways=tuple(a_customer_gateway(f"cgw-{n}", asn=65000 + n) for n in (1, 2, 3)),
        route_tables=tables,
    ),
    healthy_connections(),
    tables(),
    tags,
)
healthy_decisions = st.builds(
    Decisions,
    asn=st.sampled_from((None, 64513)),
    test_vpc=st.sampled_from((None, TestVpc("10.255.0.0/24"))),
    old_tunnels=st.sampled_from(OldTunnels),
)

decisions = st.builds(
    Decisions,
    asn=st.sampled_from((None, None, 64513, 65001, 7224)),
    inside=st.sampled_from((InsideMode.AMAZON, InsideMode.AMAZON, *InsideMode)),
    test_vpc=st.sampled_from((None, TestVpc("10.255.0.0/24"), TestVpc("10.0.0.0/8"))),
    old_tunnels=st.sampled_from(OldTunnels),
    recreate_aws_vpn=st.booleans(),
)


def _planned(survey: Survey, chosen: Decisions) -> Plan | VpnMigrateError:
    try:
        return plan_from(survey, chosen, "x", migration=MIGRATION, made=NOON, tool="test")
    except (PreflightError, NothingToMigrateError) as refusal:
        return refusal


@some
@given(surveys(), decisions)
def test_any_survey_gives_a_plan_or_a_named_refusal(survey: Survey, chosen: Decisions) -> None:
    """For any account the result is a plan or a finding with its fix."""
    answer = _planned(survey, chosen)

    if isinstance(answer, VpnMigrateError):
        assert answer.advice
    else:
        assert answer.fingerprint == fingerprint(answer)


@some
@given(healthy_surveys, healthy_decisions)
def test_a_plan_swaps_once_and_moves_every_route(survey: Survey, chosen: Decisions) -> None:
    """A plan detaches the old gateway once, and changes exactly its static routes."""
    plan = _planned(survey, chosen)

    assert isinstance(plan, Plan)
    forward = [change for step in plan.forward for change in step.changes]
    back = [change for step in plan.back for change in step.changes]
    static = {(t.id, r.destination) for t in survey.route_tables for r in t.static_routes_to(OLD)}
    assert forward.count(DetachVpnGateway(OLD, VPC)) == 1
    assert back.count(AttachVpnGateway(OLD, VPC)) == 1
    assert {(c.table, c.destination) for c in forward if isinstance(c, ReplaceRoute)} == static
    assert {(c.table, c.destination) for c in back if isinstance(c, ReplaceRoute)} == static


@some
@given(healthy_surveys, healthy_decisions)
def test_the_end_names_the_old_gateway_nowhere(survey: Survey, chosen: Decisions) -> None:
    """After step 10 no routing of the VPC names the old gateway."""
    plan = _planned(survey, chosen)

    assert isinstance(plan, Plan)
    end = expected_end(plan, {})
    assert not [item for item in end.items() if OLD in item[0] or item[1] == OLD]


@some
@given(surveys())
def test_a_survey_does_not_drift_from_itself(survey: Survey) -> None:
    """Two equal surveys have no difference, and every fact is text."""
    assert differences(survey, survey) == ()
    assert all(isinstance(value, str) for value in configuration(survey).values())


@some
@given(surveys(), surveys())
def test_drift_is_seen_from_both_sides(one: Survey, other: Survey) -> None:
    """The number of differences is the same in both directions."""
    assert len(differences(one, other)) == len(differences(other, one))
