"""Command ``approve``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from vpnmigrate.cli.account_reader import account_reader
from vpnmigrate.cli.context import CommandContext, command_context
from vpnmigrate.cli.options import (
    AwsOptions,
    OutputOptions,
    PlanFile,
    PromptOptions,
    RunDirectoryOptions,
)
from vpnmigrate.cli.run_actions import require_yes
from vpnmigrate.errors.commands import cli, option
from vpnmigrate.local.documents import load_plan, save_approval
from vpnmigrate.model.approval import Approval
from vpnmigrate.model.ec2 import AccountId
from vpnmigrate.model.plan import Plan
from vpnmigrate.planning.approvals import with_digest
from vpnmigrate.report import results as view


def approve(
    ctx: typer.Context,
    plan: PlanFile,
    aws: AwsOptions,
    asking: PromptOptions,
    printing: OutputOptions,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="File to write. Default: approval-<...>.json."
        ),
    ] = None,
) -> None:
    """Approve a plan, so that its operator can apply it.

    Writes a small file that can be mailed and that apply reads with --approval.  The file names you
    by your AWS identity (STS) and your login name.  It is not signed: it catches mistakes, not
    deliberate forgery.
    """
    context = command_context(ctx, RunDirectoryOptions(), printing)
    given, file = give(context, aws, asking, plan, output)
    named = context.file(file)
    on = cli("apply", context.file(plan), *option("--approval", named))
    on = context.invocation.complete(on)
    context.results.print(
        view.approval_text(given, file=str(file), on=on),
        view.approval_json(given, file=str(file), on=on),
    )


_ODD = re.compile(r"[^A-Za-z0-9._-]+")


def give(
    context: CommandContext,
    aws: AwsOptions,
    asking: PromptOptions,
    plan_file: Path,
    output: Path | None,
) -> tuple[Approval, Path]:
    """Approve the plan in *plan_file* under the identity that STS returns.

    Return the approval and the file written.

    Raises:
        HeldError: The operator at the terminal does not answer yes.
        AwsError: STS does not return the identity.
        UsageError: The plan cannot be read, or the approval cannot be written.
    """
    plan = load_plan(plan_file)
    identity = account_reader(context, aws).identity()
    require_yes(context, asking, f"{_question(plan)} You are {identity.arn}.")
    me, now = context.parts.me, context.parts.clock.wall()
    given = with_digest(
        Approval(
            fingerprint=plan.fingerprint,
            migration=plan.migration,
            approver=identity.arn,
            account=AccountId(identity.account),
            user=me.user,
            host=me.host,
            at=now,
            expires=now + plan.decisions.approvals.valid,
        )
    )
    file = output or Path(f"approval-{plan.migration}-{_ODD.sub('-', me.user)}.json")
    save_approval(given, file)
    return given, file


def _question(plan: Plan) -> str:
    window = plan.decisions.window
    when = f"in the window {window.written}" if window else "at any time"
    return (
        f"Approve plan {plan.fingerprint[:12]}: {plan.old_gateway} on {plan.vpc} is replaced, "
        f"{when}?"
    )
