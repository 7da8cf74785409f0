"""Pause: operator orders applied at the safe points of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from vpnmigrate.engine.call_limits import SLOW
from vpnmigrate.engine.context import RunContext
from vpnmigrate.engine.operator_tasks import OperatorTasks
from vpnmigrate.engine.ports import Consent, InFlight, Interruption, WaitCheck
from vpnmigrate.engine.recorder import RunRecorder
from vpnmigrate.journal.orders import Pause, RollBack, StopRun, due_order_effect
from vpnmigrate.journal.records import ClockMoved, Noted
from vpnmigrate.model.clock import Clock, moment
from vpnmigrate.model.errors import HeldError, RollbackRequestedError
from vpnmigrate.model.errors.commands import Command, cli
from vpnmigrate.model.plan import Direction

AWAY = timedelta(minutes=15)
"""If no safe point was reached for this long, the process was suspended.

It is longer than a test command may take (10 min).  An AWS call does not count, however slow its
answer, because orders and signals are checked while the call is in flight."""

LONGEST_PAUSE = timedelta(days=1)
"""Maximum pause for one process.  After this it exits and the run stays paused."""

NOTICE = timedelta(seconds=1)
"""How soon a paused run notices an order or a signal, and how often slow calls are reported."""


class ActiveClock:
    """A clock that stops while the run is paused or its process suspended, so that limits do too.

    Each read of the clock detects a suspension since the read before and leaves that time out.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._left_out = timedelta(0)
        self._seen = clock.now()
        self._absences: list[tuple[datetime, datetime]] = []

    def now(self) -> datetime:
        """Return the time without pauses and suspensions."""
        before, now = self._seen, self._clock.now()
        self._seen = now
        if now - before > AWAY:
            self._absences.append((before, now))
            self._left_out += now - before
        return now - self._left_out

    def sleep(self, span: timedelta) -> None:
        """Wait for *span*, which counts as active time."""
        self._clock.sleep(span)

    def exclude_since(self, began: datetime) -> None:
        """Leave out a pause that started at *began* and ends now."""
        self._seen = self._clock.now()
        self._left_out += self._seen - began

    def absences(self) -> Sequence[tuple[datetime, datetime]]:
        """Return start and end of each suspension not yet returned."""
        self.now()
        found, self._absences = self._absences, []
        return found


class PauseControl:
    """Applies pause, stop and rollback orders at the safe points of a run.

    *checks* are called at each safe point.  After a pause, *recheck* raises the error that forbids
    continuing in that direction, such as drift.
    """

    def __init__(
        self,
        context: RunContext,
        *,
        tasks: OperatorTasks,
        recheck: Callable[[Direction], None],
        checks: Sequence[Callable[[], None]] = (),
    ) -> None:
        self._plan = context.plan
        self._recorder = context.recorder
        self._tasks = tasks
        self._observer = context.observer
        self._operator = context.operator
        self._clock = context.clock
        self._recheck = recheck
        self._checks = checks
        self.time = ActiveClock(context.clock)
        self._clock_watch = ClockWatch(context.clock, context.recorder)

    def poll(self) -> bool:
        """Read and apply new orders; return whether the run was paused."""
        self._read_orders()
        return self.apply_order()

    def wait_check(self) -> WaitCheck:
        """Return a check of orders and signals during a call; a new order ends the wait.

        The order is applied at the next safe point.  An order given before the call began does not
        end the wait.
        """
        before, report_from = self._recorder.state.order, SLOW

        def wait_check(call: InFlight) -> str:
            nonlocal report_from
            self.time.now()
            if call.waited >= report_from:
                report_from = call.waited + NOTICE
                step = self._recorder.state.step
                self._observer.on_wait(step, call.message, call.waited, call.limit)
            try:
                self._read_orders()
            except RollbackRequestedError as deadline:
                return deadline.message
            due = None if self._recorder.state.order == before else self._due()
            return self._tasks.asked_to_stop or (f"the run is {due.order}" if due else "")

        return wait_check

    def read_wait_check(self) -> WaitCheck:
        """Return a check of orders and signals during a read; a signal ends the run at once.

        The callback raises InterruptedRunError then.
        """
        wait_check = self.wait_check()

        def read_wait_check(call: InFlight) -> str:
            self._tasks.stop_if_asked()
            return wait_check(call)

        return read_wait_check

    def _read_orders(self) -> None:
        self._tasks.read_confirmations()
        for check in self._checks:
            check()

    def apply_order(self) -> bool:
        """Apply the order in force; return whether the run was paused.

        Raises:
            HeldError: The run has to stop here, or was paused for too long; traffic is not
                interrupted.
            RollbackRequestedError: The cutover has to be rolled back.
            InterruptedRunError: A signal ended the pause.
            VpnMigrateError: After the pause a precondition does not hold any more.
        """
        self.check_suspended()
        match self._due():
            case Pause():
                self._pause()
                return True
            case StopRun(order):
                message = f"the run is {order}; traffic is not interrupted"
                raise HeldError(message, advice=cli("rollback", self._plan.migration))
            case RollBack(order):
                raise RollbackRequestedError(f"the cutover is {order}")
            case None:
                return False

    def require_no_abort(self) -> None:
        """Check that the cutover is not aborted, before the run counts as migrated.

        Raises:
            RollbackRequestedError: The cutover has to be rolled back.
        """
        if isinstance(due := self._due(), RollBack):
            raise RollbackRequestedError(f"the cutover is {due.order}")

    def check_clock(self) -> None:
        """Record whether the machine's clock was set since the journal was last written."""
        self._clock_watch.check()

    def check_suspended(self) -> None:
        """Detect that the run was suspended, and record it; no limit counts that time.

        If a virtual machine was paused by its host, only a clock that was set afterwards shows it.

        Raises:
            HeldError: The run was suspended between the gates and the start of the outage.
        """
        away = ""
        for before, now in self.time.absences():
            away = f"the run was suspended from {moment(before)} to {moment(now)}"
            why = "its process was stopped, or its machine slept"
            self._recorder.write(Noted(f"{away}: {why}"))
        if not away and abs(self._clock_watch.check()) >= AWAY:
            away = "the machine's clock was set, or the machine was paused"
        if not away:
            return
        state = self._recorder.state
        passed = state.direction is Direction.FORWARD and state.journal_facts.baseline is not None
        if passed and not state.outage.open and state.journal_facts.verified is None:
            raise HeldError(
                f"{away}, after the gates before the cutover had passed; traffic is not "
                "interrupted",
                advice=self._recorder.resuming(self._plan),
            )

    def _pause(self) -> None:
        began = self._clock.now()
        while isinstance(due := self._due(), Pause):
            paused = self._clock.now() - began
            why = str(due.order)
            if paused >= LONGEST_PAUSE:
                message = f"the run is {due.order}"
                raise HeldError(message, advice=self._continue_command())
            self._observer.on_wait(self._recorder.state.step, why, paused, LONGEST_PAUSE)
            self._tasks.stop_if_asked()
            self._clock.sleep(NOTICE)
            self._tasks.read_confirmations()
        self.time.exclude_since(began)
        self.apply_order()
        self._recheck(self._recorder.state.direction or Direction.FORWARD)

    def ask_consent(self, to: Interruption) -> timedelta:
        """Request confirmation before traffic is interrupted; return how long the answer took.

        Raises:
            HeldError: The operator refused, did not answer, or cannot be asked here.
            InterruptedRunError: The process is to stop.
        """
        began = self._clock.now()
        while (answer := self._operator.consents(to)) is None:
            waited = self._clock.now() - began
            if waited >= LONGEST_PAUSE:
                raise self._unasked("there was no answer")
            why = "an operator's consent to the outage"
            self._observer.on_wait(self._recorder.state.step, why, waited, LONGEST_PAUSE)
            self._tasks.stop_if_asked()
            self._clock.sleep(NOTICE)
            self.time.now()  # An operator who thinks is no suspension.
        if answer is Consent.IMPOSSIBLE:
            raise self._unasked("it cannot be asked here (no terminal, in the background)")
        if answer is Consent.REFUSED:
            raise HeldError(
                "cancelled by the operator before the cutover: everything is prepared, and traffic "
                "has not been interrupted",
                advice=self._recorder.resuming(self._plan),
            )
        return self._clock.now() - began

    def _unasked(self, why: str) -> HeldError:
        return HeldError(
            f"the cutover interrupts traffic and needs an operator's yes, and {why}; traffic has "
            "not been interrupted",
            advice=(
                "to start it without the question:",
                cli("apply", self._plan.migration, "--yes"),
            ),
        )

    def require_lifted(self) -> None:
        """Refuse to start while an order holds the run.

        Raises:
            HeldError: An order holds the run; the message names who gave it.
        """
        match self._due():
            case Pause(order):
                raise HeldError(f"the run is {order}", advice=self._continue_command())
            case StopRun(order) if self._recorder.state.direction is None:
                raise HeldError(f"the run is {order}", advice=self._continue_command())
            case StopRun(order) | RollBack(order):
                run = self._plan.migration
                advice = (
                    "roll back:",
                    cli("rollback", run),
                    "or withdraw that order:",
                    cli("continue", run),
                )
                raise HeldError(f"the run is {order}", advice=advice)
            case None:
                pass

    def _due(self) -> Pause | StopRun | RollBack | None:
        state = self._recorder.state
        if state.order is None:
            return None  # A shortcut: this is called every second.
        return due_order_effect(state, cutover_open=self._recorder.cutover_is_open)

    def _continue_command(self) -> Command:
        resume = self._recorder.resuming(self._plan)
        return cli("continue", self._plan.migration).and_then(resume)


NOTICED = timedelta(seconds=10)
"""Smaller corrections, such as NTP's, are not recorded: nothing here depends on a few seconds."""


class ClockWatch:
    """Compares the wall clock with the run's own time; a process records each direction once."""

    def __init__(self, clock: Clock, recorder: RunRecorder) -> None:
        self._clock = clock
        self._recorder = recorder
        self._seen = recorder.state.clock_ahead
        self._recorded: set[bool] = set()

    def check(self) -> timedelta:
        """Return how far the clock was set since the last check; negative if it was set back.

        The first check counts from the journal, so that a process started after a jump records it
        as well.
        """
        ahead = self._clock.ahead()
        moved = ahead - self._seen
        if abs(moved) < NOTICED:
            return timedelta(0)
        self._seen = ahead
        back = moved < timedelta(0)
        if back not in self._recorded:
            self._recorded.add(back)
            self._recorder.write(ClockMoved(moved))
        return moved
