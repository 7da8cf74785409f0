"""A change as a command of the AWS CLI."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from functools import cache

import botocore.session
import pytest
from botocore import xform_name
from msgspec.structs import replace

from tests.aws.test_account import PLAIN
from tests.support.builders import (
    MAIN,
    MIGRATION,
    NEW,
    NOON,
    OLD,
    OLD_VPN,
    VPC,
    a_connection,
    a_plan,
    a_survey,
)
from vpnmigrate.model import changes
from vpnmigrate.model.changes.base import CallTags
from vpnmigrate.model.decisions import Decisions, KeyMode, TestVpc
from vpnmigrate.model.ec2 import MigrationId
from vpnmigrate.model.errors.commands import Invocation
from vpnmigrate.model.plan import GATEWAY_ROLE, Phase, PlannedStep
from vpnmigrate.planning.planner import plan_from
from vpnmigrate.report.runbook.aws_cli import back, blocks, opening
from vpnmigrate.report.runbook.aws_cli.commands import ShellNames, command

MARK = CallTags(MigrationId("mig-1"), attempt=2, step=0)
_AWS = re.compile(r"\baws ec2 (?:[^\\\n]|\\\n)*")


@cache
def ec2_model():
    """Return botocore's model of EC2."""
    return botocore.session.get_session().get_service_model("ec2")


def members_of(model, operation):
    """Return the parameters of an operation by name."""
    shape = model.operation_model(operation).input_shape
    return shape.members if shape else {}


def value_of(word, kind):
    """Return a word of a command as the CLI reads it."""
    if word[0] in "[{":
        return json.loads(word)
    if kind == "list":
        return [word]
    return int(word) if kind in {"integer", "long"} else word


def parameters_of(line):
    """Return the operation and the boto3 parameters of a command."""
    _, _, verb, *words = shlex.split(line.replace("\\\n", " "))
    model = ec2_model()
    operation = {xform_name(name, "-"): name for name in model.operation_names}[verb]
    members = members_of(model, operation)
    names = {f"--{xform_name(name, '-')}": name for name in members}
    given, last = {}, ""
    for word in words:
        if word in names:
            last = names[word]
        else:
            given[last] = value_of(word, members[last].type_name)
    return operation, given


def planned(decisions=None, *, prefixes=None):
    """Return the standard plan with its changes; with *prefixes* its connection is static."""
    survey = a_survey(connections=(a_connection(prefixes=prefixes),))
    return plan_from(
        survey, decisions or Decisions(), "standard", migration=MIGRATION, made=NOON, tool="test"
    )


def everything(plan):
    """Return all shell blocks of a plan."""
    steps = (*plan.forward, *back(plan), *plan.finalize)
    return "\n".join(
        [opening(plan, Invocation()), *(block for step in steps for block in blocks(plan, step))]
    )


@pytest.mark.parametrize(("change", "operation", "params"), PLAIN)
def test_a_command_says_what_the_program_sends(change, operation, params):
    """Every change, with every kind of destination, is the same call with the same values."""
    line = command(change.request(MARK), ShellNames(a_plan()))

    assert parameters_of(line) == (operation, params)


@pytest.mark.parametrize("name", ["it's", "`id`", "$(id) $HOME", 'say "no"', "a\nb", "\\", "é;|&"])
def test_data_stays_data(name):
    """The shell treats every tag value as text."""
    change = changes.CreateVpnGateway(GATEWAY_ROLE, asn=64600, tags=(("Name", name),))
    request = change.request(MARK)

    line = command(request, ShellNames(a_plan()))

    assert parameters_of(line) == ("CreateVpnGateway", request.parameters)


@pytest.mark.parametrize(
    "decisions",
    [
        Decisions(),
        Decisions(keys=KeyMode.REUSE, device_types={"default": "Cisco's/ISR/IOS"}),
        Decisions(keys=KeyMode.SECRETS_MANAGER, test_vpc=TestVpc("10.255.0.0/24")),
        Decisions(test_vpc=TestVpc("10.255.0.0/24", ("sh", "-c", "it's a test"))),
    ],
    ids=["new keys", "old keys and a sample", "a test VPC", "a test command"],
)
def test_every_script_is_shell_and_every_call_exists(decisions):
    """For every decision of a plan, bash parses its script and the CLI knows every parameter."""
    plan = planned(decisions, prefixes=["10.1.0.0/16"])
    script = everything(plan)

    read = subprocess.run(
        ["bash", "-n"], input=script, capture_output=True, encoding="utf-8", check=False
    )

    assert (read.returncode, read.stderr) == (0, "")
    model = ec2_model()
    verbs = {xform_name(name, "-"): name for name in model.operation_names}
    for call in _AWS.findall(script):
        verb = call.split()[2]
        if verb != "wait":
            known = members_of(model, verbs[verb])
            given = set(re.findall(r"(?<= --)[a-z][a-z0-9-]+", call))
            assert given <= {xform_name(n, "-") for n in known} | {"query", "filters"}, call


class TestBlocks:
    def test_what_only_a_person_can_call_done_ends_a_block(self):
        """The changes after the test in the test VPC are a separate block."""
        plan = planned(Decisions(test_vpc=TestVpc("10.255.0.0/24")))
        [tried] = [step for step in plan.forward if step.number == 6]

        first, second = blocks(plan, tried)

        assert first.splitlines()[-1].startswith("todo 'enable the new tunnels")
        assert "delete-vpc" in second

    def test_the_cutover_refuses_to_begin_for_nothing(self):
        """The first interrupting forward block ends the shell if the new side does not exist."""
        plan = planned()
        [stop] = [step for step in plan.forward if step.number == 7]
        [block] = blocks(plan, stop)

        assert block.startswith(': "${NEW_VGW:?')
        assert not blocks(plan, replace(stop, changes=()))

    def test_the_claim_comes_and_goes_with_the_change_number(self):
        """An operator with the AWS CLI sets and removes the same tags as the program."""
        script = everything(planned(Decisions(change="CHG1")))

        assert '"Key=vpnmigrate:claim,Value=$HOLDER" Key=vpnmigrate:change,Value=CHG1' in script
        assert "--tags Key=vpnmigrate:claim Key=vpnmigrate:change\n" in script
        assert "vpnmigrate:change" not in everything(planned())

    def test_the_way_back_takes_away_a_test_vpc_half_built(self):
        """A rollback with the AWS CLI from within step 6 removes the test VPC."""
        plan = planned(Decisions(test_vpc=TestVpc("10.255.0.0/24")))

        [away] = [step for step in back(plan) if step.number == 6]

        assert changes.DeleteTestVpc("test-vpc", "test-vpc") in away.changes
        assert next(step for step in plan.back if step.number == 6).changes == ()

    def test_a_route_of_somebody_else_stays(self):
        """A route is replaced only if its target is still the leaving gateway."""
        step = PlannedStep(9, "", Phase.CUTOVER, (changes.ReplaceRoute(MAIN, "10.9.0.0/16", OLD),))

        [block] = blocks(a_plan(), step)

        assert block.startswith(f'if [[ "$(target {MAIN} 10.9.0.0/16)" = "$NEW_VGW"" "* ]]; then')

    def test_old_keys_are_in_no_command(self):
        """A reused key appears only as a variable, on standard input."""
        plan = planned(Decisions(keys=KeyMode.REUSE))
        [step] = [step for step in plan.forward if step.number == 3]
        [block] = blocks(plan, step)

        [made] = [c for c in _AWS.findall(block) if "create-vpn-connection " in c]
        assert "PreSharedKey" not in made
        assert "--options file:///dev/stdin" in made
        assert '"PreSharedKey": "$KEY_1"' in block

    def test_nothing_old_is_deleted_before_the_new_side_carries(self):
        """The block of step 11 checks the attachment and the tunnels first."""
        plan = planned()
        [step] = [step for step in plan.finalize if step.number == 11]
        [block] = blocks(plan, step)

        assert block.index("tunnels_up") < block.index(f"--vpn-connection-id {OLD_VPN}")
        assert block.startswith(f'until_is 900 attached attachment "$NEW_VGW" {VPC}')


def test_roles_in_prose_become_ids():
    """A task at a device names the created resources, and shell text in it is not executed."""
    names = ShellNames(a_plan())

    word = names.prose("traffic flows through gateway: $(id) connection/vpn-old, the gateway")

    printed = subprocess.run(
        ["bash", "-c", f"NEW_VGW={NEW} NEW_VPN_1=vpn-9; printf %s {word}"],
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stdout
    assert printed == f"traffic flows through {NEW}: $(id) vpn-9, the gateway"
