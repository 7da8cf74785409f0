"""Approval rules: which approvals count for a plan, and why the others do not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec

from vpnmigrate.errors import RefusedError
from vpnmigrate.errors.commands import cli
from vpnmigrate.model.approval import Approval
from vpnmigrate.model.plan import Plan

SKEW = timedelta(minutes=5)
"""Largest difference between two correct clocks: the smallest that AWS accepts (SigV4)."""

_SESSION = re.compile(r"^(arn:[^:]*:sts::\d+:assumed-role/[^/]+)/(.+)$")


@dataclass(frozen=True)
class Approver:
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


@dataclass(frozen=True)
class CountedApprovals:
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


def require_valid(approval: Approval, plan: Plan, now: datetime) -> None:
    """Raise an error if *approval* does not count for *plan*.

    Raises:
        RefusedError: It is for another plan, expired, or dated in the future.
    """
    if why := _fault(approval, plan, now):
        raise RefusedError(
            f"the approval by {approval.approver} {why}",
            advice=("ask them to approve the plan as it is:", cli("approve", "PLAN")),
        )


def count_valid(
    plan: Plan, approvals: Iterable[Approval], operator: Approver, now: datetime
) -> CountedApprovals:
    """Return which *approvals* count: valid, one per person, and not the operator's with four eyes.

    Of several approvals by one person only the last one added is checked.
    """
    latest = {(each.approver, each.user): each for each in approvals}
    good: list[Approval] = []
    void: list[tuple[Approval, str]] = []
    for each in latest.values():
        person = Approver(each.approver, each.user)
        why = _fault(each, plan, now)
        if not why and plan.decisions.approvals.four_eyes and person.may_be(operator):
            why = "does not count: the operator cannot approve their own change"
        if not why and any(person.may_be(Approver(g.approver, g.user)) for g in good):
            why = "does not count: the same person has approved already"
        if why:
            void.append((each, why))
        else:
            good.append(each)
    return CountedApprovals(tuple(good), tuple(void))


def _fault(approval: Approval, plan: Plan, now: datetime) -> str:
    if approval.fingerprint != plan.fingerprint:
        return f"is for another plan ({approval.fingerprint[:12]}, not {plan.fingerprint[:12]})"
    if approval.at > now + SKEW:
        return f"is dated {approval.at:%Y-%m-%d %H:%M}Z, which is in the future"
    # The plan limits the validity of an approval; the file cannot extend it.
    ends = min(approval.expires, approval.at + plan.decisions.approvals.valid)
    if now >= ends:
        return f"expired {ends:%Y-%m-%d %H:%M}Z"
    return ""
