"""AWS CLI runbook: a plan as shell blocks that run without this program.

The commands are renderings of the plan's own changes.  Each looks before it acts and waits with a
limit, so a block may be run again, and either way may be begun at any step.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from vpnmigrate.commands import Invocation, quoted
from vpnmigrate.model.changes import AskOperator, DetachVpnGateway, DisablePropagation, RunTest
from vpnmigrate.model.decisions import KeyMode
from vpnmigrate.model.ec2 import Role
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
"""Tasks that only a person can call done: what follows is pasted afterwards."""


def opening(plan: Plan, invocation: Invocation) -> str:
    """Return the block that comes before any other, whichever way, wherever it begins.

    It makes nothing.  It finds by their tags what a run, or an earlier try by hand, has made.
    """
    account = quoted(plan.account)
    return "\n".join(
        [
            "set -euo pipefail  # in a shell of its own: what fails ends it, and nothing follows",
            "umask 077",
            f"export AWS_REGION={quoted(plan.region)} AWS_DEFAULT_REGION={quoted(plan.region)}",
            *_reached(invocation),
            "export AWS_DEFAULT_OUTPUT=text AWS_PAGER=",
            "PAUSE=${PAUSE:-5}  # seconds between two looks",
            'HOLDER=${HOLDER:-"$(id -un)@$(uname -n)/by-hand"}',
            "FOLDER=${FOLDER:-$(mktemp -d)}  # device files, with keys: only you can read them",
            f"OLD_VGW={quoted(plan.old_gateway)}",
            "",
            FUNCTIONS,
            *([KEYS] if plan.decisions.keys is KeyMode.REUSE else []),
            *([MAIN_TABLE] if plan.decisions.test_vpc is not None else []),
            "",
            f'[ "$(aws sts get-caller-identity --query Account)" = {account} ] ||',
            f"  stop 'these are not credentials of account '{account}",
            *_lookups(plan),
            'echo "device files go to $FOLDER"',
        ]
    )


def _reached(invocation: Invocation) -> Iterator[str]:
    """Yield exports of what decides which account and server are reached."""
    named = {"AWS_PROFILE": invocation.profile, "AWS_ENDPOINT_URL": invocation.endpoint_url}
    named |= {name: value for name, value in invocation.variables if name.startswith("AWS_")}
    for name, value in named.items():
        if value:
            yield f"export {name}={quoted(value)}"


def _lookups(plan: Plan) -> Iterator[str]:
    names = ShellNames(plan)
    yield "# What is there already; a variable that stays empty stands for what is not made yet."
    yield _found(names, GATEWAY_ROLE, "vpn-gateway", "VpnGateway")
    for old in plan.old_connections:
        yield _found(names, connection_role(old), "vpn-connection", "VpnConnection")
    if plan.decisions.test_vpc is not None:
        yield _found(names, TEST_VPC_ROLE, "vpc", "Vpc")
        yield _found(names, TEST_SUBNET_ROLE, "subnet", "Subnet")


def _found(names: ShellNames, role: Role, kind: str, shape: str) -> str:
    variable = names.variables[role]
    # Tags lie on whatever somebody has put them on; what the plan's survey saw is not new.
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
    """Return what *step* does, as blocks; between two of them a person has a task to finish."""
    names = ShellNames(plan)
    done: list[str] = []
    current = list(_required(step, names))
    for change in step.changes:
        current += lines(change, names, step.number)
        if isinstance(change, AskOperator) and change.word in _ENDS_A_BLOCK:
            done.append("\n".join(current))
            current = []
    if step.changes and current:
        done.append("\n".join([*current, f"echo 'step {step.number}: done'"]))
    return tuple(done)


def back(plan: Plan) -> tuple[PlannedStep, ...]:
    """Return the steps of the way back, startable anywhere: also with the test VPC half built."""
    tried = next((step for step in plan.forward if step.number == _TEST_STEP), None)
    if tried is None or not tried.changes:
        return plan.back
    tested = next(
        at for at, change in enumerate(tried.changes) if isinstance(change, AskOperator | RunTest)
    )
    away = tried.changes[tested + 1 :]
    return tuple(
        replace(step, changes=away) if step.number == _TEST_STEP else step for step in plan.back
    )


def _required(step: PlannedStep, names: ShellNames) -> Iterator[str]:
    """Return what must hold before *step* may interrupt traffic, or delete for good."""
    plan = names.plan
    if step.phase is Phase.CUTOVER and _first_leaves(step, plan):
        for variable in names.variables.values():
            if variable.startswith("NEW_"):
                yield f': "${{{variable}:?is not made yet: steps 2 and 3 first}}"'
    if step.phase is Phase.FINALIZE and step.changes:
        at = f"attachment {names.word(GATEWAY_ROLE)} {names.word(plan.vpc)}"
        yield f"until_is {changes.ATTACHED} attached {at}"
        for old in plan.old_connections:
            if old not in plan.decisions.exceptions.connections:
                up = f"tunnels_up {names.successor(old)} 1"
                yield f"until_is {changes.PREFIX} True {up}"


def _first_leaves(step: PlannedStep, plan: Plan) -> bool:
    """Return whether *step* begins by taking something from the old gateway: only forward."""
    match step.changes:
        case (DisablePropagation() | DetachVpnGateway() as first, *_):
            return first.gateway == plan.old_gateway
        case _:
            return False
