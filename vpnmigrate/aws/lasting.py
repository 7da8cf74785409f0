"""How long credentials last, and what AWS's clock says: read from what botocore has in hand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from vpnmigrate.engine.ports import Credentials, Renewal

FROM_ENVIRONMENT = "env"
"""botocore's name for credentials out of variables: read again they are the same ones."""


def credentials_of(held: Any) -> Credentials:
    """Tell how long *held*, a session's credentials, last.

    botocore keeps the end of those that it can renew.  Keys with a session token that it cannot
    renew end some time, and nobody has told it when.
    """
    until = getattr(held, "_expiry_time", None)
    if isinstance(until, datetime):
        by_itself = held.method != FROM_ENVIRONMENT
        renewal = Renewal.BY_ITSELF if by_itself else Renewal.BY_A_PERSON
        return Credentials(renewal, until.astimezone(UTC))
    if hasattr(held, "refresh_needed"):
        return Credentials(Renewal.BY_ITSELF)
    if getattr(held, "token", None):
        return Credentials(Renewal.BY_A_PERSON)
    return Credentials(Renewal.NEEDLESS)


def ahead_of(answer: Mapping[str, Any], now: datetime) -> timedelta | None:
    """Tell how far *now*, our time when *answer* came, is ahead of the Date that AWS wrote on it.

    A Date has whole seconds, and the answer took its time: both are far below what matters.
    """
    written = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        there = parsedate_to_datetime(written)
    except (ValueError, TypeError):
        return None
    if there.tzinfo is None:
        there = there.replace(tzinfo=UTC)
    return now - there
