"""Command ``iam-policy``."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vpnmigrate.cli.context import command_context
from vpnmigrate.cli.options import OutputOptions, RunDirectoryOptions
from vpnmigrate.errors import UsageError
from vpnmigrate.local.documents import load_plan
from vpnmigrate.planning.iam_policy import LARGEST, IamPolicy, policy_for_any_plan, policy_of
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
) -> None:
    """Print the IAM policy that a role needs, and no more.

    With a plan: for its resources alone.  Without one: for every migration in the account.  Reads
    no credentials and opens no connection.  Before a cutover grant the phases cutover and
    rollback.
    """
    context = command_context(ctx, RunDirectoryOptions(), printing)
    options = (DELETE_OLD_GATEWAY,) if delete_old_gateway else ()
    if plan is None:
        policy = policy_for_any_plan(phase.phases, region or "*", options)
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


def _too_large(policy: IamPolicy) -> str:
    return (
        f"This policy has {policy.size} characters, and a managed policy may have {LARGEST}: "
        "make one for each phase with --phase, or add it to a role as an inline policy (10240)."
    )
