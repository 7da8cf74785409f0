"""Command ``approve``."""

from __future__ import annotations

import re
from dataclasses import dataclass
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
    SignKey,
)
from vpnmigrate.cli.run_actions import require_yes
from vpnmigrate.local.documents import approval_content, load_plan, require_no_input
from vpnmigrate.local.signatures import save_signed
from vpnmigrate.local.ssh_keygen import key_and_namespace
from vpnmigrate.model.approval import Approval
from vpnmigrate.model.ec2 import AccountId
from vpnmigrate.model.errors import UsageError
from vpnmigrate.model.errors.commands import cli, option
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.signatures import SignedKind
from vpnmigrate.planning.approvals import with_digest
from vpnmigrate.report import results as view


def approve(
    ctx: typer.Context,
    plan: PlanFile,
    aws: AwsOptions,
    prompt_options: PromptOptions,
    printing: OutputOptions,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="File to write. Default: approval-<...>.json."
        ),
    ] = None,
    sign_key: SignKey = None,
    after: Annotated[
        str,
        typer.Option(
            "--after",
            metavar="ROLLBACK",
            show_default=False,
            help="Approve another attempt, after this rollback of the run; status names it.",
        ),
    ] = "",
) -> None:
    """Approve a plan, so that its operator can apply it.

    Writes a small file that can be mailed and that apply reads with --approval.  The file names you
    by your AWS identity (STS) and your login name.  Without --sign-key it is not signed: it catches
    mistakes, not deliberate forgery.
    """
    context = command_context(ctx, RunDirectoryOptions(), printing)
    made = give(context, aws, prompt_options, plan, ApprovalTerms(output, sign_key, after))
    named = context.file(made.file)
    on = cli("apply", context.file(plan), *option("--approval", named))
    result = view.ApprovalResult(
        approval=made.approval,
        file=str(made.file),
        signature=str(made.signature or ""),
        key=made.key,
        demanded=made.demanded,
        on=context.invocation.complete(on),
    )
    context.results.print(view.approval_text(result), view.approval_json(result))


_ODD = re.compile(r"[^A-Za-z0-9._-]+")
_PLACE = re.compile(r"[0-9]{1,9}-[0-9a-f]{16}")


@dataclass(frozen=True)
class ApprovalTerms:
    """The approver's options: the file to write, the key to sign with, the attempt."""

    output: Path | None
    sign_key: Path | None
    after: str


@dataclass(frozen=True)
class GivenApproval:
    """An approval that was written to *file*; *signature* is the file of its signature."""

    approval: Approval
    file: Path
    signature: Path | None
    key: str
    """The fingerprint of the key; empty if it is not signed."""
    demanded: bool
    """Whether the plan demands a signature."""


def give(
    context: CommandContext,
    aws: AwsOptions,
    prompt_options: PromptOptions,
    plan_file: Path,
    terms: ApprovalTerms,
) -> GivenApproval:
    """Approve the plan in *plan_file* under the identity that STS returns.

    Raises:
        HeldError: The operator at the terminal does not answer yes.
        AwsError: STS does not return the identity.
        RefusedError: The approval could not be signed; nothing was written.
        UsageError: The plan cannot be read, or the approval cannot be written.
    """
    if terms.output is not None:
        require_no_input(terms.output, (plan_file, terms.sign_key))
    plan = load_plan(plan_file)
    if terms.after and not _PLACE.fullmatch(terms.after):
        raise UsageError(
            f"--after {terms.after!r} does not name a rollback",
            advice="ask the operator of the run for its status, which prints the whole command",
        )
    identity = account_reader(context, aws).identity()
    require_yes(context, prompt_options, f"{_question(plan, terms.after)} You are {identity.arn}.")
    me, now = context.dependencies.me, context.dependencies.clock.wall()
    given = with_digest(
        Approval(
            fingerprint=plan.fingerprint,
            migration=plan.migration,
            approver=identity.arn,
            after=terms.after,
            account=AccountId(identity.account),
            user=me.user,
            host=me.host,
            at=now,
            expires=now + plan.decisions.approvals.valid,
        )
    )
    file = terms.output or Path(f"approval-{plan.migration}-{_ODD.sub('-', me.user)}.json")
    text, signature, key = approval_content(given), None, ""
    if terms.sign_key is not None:
        signature = context.sign(text, terms.sign_key, SignedKind.APPROVAL, prompt_options)
        key, _ = key_and_namespace(signature)
    beside = save_signed(text, signature, file)
    return GivenApproval(given, file, beside, key, plan.decisions.approvals.signed)


def _question(plan: Plan, after: str) -> str:
    window = plan.decisions.window
    when = f"in the window {window.written}" if window else "at any time"
    again = f", in another attempt after the rollback {after}" if after else ""
    return (
        f"Approve plan {plan.fingerprint[:12]}: {plan.old_gateway} on {plan.vpc} is replaced, "
        f"{when}{again}?"
    )
