"""Command ``iam-policy``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vpnmigrate.cli.context import command_context
from vpnmigrate.cli.options import OutputOptions, RunDirectoryOptions
from vpnmigrate.local.documents import load_plan
from vpnmigrate.model.errors import UsageError
from vpnmigrate.planning.discovery_targets import role_in, role_target
from vpnmigrate.planning.iam_policy import (
    LARGEST,
    NO_OTHERS,
    IamPolicy,
    OtherAccounts,
    policy_for_any_plan,
    policy_of,
)
from vpnmigrate.planning.permissions import DELETE_OLD_GATEWAY, RunPhase


class PolicyPhase(StrEnum):
    """Phase of a policy."""

    DISCOVER = "discover"
    STAGE = "stage"
    CUTOVER = "cutover"
    ROLLBACK = "rollback"
    FINALIZE = "finalize"
    ALL = "all"

    @property
    def phases(self) -> frozenset[RunPhase]:
        """The phases of a migration that the policy is for."""
        return frozenset(RunPhase) if self is PolicyPhase.ALL else frozenset({RunPhase(self.value)})


def iam_policy(
    ctx: typer.Context,
    printing: OutputOptions,
    plan: Annotated[
        Path | None,
        typer.Argument(metavar="PLAN", show_default=False, help="A plan file."),
    ] = None,
    phase: Annotated[
        PolicyPhase, typer.Option("--phase", help="The part of a migration that the role is for.")
    ] = PolicyPhase.ALL,
    delete_old_gateway: Annotated[
        bool,
        typer.Option(DELETE_OLD_GATEWAY, help="Allow finalize to delete the old gateway too."),
    ] = False,
    region: Annotated[
        str | None,
        typer.Option(
            "--region", metavar="REGION", help="Region of a policy without a plan. Default: all."
        ),
    ] = None,
    role_arn: Annotated[
        list[str] | None,
        typer.Option(
            "--role-arn", metavar="ARN", help="Allow discover to assume this role. Repeatable."
        ),
    ] = None,
    organization: Annotated[
        str | None,
        typer.Option(
            "--organization",
            metavar="ROLE",
            help="Allow discover to list the organization's accounts and assume this role there.",
        ),
    ] = None,
) -> None:
    """Print the least IAM policy that a role needs.

    With a plan: for its resources alone.  Without one: for every migration in the account.  Reads
    no credentials and opens no connection.  Before a cutover grant the phases cutover and
    rollback.
    """
    context = command_context(ctx, RunDirectoryOptions(), printing)
    options = (DELETE_OLD_GATEWAY,) if delete_old_gateway else ()
    if plan is None:
        others = _others(role_arn or (), organization, region or "*")
        if others != NO_OTHERS and RunPhase.DISCOVER not in phase.phases:
            raise UsageError(
                "--role-arn and --organization are for discover", advice="add --phase discover"
            )
        policy = policy_for_any_plan(phase.phases, region or "*", options, others)
    elif role_arn or organization:
        raise UsageError(
            "--role-arn and --organization are for discover, which needs no plan",
            advice="leave the plan out",
        )
    elif region is not None:
        raise UsageError("a plan has its own Region", advice="leave --region out, or the plan")
    else:
        policy = policy_of(load_plan(plan), phase.phases, options)
    if policy.size > LARGEST:
        context.console.print_line(_too_large(policy))
    document = {
        "schema": "vpnmigrate/iam-policy/1",
        "phase": phase.value,
        "characters": policy.size,
        "policy": policy.document(),
    }
    context.results.print(json.dumps(policy.document(), indent=2), document)


def _others(roles: Sequence[str], organization: str | None, region: str) -> OtherAccounts:
    named = tuple(role_target(role).role for role in roles)
    members = () if organization is None else (role_in("*", organization, region),)
    return OtherAccounts((*named, *members), organization=organization is not None)


def _too_large(policy: IamPolicy) -> str:
    return (
        f"This policy has {policy.size} characters, and a managed policy may have {LARGEST}: "
        "make one for each phase with --phase, or add it to a role as an inline policy (10240)."
    )
