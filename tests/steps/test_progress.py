"""Progress view of an observation in the cutover."""

from __future__ import annotations

from msgspec.structs import replace

from tests.support.builders import (
    BACK,
    BOTH,
    FORWARD,
    MAIN,
    NEW,
    NEW_VPN,
    NOON,
    NOTHING_TOLD,
    OLD,
    OLD_VPN,
    PREFIX,
    STEADY,
    a_connection,
    a_plan,
    a_snapshot,
    a_survey,
    a_table,
    journal_facts,
    minutes,
    ordinary_tables,
    our_tags,
    role_of,
)
from vpnmigrate.model.decisions import Decisions, Exceptions, Verification, Waits
from vpnmigrate.model.ec2 import TunnelReading
from vpnmigrate.model.probes import ProbeStats
from vpnmigrate.model.progress import CutoverView, TableView, TunnelView
from vpnmigrate.model.snapshot import TunnelStability
from vpnmigrate.steps.base import StepInput
from vpnmigrate.steps.progress import cutover_view

STATIC = "192.168.0.0/16"
PLAN = a_plan(
    decisions=Decisions(
        waits=Waits(steady=minutes(1), soak=minutes(6)), verification=Verification(readings=4)
    )
)


def swapped(tables=None, up=2):
    return a_snapshot(old="detached", new="attached", tables=tables or ordinary_tables(NEW), up=up)


def tables_of(tables, plan=PLAN):
    return cutover_view(StepInput(plan, FORWARD, swapped(tables), NOTHING_TOLD)).tables


def test_a_look_that_lacks_nothing():
    """The view has tunnels with accepted routes, complete tables, and the time of stability."""
    probe = ProbeStats("10.1.0.9:443")

    assert cutover_view(
        StepInput(PLAN, FORWARD, swapped(), journal_facts(stability=STEADY)), [probe]
    ) == CutoverView(
        tunnels=(
            TunnelView(NEW_VPN, "192.0.2.1", up=True, detail="1 route", readings=300),
            TunnelView(NEW_VPN, "192.0.2.2", up=True, detail="1 route", readings=300),
        ),
        tables=(TableView(BOTH, 2, 2), TableView(MAIN, 1, 1)),
        stable_for=minutes(5),
        holds_for=minutes(1),
        readings=300,
        readings_asked=4,
        probes=(probe,),
    )


def test_a_first_look_that_lacks_much():
    """Before the first complete reading there is no stability and no reading counts."""
    half = (
        a_table(BOTH, propagates=NEW, learned=[PREFIX], static={STATIC: OLD}),
        a_table(MAIN, main=True),
    )

    assert cutover_view(StepInput(PLAN, FORWARD, swapped(half, up=1), NOTHING_TOLD)) == CutoverView(
        tunnels=(
            TunnelView(NEW_VPN, "192.0.2.1", up=True, detail="1 route"),
            TunnelView(NEW_VPN, "192.0.2.2", up=False),
        ),
        tables=(
            TableView(BOTH, 1, 2, f"missing {STATIC}"),
            TableView(MAIN, 0, 1, "propagation is off"),
        ),
        stable_for=None,
        holds_for=minutes(1),
        readings_asked=4,
    )


def test_green_that_broke_shows_no_time():
    """After an incomplete reading earlier readings do not count."""
    broken = replace(STEADY, since=None, readings=0, tunnels={})

    sight = cutover_view(StepInput(PLAN, FORWARD, swapped(), journal_facts(stability=broken)))

    assert (sight.stable_for, sight.readings) == (None, 0)
    assert [tunnel.readings for tunnel in sight.tunnels] == [0, 0]


def test_only_the_tunnel_that_was_seen_up_counts_its_readings():
    """Readings are counted for each tunnel."""
    one = replace(STEADY, tunnels={f"{NEW_VPN} 192.0.2.2": TunnelStability(3)})

    sight = cutover_view(StepInput(PLAN, FORWARD, swapped(), journal_facts(stability=one)))

    assert [tunnel.readings for tunnel in sight.tunnels] == [0, 3]


def test_verified_traffic_has_to_soak():
    """Verified traffic must be stable for the longer of the two times."""
    steadier = a_plan(decisions=Decisions(waits=Waits(steady=minutes(9), soak=minutes(6))))

    assert cutover_view(
        StepInput(PLAN, FORWARD, swapped(), journal_facts(verified=NOON))
    ).holds_for == minutes(6)
    assert cutover_view(
        StepInput(steadier, FORWARD, swapped(), journal_facts(verified=NOON))
    ).holds_for == minutes(9)


def test_a_tunnel_says_what_aws_says_of_it():
    """DOWN has AWS's message, a BGP tunnel its routes, a static one that it is static."""
    readings = (
        TunnelReading("192.0.2.1", up=False, message="IPSEC IS DOWN"),
        TunnelReading("192.0.2.2", up=True, accepted_routes=2),
    )
    tags = our_tags(role_of(OLD_VPN))
    bgp = replace(a_connection(NEW_VPN, on=NEW, category="VPN", tags=tags), telemetry=readings)
    static = replace(bgp, static_only=True)

    for record, said in (
        (bgp, ["IPSEC IS DOWN", "2 routes"]),
        (static, ["IPSEC IS DOWN", "static"]),
    ):
        now = swapped()
        now = replace(now, connections={**now.connections, NEW_VPN: record})
        assert [
            t.detail for t in cutover_view(StepInput(PLAN, FORWARD, now, NOTHING_TOLD)).tunnels
        ] == said


def test_on_the_way_back_the_old_tunnels_are_shown():
    """The view shows the joining side, in either direction."""
    sight = cutover_view(StepInput(PLAN, BACK, a_snapshot(), NOTHING_TOLD))

    assert [tunnel.connection for tunnel in sight.tunnels] == [OLD_VPN, OLD_VPN]
    assert sight.tables == (TableView(BOTH, 2, 2), TableView(MAIN, 1, 1))


def test_a_table_that_is_gone_or_led_elsewhere_is_not_shown():
    """Only existing tables with routes to the leaving gateway are shown."""
    elsewhere = a_table("rtb-igw", static={"0.0.0.0/0": "igw-1"})
    before = a_survey(route_tables=(elsewhere, *ordinary_tables()))

    shown = tables_of((elsewhere, ordinary_tables(NEW)[1]), a_plan(before=before))

    assert shown == (TableView(MAIN, 1, 1),)


def test_what_the_plan_excepts_is_not_asked():
    """An excepted prefix is neither reached nor missing."""
    plan = a_plan(decisions=Decisions(exceptions=Exceptions(prefixes=(STATIC,))))

    assert tables_of(None, plan) == (TableView(BOTH, 1, 1), TableView(MAIN, 1, 1))


def test_a_table_that_never_propagated_is_not_off():
    """Without propagation in the plan, the first missing destination is named."""
    before = a_survey(route_tables=(a_table(BOTH, static={STATIC: OLD}),))

    shown = tables_of((a_table(BOTH, static={STATIC: OLD}),), a_plan(before=before))

    assert shown == (TableView(BOTH, 0, 1, f"missing {STATIC}"),)
