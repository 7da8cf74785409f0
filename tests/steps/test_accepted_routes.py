"""Each BGP tunnel must accept as many routes as before, or the connection is degraded."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.support.builders import (
    BACK,
    FORWARD,
    NEW,
    NEW_VPN,
    NOON,
    OLD_VPN,
    VPC,
    a_connection,
    a_plan,
    a_survey,
    journal_facts,
    new_side,
    ordinary_tables,
    snapshot_by_tag,
)
from vpnmigrate.model.decisions import Decisions, Exceptions, TunnelPolicy, Verification
from vpnmigrate.model.ec2 import TunnelReading
from vpnmigrate.model.snapshot import GatewaySwap, JournalFacts, Reading, Shortage
from vpnmigrate.steps.base import StepInput
from vpnmigrate.steps.traffic import acceptable, baseline_of, degraded, missing_traffic


def telemetry(*routes: int) -> tuple[TunnelReading, ...]:
    """Return two tunnels UP that accept *routes*."""
    return tuple(
        TunnelReading(f"192.0.2.{number}", True, accepted_routes=n)
        for number, n in enumerate(routes, 1)
    )


def view(
    before: tuple[int, ...],
    now: tuple[int, ...],
    *,
    swap: GatewaySwap = FORWARD,
    facts: JournalFacts | None = None,
    static: bool = False,
    decisions: Decisions | None = None,
) -> StepInput:
    """Return the input of step 10 with routes per tunnel *before* and *now*, all else restored."""
    prefixes = ["10.1.0.0/16"] if static else None
    old = replace(a_connection(prefixes=prefixes), telemetry=telemetry(*before))
    plan = a_plan(before=a_survey(connections=(old,)), decisions=decisions)
    fresh = new_side(on=VPC)
    tags = fresh.connections[0].tags
    new = a_connection(NEW_VPN, on=NEW, category="VPN", tags=tags, prefixes=prefixes)
    reading = Reading(
        NOON,
        fresh.gateways,
        (old, replace(new, telemetry=telemetry(*now))),
        ordinary_tables(NEW),
    )
    return StepInput(plan, swap, snapshot_by_tag(reading), facts or journal_facts())


FEWER = f"{NEW_VPN}: 192.0.2.2 accepts 1 of 5 routes"


@pytest.mark.parametrize("now", [(5, 5), (5, 7), (6, 5)])
def test_as_many_routes_as_before_are_enough(now: tuple[int, int]) -> None:
    """More than before is no shortage."""
    assert missing_traffic(view((5, 5), now)) == ()
    assert degraded(view((5, 5), now)) == ()


def test_fewer_routes_are_degraded_and_named() -> None:
    """The destinations are all restored over the other tunnel, without redundancy."""
    assert missing_traffic(view((5, 5), (5, 1))) == (f"DEGRADED: {FEWER}",)
    assert degraded(view((5, 5), (5, 1))) == (FEWER,)


@pytest.mark.parametrize(("before", "now"), [((5, 0), (0, 5)), ((2, 5), (5, 2)), ((0, 0), (0, 1))])
def test_new_tunnels_are_compared_in_the_order_of_their_routes(
    before: tuple[int, int], now: tuple[int, int]
) -> None:
    """A successor's tunnels have other addresses, so neither is the first."""
    assert missing_traffic(view(before, now)) == ()


def test_a_static_connection_accepts_none() -> None:
    """EC2 counts its static prefixes there, which step 3 has made."""
    assert missing_traffic(view((5, 5), (5, 1), static=True)) == ()


def test_fewer_routes_are_accepted_by_name() -> None:
    """An operator accepts them for one connection, and the run says so until its end."""
    assert acceptable(view((5, 5), (5, 1))) == (Shortage(OLD_VPN, NEW_VPN, FEWER),)
    accepted = view((5, 5), (5, 1), facts=journal_facts(accepted=frozenset({OLD_VPN})))

    assert missing_traffic(accepted) == ()
    assert degraded(accepted) == (FEWER,)
    assert acceptable(accepted) == ()


def test_a_playbook_accepts_them() -> None:
    """With ``at-least-one`` a single tunnel with any route is enough."""
    policy = Decisions(verification=Verification(tunnels=TunnelPolicy.AT_LEAST_ONE))

    assert missing_traffic(view((5, 5), (5, 1), decisions=policy)) == ()


def test_excepted_prefixes_may_be_missing() -> None:
    """A prefix that the playbook excepts may be advertised no more."""
    excepted = Decisions(exceptions=Exceptions(prefixes=("10.9.0.0/16",)))

    assert missing_traffic(view((5, 5), (5, 4), decisions=excepted)) == ()
    assert missing_traffic(view((5, 5), (5, 3), decisions=excepted)) != ()


def test_a_rollback_requires_destinations_alone() -> None:
    """The old tunnels may come up one after the other while traffic flows."""
    lacking = missing_traffic(view((5, 5), (5, 5), swap=BACK))

    assert not any("accepts" in line for line in lacking)


def test_the_baseline_has_the_routes_of_each_tunnel() -> None:
    """It is taken before step 7, when a tunnel may be down or accept fewer than at planning."""
    step = view((5, 2), (0, 0))

    assert baseline_of(step.plan, step.now).accepted == {OLD_VPN: (5, 2)}
    assert step.plan.recorded_baseline.accepted == {OLD_VPN: (5, 2)}
