"""Interruption: what needs consent because it interrupts traffic, and what a stop means."""

from __future__ import annotations

from vpnmigrate.journal.orders import pause_extends_outage
from vpnmigrate.journal.state import RunState, Traffic
from vpnmigrate.model.decisions import BackOut
from vpnmigrate.model.plan import Direction
from vpnmigrate.model.stop import StopAction


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


def stop_action(state: RunState, *, asks: bool, back_out: BackOut) -> StopAction:
    """Return what a request to stop means; *asks* says that an operator at a terminal made it.

    While traffic flows, ending has no effect on it.
    """
    if not (state.outage.open or (state.journal_lost and pause_extends_outage(state))):
        return StopAction.STOP
    if asks:
        return StopAction.ASK
    if back_out is not BackOut.ROLLBACK:
        return StopAction.STOP
    rolls_back = state.direction is Direction.ROLLBACK
    return StopAction.RESTORE_FIRST if rolls_back else StopAction.ROLL_BACK
