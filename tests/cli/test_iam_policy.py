"""Command ``iam-policy``."""

from __future__ import annotations

import json
from typing import Any

from vpnmigrate.planning.iam_policy import policy_for_any_plan
from vpnmigrate.planning.permissions import RunPhase


def statements(text: str) -> dict[str, dict[str, Any]]:
    """Return the statements of a printed policy by their names."""
    policy = json.loads(text)
    assert policy["Version"] == "2012-10-17"
    return {statement["Sid"]: statement for statement in policy["Statement"]}


def test_a_policy_of_a_plan_can_be_pasted(terminal):
    """Standard output is the policy alone, for the resources of the plan, without a call."""
    migration = terminal.planned()
    calls = terminal.clock.now()

    ran = terminal.run("iam-policy", "plan.json", "--phase", "cutover")

    assert (ran.code, ran.err) == (0, "")
    printed = statements(ran.out)
    assert printed["VpnmigrateNewVpnGateway"]["Condition"] == {
        "StringEquals": {"aws:ResourceTag/vpnmigrate:migration": migration}
    }
    assert "ec2:DetachVpnGateway" in printed["VpnmigrateOldVpnGateway"]["Action"]
    assert "VpnmigrateCreateVpnGateway" not in printed
    assert terminal.clock.now() == calls


def test_without_a_plan_it_is_for_the_account(terminal):
    """Without a plan the policy is for every migration, in one Region if one is named."""
    ran = terminal.run("iam-policy", "--region", "us-gov-west-1")

    printed = statements(ran.out)
    assert printed["VpnmigrateOldVpc"]["Resource"] == "arn:aws-us-gov:ec2:us-gov-west-1:*:vpc/*"
    assert json.loads(ran.out) == policy_for_any_plan(set(RunPhase), "us-gov-west-1").document()


def test_json_has_the_policy_and_its_size(terminal):
    """With --json the output is one document that has the policy and what IAM would count."""
    ran = terminal.run("iam-policy", "--phase", "discover", "--json")

    assert ran.document["schema"] == "vpnmigrate/iam-policy/1"
    assert ran.document["phase"] == "discover"
    text = json.dumps(ran.document["policy"])
    assert ran.document["characters"] == sum(not letter.isspace() for letter in text)


def test_deleting_the_old_gateway_is_asked_for(terminal):
    """The option of finalize is an option here as well."""
    terminal.planned()

    def allowed(*options: str) -> bool:
        printed = terminal.run("iam-policy", "plan.json", "--phase", "finalize", *options)
        return "ec2:DeleteVpnGateway" in printed.out

    assert [allowed(), allowed("--delete-old-gateway")] == [False, True]


def test_a_plan_has_its_own_region(terminal):
    """A Region beside a plan is refused, because the plan decides it."""
    terminal.planned()

    ran = terminal.run("iam-policy", "plan.json", "--region", "eu-west-1")

    assert ran.code == 2
    assert "a plan has its own Region" in ran.err


def test_a_sandbox_does_not_start_with_a_policy_that_it_would_not_enforce(terminal):
    """The element is named, and nothing is served."""
    policy = json.loads(terminal.run("iam-policy").out)
    policy["Statement"][0]["NotAction"] = "ec2:DeleteVpc"
    (terminal.place / "policy.json").write_text(json.dumps(policy), encoding="utf-8")

    ran = terminal.run("sandbox", "serve", "--policy", "policy.json")

    assert (ran.code, ran.out) == (2, "")
    assert 'policy.json: statement 1: the sandbox does not enforce "NotAction"' in ran.err
