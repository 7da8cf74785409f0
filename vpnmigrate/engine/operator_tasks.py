"""Operator tasks: requests to people, and their confirmations."""

from __future__ import annotations

from collections.abc import Mapping

from vpnmigrate.engine.context import RunContext
from vpnmigrate.engine.device_work import DeviceWork
from vpnmigrate.engine.execute import ChangeExecutor
from vpnmigrate.engine.stop import StopControl
from vpnmigrate.journal.device_work import confirmed_sites
from vpnmigrate.journal.record_base import DeviceConfirmed
from vpnmigrate.journal.records import Answered, OperatorConfirmed
from vpnmigrate.model.changes import AskOperator, OperatorTask, RunTest
from vpnmigrate.model.changes.base import Performed
from vpnmigrate.model.device_drivers import DriverResult
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.errors import HeldError
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.model.snapshot import Confirmation, Snapshot


class OperatorTasks:
    """Requests tasks of people and records their confirmations in the journal."""

    def __init__(
        self,
        context: RunContext,
        executor: ChangeExecutor,
        stop: StopControl,
        device_work: DeviceWork,
    ) -> None:
        self._plan = context.plan
        self._operator = context.operator
        self._recorder = context.recorder
        self._executor = executor
        self._stop = stop
        self._device_work = device_work
        self._who = context.claim_holder.holder
        self._pending: OperatorTask | None = None
        self._intents: dict[OperatorTask, int] = {}

    def begin_step(self) -> None:
        """Clear the task that the previous step was waiting for."""
        self._pending = None

    def announce(self, task: OperatorTask) -> None:
        """Announce *task*, so that the person who does it can get ready."""
        if self._device_work.needs_person(task):
            self._operator.announce(task)

    def hand_out(self, task: OperatorTask, now: Snapshot, *, outage: bool) -> None:
        """Request *task*, and record its confirmation if it has been done already.

        Drivers do what they can; a person is asked for the rest.

        Raises:
            HeldError: No operator is present to do it, and traffic flows, so the run can wait.
        """
        self._device_work.assign(task, now)
        if not self._device_work.needs_person(task):
            self.read_confirmations()
            return
        if task not in self._intents:
            self._intents[task] = self._executor.intend(_step_of(task), [task])
        self._pending = task
        waits = outage or self._operator.patient or self._device_work.at_work_on(task)
        if not (self.read_confirmations() or waits):
            self.hold_if_waiting()

    def check_drivers(self, now: Snapshot) -> Mapping[VpnConnectionId, DriverResult | None]:
        """Return what each driver reports about its device; None if it has not answered in time.

        Raises:
            InterruptedRunError: The operator asked to stop.
        """
        return self._device_work.check(now, self.stop_if_asked)

    def hold_if_waiting(self) -> None:
        """Hold the run if it is waiting for a confirmation.

        Raises:
            HeldError: It is waiting; the advice is the command that confirms and resumes.
        """
        if self._pending is None:
            return
        step = _step_of(self._pending)
        message = f"step {step} needs a person: {self._pending}"
        if given_up := self._device_work.given_up(self._pending):
            message = f"{message} ({given_up})"
        done = cli("done", self._plan.migration, str(step))
        resume = self._recorder.resuming(self._plan)
        raise HeldError(message, advice=("when that is done:", done, "then:", resume))

    def read_confirmations(self) -> bool:
        """Read new confirmations; return whether there is news of the task.

        That is its confirmation, or the answer of a driver.
        """
        known = set(self._recorder.state.journal_facts.confirmations)
        self._recorder.fold_inbox()
        news = self._device_work.record_ended()
        task = self._pending
        if task is None:
            return news
        again = isinstance(task, AskOperator) and bool(task.only)
        confirmed = _confirmation_of(task) in self._recorder.state.journal_facts.confirmations
        if (again or not confirmed) and self._device_work.needs_person(task):
            confirmation = self._operator.ask(task)
            if confirmation is not None:
                self._record_confirmation(task, confirmation)
                known.discard(confirmation)
        words = self._recorder.state.journal_facts.confirmations
        if _confirmation_of(task) in words and _confirmation_of(task) not in known:
            self._recorder.write(Answered(self._intents[task], Performed()))
            self._pending = None
            return True
        return news

    def _record_confirmation(self, task: OperatorTask, confirmation: Confirmation) -> None:
        """Record that a person has done *task*, where drivers do not do it."""
        sites: tuple[VpnConnectionId, ...] = ()
        if isinstance(task, AskOperator) and self._device_work.at_work_on(task):
            sites = confirmed_sites(self._plan, self._recorder.state, task)
        of = self._plan.old_connections
        if sites:
            at = (DeviceConfirmed(confirmation, old, of, self._who, "") for old in sites)
            self._recorder.write(*at)
        else:
            self._recorder.write(OperatorConfirmed(confirmation, self._who, ""))

    @property
    def asked_to_stop(self) -> str:
        """The reason to end a wait, because the run has to stop; empty if it continues."""
        return self._stop.reason()

    def stop_if_asked(self) -> None:
        """Stop here, between two changes, if that was requested.

        Raises:
            InterruptedRunError: The run ends; everything done so far is in the journal.
            RollbackRequestedError: Traffic is down, and the plan's policy is to roll back.
        """
        self._stop.check()


def _step_of(task: OperatorTask) -> int:
    match task:
        case AskOperator(step=step):
            return step
        case RunTest():
            return 6


def _confirmation_of(task: OperatorTask) -> Confirmation:
    match task:
        case AskOperator(confirmation=confirmation):
            return confirmation
        case RunTest():
            return Confirmation.TEST_PASSED
