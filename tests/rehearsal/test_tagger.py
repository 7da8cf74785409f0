"""A hostile tagger at every boundary, on every resource: the run changes only its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

import pytest
from msgspec.structs import replace as with_fields

from tests.rehearsal.test_trials import small
from tests.support.counts import share
from vpnmigrate.model.changes import DeleteVpnConnection
from vpnmigrate.model.decisions import Decisions, TestVpc
from vpnmigrate.model.ec2 import GatewayRecord, Tag, VpcId, VpcRecord, VpnConnectionId, VpnGatewayId
from vpnmigrate.planning.ownership import roles_of
from vpnmigrate.rehearsal.simulation.schedule import CallFaults, Schedule, TrialRoute
from vpnmigrate.rehearsal.simulation.search import schedule_of
from vpnmigrate.rehearsal.simulation.tagger import Tagging, Trick, drawn_taggings, tagged
from vpnmigrate.rehearsal.simulation.topology import Topology
from vpnmigrate.rehearsal.simulation.trial import (
    MIGRATION,
    TrialResult,
    run_trial,
    setting_of,
    trial_problems,
)

ROLES = 4
"""Gateway, successor, test VPC, test subnet."""
COURSES = (TrialRoute.ROUND_TRIP, TrialRoute.FINALIZE)
NETWORK = "10.250.0.0/24"


@lru_cache(maxsize=1)
def hunted() -> Topology:
    """Return a world with foreign resources that fit the plan as well as the created ones."""
    world = small(5)
    scenario = world.scenario
    spare = GatewayRecord(VpnGatewayId("vgw-0b52"), "available", asn=64512)
    like_ours = with_fields(
        scenario.connections[0],
        id=VpnConnectionId("vpn-0b99"),
        category="VPN",
        vpn_gateway=spare.id,
        tunnels=(),
        telemetry=(),
    )
    network = VpcRecord(VpcId("vpc-0b53"), cidrs=(NETWORK,))
    return replace(
        world,
        scenario=with_fields(
            scenario,
            gateways=(*scenario.gateways, spare),
            connections=(*scenario.connections, like_ours),
            vpcs=(*scenario.vpcs, network),
        ),
        decisions=Decisions(asn=64512, test_vpc=TestVpc(NETWORK), recreate_aws_vpn=True),
    )


def tried(route: TrialRoute, *taggings: Tagging, lost: float = 0.0) -> TrialResult:
    """Run *course* in the world with *taggings*."""
    faults = CallFaults(1, lost_creates=lost)
    return run_trial(setting_of(hunted()), Schedule(route, call_faults=faults, taggings=taggings))


HARMLESS = Tagging(0, Trick.TAKE, 0)
"""There is nothing to remove yet; but the world has the tagger's own gateway."""


@lru_cache(maxsize=4)
def undisturbed(route: TrialRoute) -> TrialResult:
    """Return how *course* ends without foreign tags."""
    outcome = tried(route, HARMLESS)
    assert trial_problems(outcome, hunted()) == ()
    return outcome


def at_every_boundary() -> Iterator[tuple[TrialRoute, Tagging]]:
    """Yield every trick on every resource, before each change of each course."""
    for route in COURSES:
        for call in range(undisturbed(route).calls + 1):
            for role in range(ROLES):
                yield route, Tagging(call, Trick.PUT, None, role)
                yield route, Tagging(call, Trick.COPY, None, role)
            yield route, Tagging(call, Trick.TAKE)


def on_each_resource() -> Iterator[tuple[TrialRoute, Tagging]]:
    """Yield each role on each resource, before the first change and in the middle."""
    for route in COURSES:
        for call in (0, undisturbed(route).calls // 2):
            for target in range(20):
                for role in range(ROLES):
                    yield route, Tagging(call, Trick.PUT, target, role)


@pytest.mark.no_cover
@pytest.mark.parametrize("lost", [0.0, 0.5], ids=["heard", "unheard"])
def test_tags_change_nothing_of_what_a_run_comes_to(lost: float) -> None:
    """With any tags added or removed at any boundary, the end is that without a tagger."""
    for route, tagging in share(list(at_every_boundary()), one_in=25):
        outcome = tried(route, tagging, lost=lost)

        assert trial_problems(outcome, hunted()) == (), (route, str(tagging))
        assert outcome.end == undisturbed(route).end, (route, str(tagging))


@pytest.mark.no_cover
def test_no_single_tag_does_either() -> None:
    """Each role is tried on each resource."""
    for route, tagging in share(list(on_each_resource()), one_in=23):
        outcome = tried(route, tagging)

        assert trial_problems(outcome, hunted()) == (), (route, str(tagging))
        assert outcome.end == undisturbed(route).end, (route, str(tagging))


@pytest.mark.no_cover
@pytest.mark.parametrize("turn", range(ROLES))
@pytest.mark.parametrize("route", COURSES)
def test_nor_do_tags_of_before_the_plan(route: TrialRoute, turn: int) -> None:
    """A resource with tags in the survey is not the run's, in any role."""
    setting = setting_of(hunted())
    roles = roles_of(setting.plan)
    scenario = tagged(hunted().scenario, MIGRATION, (*roles[turn:], *roles[:turn]))
    world = replace(hunted(), scenario=scenario)

    outcome = run_trial(setting_of(world), Schedule(route, taggings=(HARMLESS,)))

    assert trial_problems(outcome, world) == ()
    assert outcome.end == undisturbed(route).end


@pytest.mark.no_cover
@pytest.mark.parametrize("trick", [Trick.CLAIM, Trick.UNCLAIM])
def test_a_claim_stops_no_run_for_good(trick: Trick) -> None:
    """The operator takes over or rolls back; the end is the old or the new side."""
    boundaries = [
        (route, call) for route in COURSES for call in range(undisturbed(route).calls + 1)
    ]
    for route, call in share(boundaries, one_in=4):
        outcome = tried(route, Tagging(call, trick))

        assert trial_problems(outcome, hunted()) == (), (route, call)


def test_a_seed_draws_the_same_tagger_again() -> None:
    """About a third of the seeds have one."""
    drawn = [drawn_taggings(seed) for seed in range(300)]

    assert drawn == [schedule_of(seed).taggings for seed in range(300)]
    assert 60 < sum(map(bool, drawn)) < 150
    assert {each.trick for taggings in drawn for each in taggings} == set(Trick)


def test_a_tagger_acts_in_the_world_that_is_judged() -> None:
    """The tags are really set: the trials above would pass without any."""
    everything = Tagging(0, Trick.PUT, None, 0)
    outcome = tried(TrialRoute.ROUND_TRIP, everything)

    assert b"has this run's tags" in outcome.journal
    assert f'"{DeleteVpnConnection.__struct_config__.tag}"'.encode() in outcome.journal
    assert Tag.ROLE.value.encode() not in outcome.journal
