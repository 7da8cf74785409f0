"""Policy simulation: IAM is told everything about a call that a policy may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from tests.aws.answering import Answering, Params, Refusal
from tests.support.builders import NOON, OLD, PREFIX, a_plan, a_survey, a_table
from vpnmigrate.aws.dry_runs import permissions
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.permissions import PermissionVerdict
from vpnmigrate.model.plan import Plan
from vpnmigrate.planning.iam_policy import policy_of
from vpnmigrate.planning.permission_checks import (
    PermissionCheck,
    checks_of_plan,
    missing_at_plan,
    queries_of_plan,
)
from vpnmigrate.planning.permissions import RunPhase
from vpnmigrate.planning.reference_plan import plan_with_everything
from vpnmigrate.sandbox.policy import AuthorizedAction, Policy, policy_from

USER = "arn:aws:iam::123456789012:user/ann"
HONOURED = Refusal("DryRunOperation", "Request would have succeeded", 412)
UNREADY = Refusal("IncorrectState", "not in this state")


def many_tables() -> Plan:
    """Return a plan whose policy names route tables by their VPC, with a change number."""
    names = (f"rtb-0a{n:015d}" for n in range(60))
    tables = tuple(
        a_table(name, propagates=OLD, learned=[PREFIX], static={"192.168.0.0/16": OLD})
        for name in names
    )
    plan = a_plan(before=a_survey(route_tables=tables))
    return replace(plan, decisions=replace(plan.decisions, change="CHG1"))


def existing(plan: Plan) -> list[PermissionCheck]:
    """Return a check of *plan* for each operation whose resources exist."""
    complete = [check for check in checks_of_plan(plan) if check.query.complete]
    return list({check.query.operation: check for check in reversed(complete)}.values())


class Iam:
    """Answers simulations as IAM does: by a role's policy and what the question says, no more."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def answer(self, params: Params) -> Mapping[str, Any]:
        context = {
            entry["ContextKeyName"].lower(): tuple(entry["ContextKeyValues"])
            for entry in params["ContextEntries"]
        }
        ((action,), (resource,)) = params["ActionNames"], params["ResourceArns"]
        denied = self._policy.denial([AuthorizedAction(action, resource, context)])
        return simulation("allowed" if denied is None else "implicitDeny")


def simulation(decision: str, **row: object) -> Mapping[str, Any]:
    return {"EvaluationResults": [{"EvalDecision": decision, **row}]}


def unready(plan: Plan, simulate: object) -> Answering:
    """Return AWS where the state of every resource hides whether a call is allowed."""
    refused: dict[str, Any] = {check.query.operation: UNREADY for check in checks_of_plan(plan)}
    return Answering(
        {
            **refused,
            "DescribeVpnGateways": HONOURED,
            "SimulatePrincipalPolicy": simulate,  # type: ignore[dict-item]
        }
    )


@pytest.mark.parametrize("plan", [many_tables(), plan_with_everything()], ids=["compact", "full"])
def test_the_printed_policy_is_allowed(plan):
    """The policy that the program prints passes, with every condition that it contains."""
    printed = policy_of(plan, frozenset(RunPhase)).document()
    aws = unready(plan, Iam(policy_from(printed, "policy.json")).answer)
    checks = [check for check in existing(plan) if check.query.actions]
    results = permissions(
        aws.clients(), USER, [check.query for check in checks], VirtualClock(NOON)
    )

    assert {"CreateTags", "DeleteTags", "ReplaceRoute", "DisableVgwRoutePropagation"} <= {
        check.query.operation for check in checks
    }
    assert {result.verdict for result in results} == {PermissionVerdict.SIMULATED}


@pytest.mark.parametrize("denied", [(), ("ec2:DeleteVpnGateway",)])
def test_a_call_for_a_resource_that_does_not_exist_yet_is_decided(denied):
    """At plan, IAM answers whether the new gateway may be deleted, by the tags it will have."""
    plan = plan_with_everything()
    printed = policy_of(plan, frozenset(RunPhase)).document()
    kept = [each for each in printed["Statement"] if not {*denied} & {*each["Action"]}]
    policy = policy_from({**printed, "Statement": kept}, "policy.json")
    aws = unready(plan, Iam(policy).answer)
    checks = [
        check for check in checks_of_plan(plan) if check.query.operation == "DeleteVpnGateway"
    ]
    results = permissions(aws.clients(), USER, queries_of_plan(checks), VirtualClock(NOON))

    found = [(each.action, each.verdict) for each in missing_at_plan(checks, results)]

    assert found == [(action, PermissionVerdict.DENIED) for action in denied]


MISSING = {"MissingContextValues": ["aws:SourceVpce"]}


@pytest.mark.parametrize("row", [MISSING, {"ResourceSpecificResults": [MISSING]}])
@pytest.mark.parametrize("decision", ["implicitDeny", "explicitDeny"])
def test_a_refusal_for_lack_of_a_value_is_no_denial(row, decision):
    """A condition on what the program does not know leaves the answer of the dry run."""
    plan = plan_with_everything()
    checks = existing(plan)
    queries = [check.query for check in checks if check.query.operation == "DetachVpnGateway"]
    (result,) = permissions(
        unready(plan, simulation(decision, **row)).clients(), USER, queries, VirtualClock(NOON)
    )

    assert result.verdict is PermissionVerdict.UNKNOWN
    assert result.why == "the dry run was answered with IncorrectState not in this state"


def test_no_answer_is_no_denial():
    """An empty list of results decides nothing."""
    plan = plan_with_everything()
    queries = [check.query for check in existing(plan)]
    results = permissions(
        unready(plan, {"EvaluationResults": []}).clients(), USER, queries, VirtualClock(NOON)
    )

    assert PermissionVerdict.DENIED not in {result.verdict for result in results}


def test_a_denial_counts_beside_an_unclear_answer():
    """One resource on which the action is denied is enough."""
    plan = plan_with_everything()
    queries = [q.query for q in existing(plan) if q.query.operation == "DetachVpnGateway"]
    rows = iter([simulation("implicitDeny", **MISSING), simulation("implicitDeny")])
    (result,) = permissions(
        unready(plan, lambda _: next(rows)).clients(), USER, queries, VirtualClock(NOON)
    )

    assert (result.verdict, result.action) == (PermissionVerdict.DENIED, "ec2:DetachVpnGateway")
