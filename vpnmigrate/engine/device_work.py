"""Device work: the device tasks that drivers do, with an intent before each call.

A change is never repeated blindly: after a call of unknown effect, of this process or an earlier
one, the device's state is read first.  An engineer does what a driver cannot finish.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from vpnmigrate.engine.context import RunContext
from vpnmigrate.engine.ports import DeviceDrivers
from vpnmigrate.journal.record_base import DriverAnswered, DriverCalled, DriverGaveUp
from vpnmigrate.model.changes import AskOperator, OperatorTask
from vpnmigrate.model.clock import time_of_day
from vpnmigrate.model.decisions import DeviceDriver
from vpnmigrate.model.device_drivers import (
    GOALS,
    DeviceGoal,
    DriverCall,
    DriverCallState,
    DriverOutcome,
    DriverResult,
    DriverVerb,
)
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.errors import JournalError
from vpnmigrate.model.plan import LAST_OF_PREPARE, connection_role
from vpnmigrate.model.snapshot import Confirmation, Snapshot

MOST_CHANGES = 2
"""Calls that may change a device, for one task and process: the second follows one of unknown
effect."""
MOST_STATUS_CALLS = 20
"""Calls of ``status`` in a row for a device that is out of reach and will undo a change; each of
the program's own drivers waits in it for contact."""
GRACE = timedelta(seconds=30)
"""Time to start and to kill a program, on a loaded host."""
_GLANCE = timedelta(seconds=0.5)
"""Time between two checks for an answer, in the check before the cutover."""


@dataclass(frozen=True)
class EndedCall:
    """A call of this process, with its result."""

    verb: DriverVerb
    result: DriverResult


@dataclass(frozen=True)
class CallInFlight:
    """A call that has not ended; *confirmation* is None for a check."""

    confirmation: Confirmation | None
    ends: datetime
    """When it must have ended."""


@dataclass(frozen=True)
class GiveUp:
    """An engineer has to do the task."""

    why: str


def _longest(driver: DeviceDriver) -> timedelta:
    """Return the longest time of a call that first waits for an earlier one."""
    return 2 * driver.limit + GRACE


def next_call(
    goal: DeviceGoal,
    confirmation: Confirmation,
    calls: Sequence[EndedCall],
    earlier: DriverCallState | None,
) -> DriverVerb | GiveUp:
    """Return the next call for a task that is not done.

    *calls* are those of this process for the task; *earlier* is the last call of the device before
    them.
    """
    if not calls:
        tried = earlier is not None and (
            earlier.uncertain
            or (earlier.confirmation is confirmation and earlier.verb is not DriverVerb.STATUS)
        )
        # Before the cutover there is time to ask, and the tunnels of an earlier attempt may exist.
        return DriverVerb.STATUS if tried or goal.verb is DriverVerb.LOAD else goal.verb
    last = calls[-1]
    changes = [each for each in calls if each.verb is not DriverVerb.STATUS]
    if last.verb is DriverVerb.STATUS:
        if last.result.outcome is not DriverOutcome.DONE:
            if last.result.pending_until is not None and _looks(calls) < MOST_STATUS_CALLS:
                return DriverVerb.STATUS  # The device undoes the change, and can be reached again.
            return GiveUp(f"its state cannot be read: {last.result.message}")
        if not goal.is_decided_by(last.result.state):
            return GiveUp(f"it does not show whether {goal.verb} is done: {_reported(last.result)}")
        done = changes and changes[-1].result.outcome is DriverOutcome.DONE
        if done or len(changes) >= MOST_CHANGES:
            return GiveUp(f"after {goal.verb} it reports: {_reported(last.result)}")
        return goal.verb
    match last.result.outcome:
        case DriverOutcome.FAILED:
            return GiveUp(f"{last.verb} failed: {last.result.message}")
        case DriverOutcome.DONE if goal.is_decided_by(last.result.state):
            return GiveUp(f"after {last.verb} it reports: {_reported(last.result)}")
        case DriverOutcome.DONE | DriverOutcome.UNCERTAIN:
            return DriverVerb.STATUS


def is_done(goal: DeviceGoal, calls: Sequence[EndedCall], *, doubtful: bool) -> bool:
    """Return whether the last of *calls* shows that the task is done.

    *doubtful* is whether the effect of the last change before *calls* is unknown.  In a rollback
    the call also initiates the old tunnels, which no state shows.  So after a call of unknown
    effect the required state is enough only if the call cannot be repeated.
    """
    last = calls[-1]
    if last.result.outcome is not DriverOutcome.DONE or last.result.pending_until is not None:
        return False
    if goal.verb is DriverVerb.BACK_OUT and last.verb is DriverVerb.STATUS:
        changes = [each for each in calls if each.verb is not DriverVerb.STATUS]
        unknown = changes[-1].result.outcome is DriverOutcome.UNCERTAIN if changes else doubtful
        if unknown and len(changes) < MOST_CHANGES:
            return False
    return goal.reached(last.result.state)


def _reported(result: DriverResult) -> str:
    """Return the state of a device, its driver's message, and the end of an unconfirmed change."""
    until = result.pending_until
    undone = f"unconfirmed, the device undoes it at {time_of_day(until)}" if until else ""
    return "; ".join(filter(None, (str(result.state), result.message, undone)))


def _looks(calls: Sequence[EndedCall]) -> int:
    """Return how many calls at the end only read the state."""
    verbs = [each.verb is DriverVerb.STATUS for each in calls]
    return verbs[::-1].index(False) if False in verbs else len(verbs)


class DeviceWork:
    """Lets drivers do the tasks at their devices; without *drivers* engineers do all of them."""

    def __init__(self, context: RunContext, drivers: DeviceDrivers | None) -> None:
        self._plan = context.plan
        self._recorder = context.recorder
        self._drivers = drivers
        self._clock = context.clock
        self._observer = context.observer
        self._calls: dict[tuple[Confirmation, VpnConnectionId], list[EndedCall]] = {}
        self._doubtful: dict[tuple[Confirmation, VpnConnectionId], bool] = {}
        """Whether the effect of the device's last change was unknown before these calls."""
        self._given_up: dict[tuple[Confirmation, VpnConnectionId], str] = {}
        self._busy: dict[str, CallInFlight] = {}
        """The devices of calls in flight."""
        self._checked: dict[VpnConnectionId, DriverResult] = {}
        """The answers of the check before the cutover."""

    def assign(self, task: OperatorTask, now: Snapshot) -> None:
        """Begin the calls that are due for *task*; return at once."""
        if not isinstance(task, AskOperator) or task.confirmation not in GOALS:
            return
        for old in self._driven(task):
            call = self._busy.get(self._plan.device_of[old])
            if call is None:
                self._continue_at(old, task, now)
            elif self._clock.now() > call.ends:
                self._give_up(
                    old, task.confirmation, "its last call has not ended within its limit"
                )

    def needs_person(self, task: OperatorTask) -> bool:
        """Return whether an engineer has to do *task* at some device."""
        if not isinstance(task, AskOperator) or task.confirmation not in GOALS:
            return True
        return bool(self._open(task) - set(self._driven(task)))

    def at_work_on(self, task: OperatorTask) -> bool:
        """Return whether a driver is doing *task* at some device."""
        return isinstance(task, AskOperator) and bool(self._driven(task))

    def given_up(self, task: OperatorTask) -> str:
        """Return why drivers did not do *task*; empty if none has given up."""
        if not isinstance(task, AskOperator):
            return ""
        return "; ".join(
            f"the driver of {old} gave up: {why}"
            for (confirmation, old), why in self._given_up.items()
            if confirmation is task.confirmation and old in self._open(task)
        )

    def record_ended(self) -> bool:
        """Record the calls that have ended; return whether there are any."""
        if self._drivers is None or not self._busy:
            return False
        ended = self._drivers.ended()
        for call, result in ended:
            self._record(call, result, self._busy.pop(call.gateway).confirmation)
        return bool(ended)

    def check(
        self, now: Snapshot, attend: Callable[[], None]
    ) -> Mapping[VpnConnectionId, DriverResult | None]:
        """Read the state of every device by its driver, and return what each has answered.

        None stands for no answer, not even that the driver was killed at its limit.  *attend* is
        called repeatedly until then.
        """
        drivers = {old: self._plan.driver_of(old) for old in self._plan.old_connections}
        waiting = {old: each for old, each in drivers.items() if each.automatic}
        found: dict[VpnConnectionId, DriverResult | None] = {}
        if self._drivers is None or not waiting:
            return found
        began, limit = self._clock.now(), max(map(_longest, waiting.values()))
        self._checked.clear()
        unasked = [*waiting]
        while len(self._checked) < len(waiting) and self._clock.now() - began < limit:
            attend()
            for old in tuple(unasked):
                if self._plan.device_of[old] not in self._busy:
                    unasked.remove(old)
                    self._begin(self._call(old, DriverVerb.STATUS, now), LAST_OF_PREPARE, None)
            waited = self._clock.now() - began
            why = "the drivers of the devices report their state"
            self._observer.on_wait(self._recorder.state.step, why, waited, limit)
            self._clock.sleep(_GLANCE)
            self.record_ended()
        return {old: self._checked.get(old) for old in waiting}

    @contextmanager
    def supervise(self) -> Iterator[None]:
        """Wait for calls in flight before the process ends, and record their results."""
        try:
            yield
        except BaseException:
            # Why the run stopped is reported first; without a record the effect is uncertain.
            with suppress(JournalError):
                self._finish()
            raise
        self._finish()

    def _finish(self) -> None:
        if self._drivers is not None and self._busy:
            self._drivers.finish()
            self.record_ended()

    def _open(self, task: AskOperator) -> set[VpnConnectionId]:
        """Return the old connections at whose devices *task* is not done."""
        if task.only:
            return set(task.only)
        confirmation = task.confirmation
        done = self._recorder.state.journal_facts.devices.get(confirmation, frozenset())
        return set(self._plan.old_connections) - done

    def _driven(self, task: AskOperator) -> Sequence[VpnConnectionId]:
        """Return those of them whose driver does the task, in the order of the plan."""
        if self._drivers is None:
            return ()
        left = self._open(task)
        return [
            old
            for old in self._plan.old_connections
            if old in left
            and self._plan.driver_of(old).automatic
            and (task.confirmation, old) not in self._given_up
        ]

    def _continue_at(self, old: VpnConnectionId, task: AskOperator, now: Snapshot) -> None:
        goal, calls = GOALS[task.confirmation], self._calls.get((task.confirmation, old), [])
        earlier = self._recorder.state.drivers.calls.get(old)
        if not calls:
            self._doubtful[task.confirmation, old] = earlier is not None and earlier.uncertain
        due = next_call(goal, task.confirmation, calls, earlier)
        if isinstance(due, DriverVerb) and connection_role(old) not in now.ours:
            due = GiveUp("its new connection is not known")
        if isinstance(due, GiveUp):
            self._give_up(old, task.confirmation, due.why)
            return
        disable = task.confirmation is Confirmation.OLD_TUNNELS_DISABLED
        self._begin(self._call(old, due, now, disable_old=disable), task.step, task.confirmation)

    def _give_up(self, old: VpnConnectionId, confirmation: Confirmation, why: str) -> None:
        self._given_up[confirmation, old] = why
        self._recorder.write(DriverGaveUp(old, confirmation, why))

    def _call(
        self, old: VpnConnectionId, verb: DriverVerb, now: Snapshot, *, disable_old: bool = False
    ) -> DriverCall:
        successor = now.ours.get(connection_role(old), "")
        gateway = self._plan.device_of[old]
        return DriverCall(self._plan.driver_of(old), verb, gateway, old, successor, disable_old)

    def _begin(self, call: DriverCall, step: int, confirmation: Confirmation | None) -> None:
        if self._drivers is None:
            return
        self._recorder.write(
            DriverCalled(call.connection, call.verb, str(call.driver), step, confirmation)
        )
        self._busy[call.gateway] = CallInFlight(
            confirmation, self._clock.now() + _longest(call.driver)
        )
        self._drivers.begin(call)

    def _record(
        self, call: DriverCall, result: DriverResult, confirmation: Confirmation | None
    ) -> None:
        reached = False
        if confirmation is not None:
            calls = self._calls.setdefault((confirmation, call.connection), [])
            calls.append(EndedCall(call.verb, result))
            # A change that failed leaves its state to be read by an engineer.
            doubtful = self._doubtful[confirmation, call.connection]
            reached = is_done(GOALS[confirmation], calls, doubtful=doubtful)
        else:
            self._checked[call.connection] = result
        self._recorder.write(
            DriverAnswered(
                call.connection, result, confirmation, self._plan.old_connections, reached
            )
        )
