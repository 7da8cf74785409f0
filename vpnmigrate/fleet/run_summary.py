"""Run summary: what the views of a campaign show of a run, without its journal.

It follows from the journal alone, and a worker stores it when a session ends.  Nothing is decided
by it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct


class RunAwaits(StrEnum):
    """The command of an operator for which a run waits."""

    NOTHING = ""
    DONE = "done"
    """The task at the devices."""
    CONFIRM = "confirm"
    RESUME = "resume"
    """It was paused or aborted."""
    START = "start"
    """It has failed, or everything before the cutover is done."""


class RunSummary(Struct, frozen=True, omit_defaults=True):
    """What a journal of *lines* lines shows."""

    lines: int = 0
    status: str = ""
    step: int = 0
    traffic: str = ""
    """Empty before the run has begun."""
    outage: timedelta | None = None
    """How long the last outage lasted; None if there was none, or it is open."""
    down_since: datetime | None = None
    """When the open outage began, on the system clock."""
    waiting_for: str = ""
    """What the run waits for, or why it has stopped."""
    closed_gates: tuple[str, ...] = ()
    awaits: RunAwaits = RunAwaits.NOTHING
    task_step: int = 0
    """The step of the task that is awaited."""
    finalized: bool = False
    """Whether the old connections are deleted."""

    def outage_at(self, now: datetime) -> timedelta | None:
        """Return the length of the last outage, at *now* if it is open."""
        return self.outage if self.down_since is None else now - self.down_since


NOT_BEGUN = RunSummary()
"""The summary of an empty journal."""
