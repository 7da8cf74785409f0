"""Stop: what a signal to stop means for a run, by its traffic and the plan's back-out policy."""

from __future__ import annotations

from vpnmigrate.journal.orders import pause_extends_outage
from vpnmigrate.journal.state import RunState
from vpnmigrate.model.decisions import BackOut
from vpnmigrate.model.plan import Direction
from vpnmigrate.model.stop import StopAction


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
