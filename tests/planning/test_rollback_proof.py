"""Rollback proof: every state of a plan can be rolled back, and a planted dead end is found."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from tests.support.builders import (
    BOTH,
    OLD,
    OLD_VPN,
    PREFIX,
    a_connection,
    a_plan,
    a_survey,
    a_table,
)
from vpnmigrate.model.changes import DeleteVpnConnection, DeleteVpnGateway
from vpnmigrate.model.decisions import Decisions, OldTunnels, TestVpc
from vpnmigrate.model.ec2 import ResourceState
from vpnmigrate.model.facts import Existence
from vpnmigrate.model.plan import Direction, Phase
from vpnmigrate.planning.rollback_proof import BACK, prove
from vpnmigrate.steps.base import Met, NotYet, Step
from vpnmigrate.steps.s02_create_gateway import RemoveGateway
from vpnmigrate.steps.s07_disable_propagation import StopPropagation
from vpnmigrate.steps.sequences import CUTOVER, FORWARD


class DeleteOldSide(Step):
    """A faulty step that deletes the old connection right after the swap."""

    number = 9
    title = "Delete the old connection early"
    phase = Phase.CUTOVER
    limit = timedelta(minutes=1)

    def missing_changes(self, view):
        yield from (DeleteVpnConnection(old, old) for old in self._left(view.plan, view.now))

    def verify(self, view):
        return (
            NotYet("the old connection is there") if [*self._left(view.plan, view.now)] else Met()
        )

    def _left(self, plan, now):
        return [
            old for old in plan.old_connections if now.value(Existence(old)) != ResourceState.ABSENT
        ]


class DeleteOldGatewayEarly(DeleteOldSide):
    """The same with the gateway, which a rollback would attach again."""

    title = "Delete the old gateway early"

    def missing_changes(self, view):
        yield DeleteVpnGateway(view.plan.old_gateway, view.plan.old_gateway)

    def verify(self, view):
        gone = view.now.state(view.plan.old_gateway) is ResourceState.ABSENT
        return Met() if gone else NotYet("the old gateway is there")


class ForgetfulCleanUp(RemoveGateway):
    """A faulty clean-up that does not delete the gateway of step 2."""

    def missing_changes(self, view):
        return iter(())

    def verify(self, view):
        return Met()


class Restless(StopPropagation):
    """A faulty step that repeats a change without end."""

    def verify(self, view):
        return NotYet("never content")


def after(steps, number, planted):
    """Return *steps* with *planted* after the one of that number."""
    index = next(i for i, step in enumerate(steps) if step.number == number)
    return (*steps[: index + 1], planted, *steps[index + 1 :])


WORLDS = {
    "ordinary": a_survey(),
    "no tables": a_survey(route_tables=()),
    "static and edge": a_survey(
        connections=(a_connection(), a_connection("vpn-second")),
        route_tables=(
            a_table(BOTH, propagates=OLD, learned=[PREFIX], static={"192.168.0.0/16": OLD}),
            a_table("rtb-edge", edge_of=OLD),
            a_table("rtb-six", static={"2001:db8::/32": OLD, "pl-1": OLD}),
        ),
    ),
}


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize(
    "decisions",
    [
        Decisions(),
        Decisions(old_tunnels=OldTunnels.LEAVE),
        Decisions(test_vpc=TestVpc("172.31.0.0/24")),
    ],
    ids=["standard", "unattended", "test VPC"],
)
def test_every_state_of_a_plan_has_a_way_back_and_forward(world, decisions):
    """From every state, also within a proposal, rollback and forward both reach their end."""
    proof = prove(a_plan(before=WORLDS[world], decisions=decisions))

    assert proof.holds, proof.dead_ends
    assert proof.states > len(FORWARD) * 2


def test_the_longest_way_back_is_told():
    """The longest rollback starts after the cutover, and its limit is the sum of the steps'."""
    plan = a_plan()

    back = prove(plan).back

    assert back.begins.startswith("step 10")
    # Disable in two tables; detach, attach; enable in two and one route; three deletions or claims.
    assert back.changes >= 2 + 2 + 3
    assert back.cutover == sum((step.limit_for(plan) for step in CUTOVER), timedelta(0))


@pytest.mark.parametrize(
    ("planted", "why"),
    [
        (DeleteOldSide(), f"lost its connections.*{OLD_VPN}|{OLD_VPN}.*not there"),
        (DeleteOldGatewayEarly(), f"{OLD} is gone"),
    ],
    ids=["connection", "gateway"],
)
def test_a_planted_dead_end_is_found(planted, why):
    """A step that destroys what a rollback needs is found, with the state and the reason."""
    proof = prove(a_plan(), forward=after(FORWARD, 9, planted))

    back = [end for end in proof.dead_ends if end.direction is Direction.ROLLBACK]
    assert not proof.holds
    assert any(planted.title in end.state or "delete" in end.state for end in back), back
    assert any(re.search(why, end.why) for end in back), back


def test_a_way_back_that_leaves_something_is_a_dead_end():
    """A rollback that does not restore the state before is a dead end."""
    forgetful = [ForgetfulCleanUp() if isinstance(each, RemoveGateway) else each for each in BACK]

    proof = prove(a_plan(), back=forgetful)

    assert {end.why.split(";")[0] for end in proof.dead_ends} == {"gateway is left"}


def test_steps_that_never_end_are_a_dead_end():
    """Steps that never finish are a dead end."""
    restless = [Restless() if isinstance(each, StopPropagation) else each for each in BACK]

    proof = prove(a_plan(), back=restless)

    assert any("never content" in end.why for end in proof.dead_ends)
