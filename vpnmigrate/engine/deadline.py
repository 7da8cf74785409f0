"""Back-out deadline: the moment by which a cutover is stable or rolls back."""

from __future__ import annotations

from datetime import datetime

from vpnmigrate.engine.context import RunContext
from vpnmigrate.engine.ports import DeadlineChoice, OverdueCutover
from vpnmigrate.journal import RunState
from vpnmigrate.journal.records import AbortAsked, Continued, DeadlinePassed, DeadlineSet, Noted
from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.clock import moment
from vpnmigrate.model.decisions import BackOut
from vpnmigrate.model.errors import RollbackRequestedError
from vpnmigrate.model.plan import Direction, Plan
from vpnmigrate.planning.windows import back_out_deadline, expected


def deadline_of(plan: Plan, rehearsed: RehearsalResult | None) -> DeadlineSet | None:
    """Return the deadline of *plan*: the window's end less the rollback time and the margin.

    A plan without a window has no deadline; then the result is None.
    """
    window = plan.decisions.window
    if window is None:
        return None
    durations = expected(plan.fingerprint, rehearsed)
    at = back_out_deadline(window, durations.rollback, plan.decisions.waits.margin)
    return DeadlineSet(at, durations.rollback, durations.source)


def is_overdue(state: RunState, now: datetime) -> bool:
    """Return whether a cutover is under way past its deadline without verified traffic."""
    return (
        state.deadline is not None
        and now >= state.deadline.at
        and state.direction is Direction.FORWARD
        and state.cutover_begun
        and not state.finished
        and state.journal_facts.verified is None
    )


class DeadlineControl:
    """Sets the deadline when a cutover starts, and applies the plan's policy once it has passed."""

    def __init__(
        self, context: RunContext, *, rehearsed: RehearsalResult | None, user: str
    ) -> None:
        self._plan = context.plan
        self._recorder = context.recorder
        self._operator = context.operator
        self._clock = context.clock
        self._rehearsed = rehearsed
        self._user = user

    def begin(self) -> None:
        """Record the time by which the cutover that starts now must be stable."""
        if self._recorder.cutover_is_open:
            return
        deadline = deadline_of(self._plan, self._rehearsed)
        if deadline is None:
            return
        if self._clock.wall() < deadline.at:
            self._recorder.write(deadline)
        else:
            # The window gate was forced: a deadline in the past would roll back immediately.
            by = moment(deadline.at)
            text = f"the cutover started after its back-out deadline, {by}, which does not apply"
            self._recorder.write(Noted(text))

    def check(self) -> None:
        """Report once that the deadline has passed; then roll back or ask, as the plan says.

        The answer is recorded like any other order.  The run does not wait for it: until the
        answer comes, the run continues.

        Raises:
            RollbackRequestedError: The plan's policy is to roll back.
        """
        state = self._recorder.state
        if state.deadline is None or not is_overdue(state, self._clock.wall()):
            self._operator.decide(None)
            return
        at, asks = state.deadline.at, self._plan.decisions.back_out is BackOut.ASK
        if not state.deadline.passed:
            self._recorder.write(DeadlinePassed(at, asks))
        if not asks:
            raise RollbackRequestedError(
                f"the back-out deadline, {moment(at)}, has passed without verified "
                "traffic, and the plan's back-out policy is to roll back"
            )
        match self._operator.decide(self._overdue_cutover()):
            case DeadlineChoice.ROLL_BACK:
                self._recorder.write(AbortAsked(self._user, self._recorder.state.host))
            case DeadlineChoice.GO_ON:
                self._recorder.write(Continued(self._user, self._recorder.state.host))
            case None:
                pass

    def _overdue_cutover(self) -> OverdueCutover | None:
        state, window = self._recorder.state, self._plan.decisions.window
        if window is None or state.deadline is None or not state.asks_to_decide:
            return None
        at = state.deadline.at
        rollback = window.end - self._plan.decisions.waits.margin - at
        return OverdueCutover(at, rollback, window.end - self._clock.wall())
