"""Back-out deadline: the moment by which a cutover is stable or rolls back."""

from __future__ import annotations

from datetime import datetime

from vpnmigrate.engine.context import RunContext
from vpnmigrate.engine.ports import DeadlineChoice, OverdueCutover
from vpnmigrate.errors import RollbackRequestedError
from vpnmigrate.journal import RunState
from vpnmigrate.journal.records import AbortAsked, Continued, DeadlinePassed, DeadlineSet, Noted
from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.clock import moment
from vpnmigrate.model.decisions import BackOut
from vpnmigrate.model.plan import Direction, Plan
from vpnmigrate.planning.windows import back_out_deadline, expected


def deadline_of(plan: Plan, rehearsed: RehearsalResult | None) -> DeadlineSet | None:
    """Reckon the deadline of *plan*: the window's end, less the way back, less the margin.

    None for a plan without a window: nothing says when it has to be over.
    """
    window = plan.decisions.window
    if window is None:
        return None
    awaited = expected(plan.fingerprint, rehearsed)
    at = back_out_deadline(window, awaited.rollback, plan.decisions.waits.margin)
    return DeadlineSet(at, awaited.rollback, awaited.source)


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
    """Sets the deadline when a cutover begins, and does what the plan says once it has passed."""

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
        """Write down until when the cutover that begins now has to be green."""
        if self._recorder.cutover_is_open:
            return
        deadline = deadline_of(self._plan, self._rehearsed)
        if deadline is None:
            return
        if self._clock.wall() < deadline.at:
            self._recorder.write(deadline)
        else:
            # Somebody has forced the window: to turn round at once would be no cutover at all.
            by = moment(deadline.at)
            self._recorder.write(Noted(f"begun after its back-out deadline, which was {by}"))

    def check(self) -> None:
        """Report once that the deadline has passed; turn back where the plan says so, or else ask.

        Whoever answers gives an order like any other.  The run does not wait for it: as long as
        nobody has answered, it watches on.

        Raises:
            RollbackRequestedError: The plan says so.
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
        match self._operator.decide(self._to_decide()):
            case DeadlineChoice.ROLL_BACK:
                self._recorder.write(AbortAsked(self._user, self._host))
            case DeadlineChoice.GO_ON:
                self._recorder.write(Continued(self._user, self._host))
            case None:
                pass

    def _to_decide(self) -> OverdueCutover | None:
        state, window = self._recorder.state, self._plan.decisions.window
        if window is None or state.deadline is None or not state.asks_to_decide:
            return None
        at = state.deadline.at
        rollback = window.end - self._plan.decisions.waits.margin - at
        return OverdueCutover(at, rollback, window.end - self._clock.wall())

    @property
    def _host(self) -> str:
        opened = self._recorder.state.opened
        return "" if opened is None else opened.host
