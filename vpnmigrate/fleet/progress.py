"""Progress of a campaign: the state of each member, and what persons have decided."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

from msgspec import Struct, field


class MemberState(StrEnum):
    """State of a member."""

    WAITING = "waiting"
    """It has not been started."""
    RUNNING = "running"
    """Steps 1 to 6 are under way: they create the new side and interrupt nothing."""
    STAGED = "staged"
    """Everything before the cutover is done, and its slot is free; a start continues it."""
    CUTOVER = "cutover"
    """The cutover has been started."""
    DONE = "done"
    """Traffic uses the new connections, and that was verified."""
    FAILED = "failed"
    """Its run has ended with an error: an operator must resume it or roll it back."""
    ROLLING_BACK = "rolling back"
    ROLLED_BACK = "rolled back"
    """Everything is as it was before; nothing is started again without an operator."""


HOLDS_SLOT: Final = frozenset(
    {MemberState.RUNNING, MemberState.CUTOVER, MemberState.FAILED, MemberState.ROLLING_BACK}
)
"""States in which a member holds its slot.  A failed run may be resumed at any moment."""
AT_DEVICE: Final = HOLDS_SLOT | {MemberState.STAGED}
"""States in which a member's new tunnels may be on a device beside the old ones."""
OVER_BUDGET: Final = frozenset(
    {MemberState.FAILED, MemberState.ROLLING_BACK, MemberState.ROLLED_BACK}
)
"""States that use up the error budget."""


class MemberProgress(Struct, frozen=True):
    """State of a member, since when."""

    state: MemberState = MemberState.WAITING
    since: datetime | None = None
    """None if it is not known; a soak does not begin then."""


class CampaignProgress(Struct, frozen=True):
    """What is known about a campaign beside its file."""

    members: Mapping[str, MemberProgress] = field(default_factory=dict)
    """By the id of the member; a member that is missing here is waiting."""
    approved: Mapping[str, str] = field(default_factory=dict)
    """Who approved a wave, by its name; beside those that the file names."""
    paused: str = ""
    """Who paused the campaign, and why; empty if it is not paused."""

    def of(self, member: str) -> MemberProgress:
        """Return the progress of *member*."""
        return self.members.get(member, _WAITING)


_WAITING: Final = MemberProgress()
