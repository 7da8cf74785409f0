"""Stop: a signal of the operator or the system, applied at the safe points of a run.

In the outage Ctrl-C is a question, not an order: the run continues until the operator has answered,
because every second without an answer would extend the outage.
"""

from __future__ import annotations

from msgspec.structs import replace

from vpnmigrate.engine.context import RunContext
from vpnmigrate.engine.ports import InterruptChoice, StopRequest
from vpnmigrate.journal.interruption import stop_action
from vpnmigrate.journal.records import AbortAsked, Noted
from vpnmigrate.journal.state import RunState
from vpnmigrate.model.errors import InterruptedRunError, RollbackRequestedError
from vpnmigrate.model.plan import Direction
from vpnmigrate.model.stop import StopAction


class StopControl:
    """Applies the request to stop; *user* is the operator's login name."""

    def __init__(self, context: RunContext, *, stop_request: StopRequest, user: str) -> None:
        self._plan = context.plan
        self._recorder = context.recorder
        self._operator = context.operator
        self._request = stop_request
        self._user = user
        self._rolls_back = False
        self._asked = False
        self._stops = False
        """Whether the operator has answered that the run ends with traffic down."""

    def begin_rollback(self) -> None:
        """Note that this process rolls back, before the journal says so."""
        self._rolls_back = True

    def reason(self) -> str:
        """Return the reason to end a wait, after an open question; empty if the run continues."""
        ends = self._action() in {StopAction.STOP, StopAction.ROLL_BACK}
        return (self._request.reason or "") if ends else ""

    def check(self) -> None:
        """End here, between two changes, if that was requested.

        Raises:
            InterruptedRunError: The run ends; everything done so far is in the journal.
            RollbackRequestedError: Traffic is down, and the plan's policy is to roll back.
        """
        reason = self._request.reason
        match self._action():
            case StopAction.STOP:
                resume = self._recorder.resuming(self._plan)
                raise InterruptedRunError(reason or "", advice=resume)
            case StopAction.ROLL_BACK:
                self._request.withdraw()
                why = f"{reason} while traffic is down: the plan's back-out policy is to roll back"
                self._recorder.write(Noted(why))
                raise RollbackRequestedError(why)
            case _:
                pass  # Nothing was requested, or the run continues for now.

    def _action(self) -> StopAction | None:
        request, state = self._request, self._state
        if request.reason is None:
            return None
        if self._stops:
            return StopAction.STOP
        back_out = self._plan.decisions.back_out
        action = stop_action(state, asks=request.asks, back_out=back_out)
        if action is StopAction.ASK:
            return self._ask()
        if self._asked:
            self._asked = False
            self._operator.interrupted(())
            if request.asks:
                # Traffic flows again before an answer: the run continues, as without an answer.
                request.withdraw()
                return None
        return action

    def _ask(self) -> StopAction | None:
        self._asked = True
        back = self._state.direction is Direction.ROLLBACK
        choices = tuple(
            c for c in InterruptChoice if not back or c is not InterruptChoice.ROLL_BACK
        )
        choice = self._operator.interrupted(choices)
        if choice is None:
            return StopAction.ASK
        self._asked = False
        self._stops = choice is InterruptChoice.STOP
        if not self._stops:
            self._request.withdraw()
        self._operator.interrupted(())
        if self._stops:
            return StopAction.STOP
        if choice is InterruptChoice.ROLL_BACK:
            self._recorder.write(AbortAsked(self._user, self._recorder.state.host))
        return None

    @property
    def _state(self) -> RunState:
        """The run's state, in the direction of this process."""
        state = self._recorder.state
        return replace(state, direction=Direction.ROLLBACK) if self._rolls_back else state
