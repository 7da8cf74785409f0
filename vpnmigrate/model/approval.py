"""Approvals and rehearsal results: evidence that is tied to one plan.

The digest detects accidental edits, for example by a mail program; it proves nothing about the
author.  A signature beside the file of an approval does: see ``local.signatures``.
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
    """Fingerprint of the approved plan; no other plan is approved."""
    migration: MigrationId
    approver: str
    """The ARN that STS gave for the approver's credentials."""
    after: str = ""
    """The rollback that the approved attempt follows, as ``Entry.place``; empty for the first."""
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
    """The result of a rehearsal.  Times are simulated, as ``sandbox-fidelity.md`` explains."""

    format: int = REHEARSED_FORMAT
    fingerprint: str
    """Fingerprint of the plan that was rehearsed."""
    at: datetime
    tool: str
    passed: bool
    cutover: timedelta
    """From the beginning of step 7 to the end of step 10."""
    back: dict[int, timedelta]
    """Last step before the rollback, to the time until traffic flowed on the old side."""
    outage: timedelta | None = None
    """How long traffic was down in the cutover; None in a result of an earlier version."""
    back_outage: dict[int, timedelta] = {}
    """Last step before the rollback, to the whole outage, of the cutover and the rollback."""
    steps: dict[int, timedelta] = {}
    """How long each step of the migration took; people at the devices are not measured."""

    @property
    def rollback(self) -> timedelta:
        """Duration of the longest rollback."""
        return max(self.back.values(), default=timedelta(0))
