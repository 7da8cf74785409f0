"""AWS CLI runbook: a plan as shell blocks that run without this program.

The commands are made from the plan's own changes.  Each checks AWS before it changes anything and
waits with a limit, so a block may be run again, and both directions may start at any step.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from vpnmigrate.model.changes import AskOperator, DetachVpnGateway, DisablePropagation, OperatorTask
from vpnmigrate.model.decisions import KeyMode
from vpnmigrate.model.ec2 import Role
from vpnmigrate.model.errors.commands import Invocation, quoted
from vpnmigrate.model.plan import (
    GATEWAY_ROLE,
    TEST_SUBNET_ROLE,
    TEST_VPC_ROLE,
    Phase,
    Plan,
    PlannedStep,
    connection_role,
)
from vpnmigrate.model.snapshot import Confirmation
from vpnmigrate.report.runbook.aws_cli import changes
from vpnmigrate.report.runbook.aws_cli.changes import lines
from vpnmigrate.report.runbook.aws_cli.commands import ShellNames
from vpnmigrate.report.runbook.aws_cli.shell_functions import FUNCTIONS, KEYS, MAIN_TABLE

_TEST_STEP = 6

_ENDS_A_BLOCK = frozenset({Confirmation.DEVICES_CONFIGURED, Confirmation.TEST_PASSED})
"""Tasks that only the operator can confirm: the changes after them are a separate block."""


def opening(plan: Plan, invocation: Invocation) -> str:
    """Return the first block, which every other block needs, in both directions.

    It creates nothing.  It finds by their tags the resources that a run or an earlier use of the
    blocks has created.
    """
    account = quoted(plan.account)
    return "\n".join(
        [
            "set -euo pipefail  # in a separate shell: a failed command ends it",
            "umask 077",
            f"export AWS_REGION={quoted(plan.region)} AWS_DEFAULT_REGION={quoted(plan.region)}",
            *_reached(invocation),
            "export AWS_DEFAULT_OUTPUT=text AWS_PAGER=",
            "PAUSE=${PAUSE:-5}  # seconds between two checks",
            'HOLDER=${HOLDER:-"$(id -un)@$(uname -n)/by-hand"}',
            "FOLDER=${FOLDER:-$(mktemp -d)}  # device files, with keys: only you can read them",
            f"OLD_VGW={quoted(plan.old_gateway)}",
            "",
            FUNCTIONS,
            *([KEYS] if plan.decisions.keys is KeyMode.REUSE else []),
            *([MAIN_TABLE] if plan.decisions.test_vpc is not None else []),
            "",
            f'[ "$(aws sts get-caller-identity --query Account)" = {account} ] ||',
            f"  stop 'these credentials are not of account '{account}",
            *_lookups(plan),
            'echo "device files go to $FOLDER"',
        ]
    )


def _reached(invocation: Invocation) -> Iterator[str]:
    """Yield exports of the settings that select the account and the endpoint."""
    named = {"AWS_PROFILE": invocation.profile, "AWS_ENDPOINT_URL": invocation.endpoint_url}
    named |= {name: value for name, value in invocation.variables if name.startswith("AWS_")}
    for name, value in named.items():
        if value:
            yield f"export {name}={quoted(value)}"


def _lookups(plan: Plan) -> Iterator[str]:
    names = ShellNames(plan)
    yield "# Existing resources; a variable that stays empty is for a resource not created yet."
    yield _found(names, GATEWAY_ROLE, "vpn-gateway", "VpnGateway")
    for old in plan.old_connections:
        yield _found(names, connection_role(old), "vpn-connection", "VpnConnection")
    if plan.decisions.test_vpc is not None:
        yield _found(names, TEST_VPC_ROLE, "vpc", "Vpc")
        yield _found(names, TEST_SUBNET_ROLE, "subnet", "Subnet")


def _found(names: ShellNames, role: Role, kind: str, shape: str) -> str:
    variable = names.variables[role]
    # Resources in the plan's survey are not new, whatever their tags.
    kinds = {"vpn-gateway": "vgw-", "vpn-connection": "vpn-", "vpc": "vpc-", "subnet": "subnet-"}
    old = sorted(id_ for id_ in names.plan.surveyed if id_.startswith(kinds[kind]))
    newer = " && ".join(f'{shape}Id!=`"{id_}"`' for id_ in old)
    query = f"{shape}s[?{newer}].{shape}Id" if old else f"{shape}s[].{shape}Id"
    return (
        f"{variable}=$(aws ec2 describe-{kind}s --query {quoted(query)} --filters \\\n"
        f"    Name=tag:vpnmigrate:migration,Values={quoted(names.plan.migration)} \\\n"
        f"    Name=tag:vpnmigrate:role,Values={quoted(role)} \\\n"
        f"    Name=state,Values=pending,available | only)\n"
        f'echo "{variable}=${variable}"'
    )


def blocks(plan: Plan, step: PlannedStep) -> tuple[str, ...]:
    """Return *step* as blocks of shell; between two of them the operator has a task."""
    names = ShellNames(plan)
    done: list[str] = []
    current = list(_required(step, names))
    for change in step.changes:
        current += lines(change, names, step.number)
        if isinstance(change, AskOperator) and change.confirmation in _ENDS_A_BLOCK:
            done.append("\n".join(current))
            current = []
    if step.changes and current:
        done.append("\n".join([*current, f"echo 'step {step.number}: done'"]))
    return tuple(done)


def back(plan: Plan) -> tuple[PlannedStep, ...]:
    """Return the steps of a rollback from any state, also with an incomplete test VPC."""
    test = next((step for step in plan.forward if step.number == _TEST_STEP), None)
    if test is None or not test.changes:
        return plan.back
    tested = next(at for at, change in enumerate(test.changes) if isinstance(change, OperatorTask))
    removals = test.changes[tested + 1 :]
    return tuple(
        replace(step, changes=removals) if step.number == _TEST_STEP else step for step in plan.back
    )


def _required(step: PlannedStep, names: ShellNames) -> Iterator[str]:
    """Yield what must hold before *step* may interrupt traffic or delete connections."""
    plan = names.plan
    if step.phase is Phase.CUTOVER and _first_leaves(step, plan):
        for variable in names.variables.values():
            if variable.startswith("NEW_"):
                yield f': "${{{variable}:?does not exist yet: run steps 2 and 3 first}}"'
    if step.phase is Phase.FINALIZE and step.changes:
        at = f"attachment {names.word(GATEWAY_ROLE)} {names.word(plan.vpc)}"
        yield f"until_is {changes.ATTACHED} attached {at}"
        for old in plan.old_connections:
            if old not in plan.decisions.exceptions.connections:
                up = f"tunnels_up {names.successor(old)} 1"
                yield f"until_is {changes.PREFIX} True {up}"


def _first_leaves(step: PlannedStep, plan: Plan) -> bool:
    """Return whether *step* begins by removing the old gateway, which only forward steps do."""
    match step.changes:
        case (DisablePropagation() | DetachVpnGateway() as first, *_):
            return first.gateway == plan.old_gateway
        case _:
            return False
