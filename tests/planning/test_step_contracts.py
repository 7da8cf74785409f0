"""Each planned step has its limit, duration, conditions and inverse."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.builders import MIGRATION, NOON, a_survey
from vpnmigrate.model.changes import AttachVpnGateway, DeleteVpnGateway, EnablePropagation
from vpnmigrate.model.decisions import Decisions, Waits
from vpnmigrate.model.plan import GATEWAY_ROLE, Phase
from vpnmigrate.planning.planner import plan_from
from vpnmigrate.planning.windows import BY_DEFAULT


@pytest.fixture
def plan():
    return plan_from(
        a_survey(), Decisions(), "standard", migration=MIGRATION, made=NOON, tool="0.1.0"
    )


def test_each_step_says_what_holds_before_and_after_it_and_for_how_long(plan):
    """Limit, precondition and postcondition are never empty, in any direction."""
    steps = (*plan.forward, *plan.back, *plan.finalize)

    assert [s.title for s in steps if not (s.limit and s.precondition and s.postcondition)] == []


def test_expected_durations_of_the_cutover_add_up_to_the_default(plan):
    """The steps' expected times and the gates' default are the same figures."""
    times = [s.expected for s in plan.forward if s.phase is Phase.CUTOVER]

    assert None not in times
    assert abs(sum(times, timedelta(0)) - BY_DEFAULT.cutover) < timedelta(minutes=1)


def test_a_limit_is_that_of_the_playbook():
    """The limit of step 10 is the playbook's."""
    decisions = Decisions(waits=Waits(tunnels=timedelta(minutes=7)))
    plan = plan_from(
        a_survey(), decisions, "standard", migration=MIGRATION, made=NOON, tool="0.1.0"
    )

    assert plan.forward[9].limit == timedelta(minutes=7)


def test_the_inverse_is_what_the_rollback_does_about_the_same_facts(plan):
    """Each mutating step of the cutover has an inverse, and a creation the deletion."""
    inverse = {step.number: step.inverse for step in plan.forward}

    assert inverse[2] == (DeleteVpnGateway(GATEWAY_ROLE, GATEWAY_ROLE),)
    assert {type(change) for change in inverse[7]} == {EnablePropagation}
    assert {change.fact for change in inverse[7]} == {c.fact for c in plan.forward[6].changes}
    assert AttachVpnGateway(plan.old_gateway, plan.vpc) in inverse[8]
    assert inverse[10], "the tunnels are switched again"
    assert inverse[5] == ()


def test_nothing_undoes_finalize(plan):
    """Step 11 has no inverse: it is the point of no return."""
    assert [step.inverse for step in plan.finalize if step.number == 11] == [()]
