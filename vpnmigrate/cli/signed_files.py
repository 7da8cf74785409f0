"""Signed files: the approvals and the plan's signature that a session adds to its journal."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from vpnmigrate.cli.context import CommandContext
from vpnmigrate.cli.run_selection import SelectedRun
from vpnmigrate.journal import RunState
from vpnmigrate.journal.records import Approved, PlanSigned
from vpnmigrate.local.documents import ApprovalFile
from vpnmigrate.local.signatures import (
    RunSignatures,
    SignatureTerms,
    check_approval,
    signature_file,
    signature_of,
    trusted_by,
)
from vpnmigrate.model.errors import RefusedError
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.signatures import SignedKind, SignedText, signing_command
from vpnmigrate.planning.approvals import approve_command, require_valid
from vpnmigrate.report.text import wrapped


def valid_approval(
    given: ApprovalFile, plan: Plan, before: RunState, now: datetime, signatures: RunSignatures
) -> Approved:
    """Return the record of an approval that counts for *plan*, as far as it is known already.

    Raises:
        RefusedError: It does not count, or its signature is missing or not good.
    """
    approval, rule = given.approval, plan.decisions.approvals
    after = before.approvals.rollbacks.get(plan.fingerprint, "")
    require_valid(approval, plan, now, after)
    if not rule.allowed_signers:
        return Approved(approval)
    signature = signature_of(given.path)
    if signature is None:
        if not rule.signed:
            return Approved(approval)
        raise RefusedError(
            f"{given.path} is not signed, but the plan demands signed approvals: there is no "
            f"{signature_file(given.path)}",
            advice=(
                "ask the approver to sign it:",
                signing_command(SignedKind.APPROVAL, str(given.path)),
                "or to approve and sign again:",
                approve_command("PLAN", after, signed=True),
            ),
        )
    signed = SignedText(given.text.decode(), signature)
    added = Approved(approval, signed)
    trust = trusted_by(plan.decisions, plan.programs)
    checked = check_approval(signatures.keygen, trust, approval, signed, SignatureTerms(now))
    if checked.fault:
        raise RefusedError(
            f"{given.path} {checked.fault}",
            advice=(
                "ask for another approval, signed by the approver with a key that is listed:",
                approve_command("PLAN", after, signed=True),
            ),
        )
    return added


def new_approvals(approvals: Iterable[Approved], before: RunState) -> list[Approved]:
    """Return the approvals that are new to the journal; a file may be given repeatedly."""
    return [
        each
        for each in approvals
        if each.approval not in before.approvals.added
        or each.signed != before.approvals.signed.get(each.approval.digest)
    ]


def new_plan_signature(
    selected: SelectedRun, before: RunState, context: CommandContext
) -> list[PlanSigned]:
    """Return the record of the signature beside the plan's file, if it is new to the journal.

    It is checked where it counts, so a signature that is not good never stops a rollback.
    """
    if selected.file is None or not selected.plan.decisions.approvals.allowed_signers:
        return []
    try:
        signature = signature_of(selected.file)
    except RefusedError as error:
        context.console.print_line(wrapped(f"Signature ignored: {error.message}"))
        return []
    fingerprint = selected.plan.fingerprint
    if signature is None or before.approvals.plan_signatures.get(fingerprint) == signature:
        return []
    return [PlanSigned(fingerprint, signature)]
