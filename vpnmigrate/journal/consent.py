"""Consent: what would interrupt traffic, and therefore needs the operator's agreement."""

from __future__ import annotations

from vpnmigrate.journal.state import RunState, Traffic
from vpnmigrate.model.plan import Direction


def interrupts_traffic(direction: Direction, state: RunState) -> bool:
    """Return whether a run in *direction* may interrupt traffic that flows in *state*.

    While traffic is down, either direction restores it.  Where the journal does not show the path
    of traffic, it counts as flowing.
    """
    if state.outage.open:
        return False
    match direction:
        case Direction.FORWARD:
            migrated = state.finished and state.direction is Direction.FORWARD
            return not migrated and state.traffic is not Traffic.NEW
        case Direction.ROLLBACK:
            unknown = state.direction is None or state.journal_lost
            return unknown or state.traffic is not Traffic.OLD
        case Direction.FINALIZE:
            return False
