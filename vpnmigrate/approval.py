"""An approval: who agreed to which plan, and until when.  A small file that can be mailed.

It carries no signature.  Its digest shows a slip of an editor or of a mail program, and nothing
about who made it.
"""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from vpnmigrate.model import AccountId, MigrationId

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
