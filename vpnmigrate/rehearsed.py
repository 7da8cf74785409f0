"""What is kept of a rehearsal: which plan, when, whether it passed, and how long things took."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec import Struct

REHEARSED_FORMAT = 1


class Rehearsed(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
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
