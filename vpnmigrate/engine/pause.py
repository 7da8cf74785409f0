"""Pause: operator orders applied at the safe points of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from vpnmigrate.commands import Command, cli
from vpnmigrate.engine.call_limits import SLOW
from vpnmigrate.engine.context import RunContext
from vpnmigrate.engine.operator_tasks import OperatorTasks
from vpnmigrate.engine.ports import Attend, InFlight
from vpnmigrate.engine.recorder import RunRecorder
from vpnmigrate.errors import HeldError, RollbackRequestedError
from vpnmigrate.journal.orders import Pause, RollBack, StopRun, apply_order
from vpnmigrate.journal.records import ClockMoved, Noted
from vpnmigrate.model.clock import Clock, moment
from vpnmigrate.model.plan import Direction

AWAY = timedelta(minutes=15)
"""Longer than a test command may take (10 min).  A call of AWS's is attended to while it is under
way, however slow its answer: a run that nobody attended to for so long was stopped or held up."""

LONGEST_REST = timedelta(days=1)
"""Then the process ends and the run stays paused: what it keeps waiting for is no shift's work."""

NOTICE = timedelta(seconds=1)
"""How soon a resting run notices an order or a signal, and how often one says that AWS is slow."""


class ActiveClock:
    """A clock that stands still while the run rests or its process sleeps: neither uses up limits.

    Whoever reads it notices that the process was away, so that no reading counts that time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._left_out = timedelta(0)
        self._seen = clock.now()
        self._absences: list[tuple[datetime, datetime]] = []

    def now(self) -> datetime:
        """Return the moment it would be without rests and absences."""
        before, now = self._seen, self._clock.now()
        self._seen = now
        if now - before > AWAY:
            self._absences.append((before, now))
            self._left_out += now - before
        return now - self._left_out

    def sleep(self, span: timedelta) -> None:
        """Wait; that is work."""
        self._clock.sleep(span)

    def exclude_since(self, began: datetime) -> None:
        """Stand still for a rest that *began* then and has just passed."""
        self._seen = self._clock.now()
        self._left_out += self._seen - began

    def absences(self) -> Sequence[tuple[datetime, datetime]]:
        """Return from when to when the process was away, each time once."""
        self.now()
        found, self._absences = self._absences, []
        return found


class PauseControl:
    """Lets a run rest, stop or turn back, as somebody asked for.

    *minded* is looked after at each safe point.  After a rest *again* raises what forbids going on
    in that direction, such as drift.
    """

    def __init__(
        self,
        context: RunContext,
        *,
        tasks: OperatorTasks,
        again: Callable[[Direction], None],
        minded: Sequence[Callable[[], None]] = (),
    ) -> None:
        self._plan = context.plan
        self._recorder = context.recorder
        self._tasks = tasks
        self._observer = context.observer
        self._clock = context.clock
        self._again = again
        self._minded = minded
        self.time = ActiveClock(context.clock)
        self._clock_watch = ClockWatch(context.clock, context.recorder)

    def poll(self) -> bool:
        """Take in what was said meanwhile and heed it; tell whether the run has rested."""
        self._hear()
        return self.apply_order()

    def attend(self) -> Attend:
        """Attend to the run while calls are in flight; an order that is news ends the wait.

        It is heeded at the next safe point, so whoever is here to heed an earlier one waits on.
        """
        before, say_from = self._recorder.state.order, SLOW

        def attend(call: InFlight) -> str:
            nonlocal say_from
            self.time.now()
            if call.waited >= say_from:
                say_from = call.waited + NOTICE
                why = f"AWS is slow: no answer from {call.what} yet"
                self._observer.on_wait(self._recorder.state.step, why, call.waited, call.limit)
            try:
                self._hear()
            except RollbackRequestedError as deadline:
                return deadline.message
            asked = None if self._recorder.state.order == before else self._asked()
            return self._tasks.asked_to_stop or (f"the run is {asked.order}" if asked else "")

        return attend

    def attend_to_read(self) -> Attend:
        """Attend to the run while a read is in flight; a signal ends the run at once.

        The attendant raises InterruptedRunError then.
        """
        attend = self.attend()

        def attend_to_read(call: InFlight) -> str:
            self._tasks.stop_if_asked()
            return attend(call)

        return attend_to_read

    def _hear(self) -> None:
        self._tasks.read_confirmations()
        for mind in self._minded:
            mind()

    def apply_order(self) -> bool:
        """Do what the order in force asks for; tell whether the run has rested.

        Raises:
            HeldError: The run is to stop here, or rested for too long; traffic is untouched.
            RollbackRequestedError: The cutover is to be turned back.
            InterruptedRunError: A signal ended the rest.
            VpnMigrateError: After the rest the world is not as it has to be.
        """
        self.check_suspended()
        match self._asked():
            case Pause():
                self._rest()
                return True
            case StopRun(order):
                message = f"the run is {order}; nothing is interrupted"
                raise HeldError(message, advice=cli("rollback", self._plan.migration))
            case RollBack(order):
                raise RollbackRequestedError(f"the cutover is {order}")
            case None:
                return False

    def mind_clock(self) -> None:
        """Report that the machine's clock was set since the run last went on."""
        self._clock_watch.mind()

    def check_suspended(self) -> None:
        """Notice that the run stood still for a while; no limit counts that time.

        A machine that was paused from outside, as a virtual one may be, shows it only by a clock
        that was set afterwards.

        Raises:
            HeldError: It was away between the gates of the cutover and the first interruption.
        """
        away = ""
        for before, now in self.time.absences():
            away = f"the run stood still from {moment(before)} to {moment(now)}"
            why = "its process was stopped or held up, or its machine slept"
            self._recorder.write(Noted(f"{away}: {why}"))
        if not away and abs(self._clock_watch.mind()) >= AWAY:
            away = "the machine's clock was set, or the machine was paused"
        if not away:
            return
        state = self._recorder.state
        passed = state.direction is Direction.FORWARD and state.journal_facts.baseline is not None
        if passed and not state.outage_open and state.journal_facts.verified is None:
            raise HeldError(
                f"{away}, since the gates before the cutover were passed; nothing is interrupted",
                advice=self._recorder.resuming(self._plan),
            )

    def _rest(self) -> None:
        began = self._clock.now()
        while isinstance(asked := self._asked(), Pause):
            rested = self._clock.now() - began
            why = str(asked.order)
            if rested >= LONGEST_REST:
                message = f"the run is {asked.order}"
                raise HeldError(message, advice=self._lifting())
            self._observer.on_wait(self._recorder.state.step, why, rested, LONGEST_REST)
            self._tasks.stop_if_asked()
            self._clock.sleep(NOTICE)
            self._tasks.read_confirmations()
        self.time.exclude_since(began)
        self.apply_order()
        self._again(self._recorder.state.direction or Direction.FORWARD)

    def require_lifted(self) -> None:
        """Refuse to set out while somebody's order holds the run.

        Raises:
            HeldError: It does, with whose it is.
        """
        match self._asked():
            case Pause(order):
                raise HeldError(f"the run is {order}", advice=self._lifting())
            case StopRun(order) | RollBack(order):
                run = self._plan.migration
                advice = (
                    "roll back:",
                    cli("rollback", run),
                    "or take that order back:",
                    cli("continue", run),
                )
                raise HeldError(f"the run is {order}", advice=advice)
            case None:
                pass

    def _asked(self) -> Pause | StopRun | RollBack | None:
        state = self._recorder.state
        if state.order is None:
            return None  # asked every second, and the rest reads the whole journal
        return apply_order(state, cutover_open=self._recorder.cutover_is_open)

    def _lifting(self) -> Command:
        on = self._recorder.resuming(self._plan)
        return cli("continue", self._plan.migration).and_then(on)


NOTICED = timedelta(seconds=10)
"""NTP corrects less than that without being noticed; nothing here depends on seconds of the day."""


class ClockWatch:
    """Compares the clock on the wall with the run's own time; one process says each way once."""

    def __init__(self, clock: Clock, recorder: RunRecorder) -> None:
        self._clock = clock
        self._recorder = recorder
        self._seen = recorder.state.clock_ahead
        self._journal_facts: set[bool] = set()

    def mind(self) -> timedelta:
        """Return how far the clock was set since this was last asked, below zero for back.

        The first time that counts from what the journal knows, so that the process after a jump
        says it, too.
        """
        ahead = self._clock.ahead()
        moved = ahead - self._seen
        if abs(moved) < NOTICED:
            return timedelta(0)
        self._seen = ahead
        back = moved < timedelta(0)
        if back not in self._journal_facts:
            self._journal_facts.add(back)
            self._recorder.write(ClockMoved(moved))
        return moved
