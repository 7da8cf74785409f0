"""The back-out deadline of a run at work: until then a cutover is green, or has to turn round."""

from __future__ import annotations

from datetime import datetime

from vpnmigrate.clock import Clock
from vpnmigrate.errors import TurnBackError
from vpnmigrate.logbook import Logbook
from vpnmigrate.options import BackOut
from vpnmigrate.plan import Plan
from vpnmigrate.records import DeadlinePassed, DecideBy, Direction, Noted
from vpnmigrate.rehearsed import Rehearsed
from vpnmigrate.replay import RunState
from vpnmigrate.windows import back_out_deadline, expected


def deadline_of(plan: Plan, rehearsed: Rehearsed | None) -> DecideBy | None:
    """Reckon the deadline of *plan*: the window's end, less the way back, less the margin.

    None for a plan without a window: nothing says when it has to be over.
    """
    window = plan.decisions.window
    if window is None:
        return None
    awaited = expected(plan.fingerprint, rehearsed)
    at = back_out_deadline(window, awaited.rollback, plan.decisions.waits.margin)
    return DecideBy(at, awaited.rollback, awaited.source)


def is_overdue(state: RunState, now: datetime) -> bool:
    """Tell whether a cutover is under way past its deadline without verified traffic."""
    return (
        state.deadline is not None
        and now >= state.deadline.at
        and state.direction is Direction.FORWARD
        and state.cutover_begun
        and not state.finished
        and state.told.verified is None
    )


class Deciding:
    """Sets the deadline when a cutover begins, and does what the plan says once it has passed."""

    def __init__(
        self, plan: Plan, logbook: Logbook, clock: Clock, rehearsed: Rehearsed | None
    ) -> None:
        self._plan = plan
        self._logbook = logbook
        self._clock = clock
        self._rehearsed = rehearsed

    def begin(self) -> None:
        """Write down until when the cutover that begins now has to be green."""
        if self._logbook.cutover_is_open:
            return
        deadline = deadline_of(self._plan, self._rehearsed)
        if deadline is None:
            return
        if self._clock.now() < deadline.at:
            self._logbook.write(deadline)
        else:
            # Somebody has forced the window: to turn round at once would be no cutover at all.
            moment = f"{deadline.at:%Y-%m-%d %H:%M:%S}Z"
            self._logbook.write(Noted(f"begun after its back-out deadline, which was {moment}"))

    def mind(self) -> None:
        """Say once that the deadline has passed; turn back where the plan says so.

        Raises:
            TurnBackError: It says so.
        """
        state = self._logbook.state
        if not is_overdue(state, self._clock.now()) or state.deadline is None:
            return
        at = state.deadline.at
        if not state.deadline.passed:
            self._logbook.write(DeadlinePassed(at))
        if self._plan.decisions.back_out is BackOut.ROLL_BACK:
            raise TurnBackError(
                f"the back-out deadline, {at:%Y-%m-%d %H:%M:%S}Z, has passed without verified "
                "traffic, and the plan's back-out policy is to roll back"
            )
