"""Approvals and rehearsal results: evidence that is tied to one plan.

It carries no signature.  Its digest shows a slip of an editor or of a mail program, and nothing
about who made it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec import Struct

from vpnmigrate.model.ec2 import AccountId, MigrationId

APPROVAL_FORMAT = 1


class Approval(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One person's agreement to one plan."""

    format: int = APPROVAL_FORMAT
    fingerprint: str
    """Of the plan; any other plan is not approved."""
    migration: MigrationId
    approver: str
    """The ARN that STS gave for the approver's credentials."""
    account: AccountId
    user: str
    """The approver's login name on the host they approved from."""
    host: str
    at: datetime
    expires: datetime
    digest: str = ""
    """SHA-256 over the canonical JSON of this approval with an empty digest."""


REHEARSED_FORMAT = 1


class RehearsalResult(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The result of a rehearsal.  Times are the model's, as ``sandbox-fidelity.md`` says."""

    format: int = REHEARSED_FORMAT
    fingerprint: str
    """Of the plan that was rehearsed."""
    at: datetime
    tool: str
    passed: bool
    cutover: timedelta
    """From the beginning of step 7 to the end of step 10."""
    back: dict[int, timedelta]
    """The step turned back after, to how long it took until traffic flowed on the old side."""

    @property
    def rollback(self) -> timedelta:
        """The longest way back."""
        return max(self.back.values(), default=timedelta(0))
