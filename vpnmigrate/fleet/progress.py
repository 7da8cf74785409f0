"""Progress of a campaign: the state of each member, and the decisions of operators."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

from msgspec import Struct, field

from vpnmigrate.fleet.campaign import FleetMember
from vpnmigrate.journal import RunState
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.plan import Direction


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
    TO_ROLL_BACK = "to roll back"
    """Its rollback was ordered with that of its wave, and waits for a slot."""
    ROLLING_BACK = "rolling back"
    ROLLED_BACK = "rolled back"
    """Everything is as it was before; nothing is started again without an operator."""


HOLDS_SLOT: Final = frozenset(
    {MemberState.RUNNING, MemberState.CUTOVER, MemberState.FAILED, MemberState.ROLLING_BACK}
)
"""States in which a member holds its slot.  A failed run may be resumed at any moment."""
AT_DEVICE: Final = HOLDS_SLOT | {MemberState.STAGED, MemberState.TO_ROLL_BACK}
"""States in which a member's new tunnels may be on a device beside the old ones."""
PLAN_MAY_CHANGE: Final = frozenset({MemberState.WAITING, MemberState.ROLLED_BACK})
"""States in which a plan may change: nothing of the member is under way or migrated."""
USES_ERROR_BUDGET: Final = frozenset(
    {
        MemberState.FAILED,
        MemberState.TO_ROLL_BACK,
        MemberState.ROLLING_BACK,
        MemberState.ROLLED_BACK,
    }
)
"""States of members that count against the error budget."""


class MemberProgress(Struct, frozen=True):
    """State of a member, since when."""

    state: MemberState = MemberState.WAITING
    since: datetime | None = None
    """None if it is not known; a soak does not begin then."""


def progress_of_run(state: RunState, *, alive: bool) -> MemberProgress:
    """Return the progress of a member from the state of its run.

    *alive* is whether a process works on it.  A run that was interrupted without an error keeps its
    state, and with it its slot.
    """
    found = _state_of_run(state, failed=bool(state.error) and not alive)
    since = state.soak_begins if found is MemberState.DONE else None
    return MemberProgress(found, since and since + state.clock_ahead)


def _state_of_run(state: RunState, *, failed: bool) -> MemberState:
    match state.status:
        case RunStatus.PLANNED:
            return MemberState.WAITING
        case RunStatus.PREPARING:
            return MemberState.FAILED if failed else MemberState.RUNNING
        case RunStatus.HELD:
            return _state_when_held(state)
        case RunStatus.CUTTING_OVER:
            return MemberState.FAILED if failed else MemberState.CUTOVER
        case RunStatus.CUT_OVER:
            # Without a confirmation, the watchdog rolls it back.
            return MemberState.DONE if state.confirm.armed is None else MemberState.CUTOVER
        case RunStatus.FINALIZING | RunStatus.FINALIZED:
            return MemberState.DONE
        case RunStatus.STUCK:
            return MemberState.FAILED
        case RunStatus.ROLLING_BACK:
            return MemberState.ROLLING_BACK
        case RunStatus.ROLLED_BACK:
            return MemberState.ROLLED_BACK


def _state_when_held(state: RunState) -> MemberState:
    match state.direction:
        case Direction.FINALIZE:
            return MemberState.DONE
        case Direction.ROLLBACK:
            return MemberState.ROLLING_BACK
        case _ if state.is_prepared:
            return MemberState.STAGED
        case _:
            return MemberState.CUTOVER if state.cutover_begun else MemberState.RUNNING


class CampaignProgress(Struct, frozen=True):
    """State of a campaign besides its file."""

    members: Mapping[str, MemberProgress] = field(default_factory=dict)
    """By the id of the member; a member that is missing here is waiting."""
    approved: Mapping[str, str] = field(default_factory=dict)
    """Who approved a wave, by its name; beside those that the file names."""
    paused: str = ""
    """Who paused the campaign, and why; empty if it is not paused."""
    held: frozenset[str] = frozenset()
    """Staged members whose gates are closed; they are started again when these may have opened."""
    others: tuple[FleetMember, ...] = ()
    """What holds a slot and belongs to no member, such as a run that was started by hand."""
    others_staged: tuple[FleetMember, ...] = ()
    """What is staged and belongs to no member: it counts at its devices alone."""

    def of(self, member: str) -> MemberProgress:
        """Return the progress of *member*."""
        return self.members.get(member, _WAITING)


_WAITING: Final = MemberProgress()
