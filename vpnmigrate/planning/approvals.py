"""Approval rules: which approvals count for a plan, and why the others do not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct

from vpnmigrate.model.approval import Approval
from vpnmigrate.model.decisions import LONGEST_APPROVAL
from vpnmigrate.model.errors import RefusedError
from vpnmigrate.model.errors.commands import Command, cli, option
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.signatures import SignatureChecks

SKEW = timedelta(minutes=5)
"""Largest difference between two correct clocks: the smallest that AWS accepts (SigV4)."""

_SESSION = re.compile(r"^(arn:[^:]*:sts::\d+:assumed-role/[^/]+)/(.+)$")


class Approver(Struct, frozen=True):
    """A person, by their AWS identity and their login name."""

    arn: str
    user: str

    def may_be(self, other: Approver) -> bool:
        """Return whether both may be the same person.

        A person who assumes a role chooses the name of the session.  So two sessions of one role
        count as two people only if their login names differ too.
        """
        if self.arn == other.arn:
            return True
        mine, theirs = _SESSION.match(self.arn), _SESSION.match(other.arn)
        same_role = mine is not None and theirs is not None and mine[1] == theirs[1]
        return same_role and self.user == other.user


class CountedApprovals(Struct, frozen=True):
    """The approvals that count, and the others with the reason."""

    good: tuple[Approval, ...]
    void: tuple[tuple[Approval, str], ...]

    @property
    def faults(self) -> tuple[str, ...]:
        """The reason for each approval that does not count, as a clause."""
        return tuple(f"the approval by {each.approver} {why}" for each, why in self.void)


def digest_of(document: Mapping[str, Any]) -> str:
    """Return the digest of an approval's decoded JSON: sorted keys, empty digest."""
    canonical = msgspec.json.encode({**document, "digest": ""}, order="sorted")
    return sha256(canonical).hexdigest()


def with_digest(approval: Approval) -> Approval:
    """Return *approval* with its digest."""
    return msgspec.structs.replace(approval, digest=digest_of(msgspec.to_builtins(approval)))


class ApprovalContext(Struct, frozen=True):
    """What approvals are judged against, besides the plan."""

    operator: Approver
    now: datetime
    after: str = ""
    """The rollback that an approval has to name; empty if there was none under this plan."""
    signatures: SignatureChecks | None = None
    """None if the plan demands none."""
    journal_lost: bool = False
    """Whether an earlier journal of the run, with its rollbacks, is lost."""


def require_valid(approval: Approval, plan: Plan, now: datetime, after: str = "") -> None:
    """Raise an error if *approval* does not count for *plan* after the rollback *after*.

    Raises:
        RefusedError: It is for another plan or attempt, expired, or dated in the future.
    """
    if why := _fault(approval, plan, now, after):
        again = approve_command("PLAN", after, signed=plan.decisions.approvals.signed)
        raise RefusedError(
            f"the approval by {approval.approver} {why}",
            advice=("ask them to approve the plan as it is:", again),
        )


def approve_command(plan: str, after: str, *, signed: bool) -> Command:
    """Return the command that approves the file *plan* for the attempt that follows *after*."""
    signing = ("--sign-key", "KEY") if signed else ()
    return cli("approve", plan, *(option("--after", after) if after else ()), *signing)


def count_valid(
    plan: Plan, approvals: Iterable[Approval], context: ApprovalContext
) -> CountedApprovals:
    """Return which *approvals* count: valid, signed if the plan says so, and one per person.

    With four eyes, approvals of the operator and of the plan's author do not count, by AWS identity
    or by key, nor do approvals with a key that is listed for one of them.  Of several approvals by
    one person only the last one added is checked.
    """
    latest = {(each.approver, each.user): each for each in approvals}
    good: list[Approval] = []
    void: list[tuple[Approval, str]] = []
    for each in latest.values():
        why = (
            _fault(each, plan, context.now, context.after)
            or _signature_fault(each, plan, context)
            or _person_fault(each, plan, context)
            or _repeated(each, good, context)
        )
        if why:
            void.append((each, why))
        else:
            good.append(each)
    return CountedApprovals(tuple(good), tuple(void))


def _fault(approval: Approval, plan: Plan, now: datetime, after: str) -> str:
    if approval.fingerprint != plan.fingerprint:
        return f"is for another plan ({approval.fingerprint[:12]}, not {plan.fingerprint[:12]})"
    if approval.after != after:
        if not approval.after:
            return f"is for an attempt that was rolled back; another attempt follows {after}"
        return f"is for the attempt after {approval.after}, not {after or 'the first attempt'}"
    if approval.at > now + SKEW:
        return f"is dated {approval.at:%Y-%m-%d %H:%M}Z, which is in the future"
    # The plan limits the validity of an approval; the file cannot extend it.
    valid = min(plan.decisions.approvals.valid, LONGEST_APPROVAL)
    ends = min(approval.expires, approval.at + valid)
    if now >= ends:
        return f"expired {ends:%Y-%m-%d %H:%M}Z"
    return ""


def _signature_fault(approval: Approval, plan: Plan, context: ApprovalContext) -> str:
    if context.signatures is None:
        return ""
    if context.journal_lost and not approval.after:
        return "is for the first attempt, but the journal was lost, so another may have been made"
    if approval.at < plan.made - SKEW:
        # Otherwise a key that has expired since could be used with an earlier date.
        return f"is dated {approval.at:%Y-%m-%d %H:%M}Z, before the plan was made"
    return context.signatures.of(approval.digest).fault


def _approver_of(approval: Approval) -> Approver:
    return Approver(approval.approver, approval.user)


def _person_fault(approval: Approval, plan: Plan, context: ApprovalContext) -> str:
    if not plan.decisions.approvals.four_eyes:
        return ""
    person = _approver_of(approval)
    if person.may_be(context.operator):
        return "does not count: the operator cannot approve their own change"
    author = plan.author
    if author is not None and person.may_be(Approver(author.arn, author.user)):
        return "does not count: the author of the plan cannot approve it"
    if context.signatures is None:
        return ""
    found = context.signatures.of(approval.digest)
    if found.key == context.signatures.plan.key:
        return f"does not count: it is signed with {found.key}, the key of the plan's author"
    listed = f"does not count: the list of signers has its key, {found.key}, also for "
    if context.operator.arn in found.also_for:
        return f"{listed}{context.operator.arn}, the operator"
    if plan.author_arn in found.also_for:
        return f"{listed}{plan.author_arn}, the author of the plan"
    return ""


def _repeated(approval: Approval, good: Iterable[Approval], context: ApprovalContext) -> str:
    person = _approver_of(approval)
    for each in good:
        if person.may_be(_approver_of(each)):
            return "does not count: the same person has approved already"
        if context.signatures is None:
            continue
        key = context.signatures.of(approval.digest).key
        if key == context.signatures.of(each.digest).key:
            return f"does not count: the key {key} has signed another approval already"
    return ""
