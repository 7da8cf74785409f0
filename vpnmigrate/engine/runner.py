"""Runner: migrates, rolls back or finalizes a plan.

Each step is done by ``step_loop.StepLoop``, from step 7 on after the gates (``cutover``).  Every
error that stops a run is recorded before it is raised, and the next process resumes from what AWS
and the journal show.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from vpnmigrate.engine.adoption import AdoptionControl
from vpnmigrate.engine.call_limits import (
    DirectCalls,
    LimitedEc2,
    LimitedPaths,
    LimitedPermissions,
)
from vpnmigrate.engine.commit_confirm import CommitConfirm, CommitConfirmControl
from vpnmigrate.engine.context import ClaimHolder, RunContext
from vpnmigrate.engine.crypto_check import CryptoCheck
from vpnmigrate.engine.cutover import CutoverStart
from vpnmigrate.engine.deadline import DeadlineControl
from vpnmigrate.engine.device_work import DeviceWork
from vpnmigrate.engine.execute import ChangeExecutor
from vpnmigrate.engine.gate_runner import GateInputs, GateRunner
from vpnmigrate.engine.observe import StateReader
from vpnmigrate.engine.operator_tasks import OperatorTasks
from vpnmigrate.engine.pause import PauseControl
from vpnmigrate.engine.ports import (
    Calls,
    DeviceDrivers,
    Ec2,
    Journal,
    NetworkPaths,
    Observer,
    Operator,
    Probes,
    StepPrompt,
    StopRequest,
    WaitCheck,
)
from vpnmigrate.engine.preconditions import Preconditions
from vpnmigrate.engine.recorder import RunRecorder, record_failure
from vpnmigrate.engine.step_consent import StepConsent
from vpnmigrate.engine.step_loop import StepLoop
from vpnmigrate.engine.stop import StopControl
from vpnmigrate.engine.traffic_watch import NoProbes, ProbeWatch
from vpnmigrate.journal import RunState
from vpnmigrate.journal.records import DirectionTaken, Finished
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.decisions import BackOut
from vpnmigrate.model.errors import (
    HeldError,
    IncompleteRemovalError,
    ResidueError,
    RollbackRequestedError,
    RolledBackError,
    StagedError,
    StepError,
    VpnMigrateError,
)
from vpnmigrate.model.errors.commands import Advice, cli
from vpnmigrate.model.plan import FIRST_OF_CUTOVER, Direction, Plan
from vpnmigrate.steps.base import Step
from vpnmigrate.steps.sequences import (
    CLAIM,
    CLEAN_UP,
    CLEAN_UP_BUT_KEEP,
    CUTOVER,
    FINALIZE,
    FORWARD,
    RETIRE_WITH_GATEWAY,
)


@dataclass(frozen=True)
class RunResult:
    """The result of a finished run: *lost* are the parts that external changes took away."""

    lost: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunPorts:
    """Everything that a run needs from outside the engine."""

    ec2: Ec2
    journal: Journal
    operator: Operator
    observer: Observer
    clock: Clock
    stop_request: StopRequest
    paths: NetworkPaths
    claim_holder: ClaimHolder
    calls: Calls = field(default_factory=DirectCalls)
    """How answers are waited for: AWS's with limits.  A model in this process answers immediately,
    and in an order that makes a journal repeatable."""
    commit: CommitConfirm | None = None
    """What automatic rollback needs; without it, there is none."""
    journal_lost: bool = False
    """An earlier process worked on this plan, and its journal is lost."""
    adopt: tuple[str, ...] | None = None
    """Resources that the operator names as created by that process; None: the operator is asked."""
    gate_inputs: GateInputs = field(default_factory=GateInputs)
    probes: Probes = field(default_factory=NoProbes)
    drivers: DeviceDrivers | None = None
    """The drivers of devices; None if engineers do all their tasks."""
    step_prompt: StepPrompt | None = None
    """What is asked before each change of a cutover; None if no change waits for an answer."""


class Runner:
    """Migrates, rolls back or finalizes one run.

    Every method returns only when the run is done, and raises a ``VpnMigrateError`` otherwise; in
    both cases another process can resume from there.
    """

    def __init__(self, plan: Plan, ports: RunPorts) -> None:
        self._plan = plan
        self._ports = ports
        permissions = ports.gate_inputs.permissions
        self._recorder = RunRecorder(ports.journal, ports.observer, plan.surveyed)
        context = RunContext(
            plan=plan,
            recorder=self._recorder,
            clock=ports.clock,
            ec2=LimitedEc2(ports.ec2, ports.calls, self._read_wait_check),
            paths=LimitedPaths(ports.paths, ports.calls, self._read_wait_check),
            calls=ports.calls,
            operator=ports.operator,
            observer=ports.observer,
            claim_holder=ports.claim_holder,
            permissions=(
                None
                if permissions is None
                else LimitedPermissions(permissions, ports.calls, self._read_wait_check)
            ),
            journal_lost=ports.journal_lost,
        )
        gate_inputs = ports.gate_inputs
        executor = ChangeExecutor(context, self._wait_check)
        self._stop = StopControl(context, stop_request=ports.stop_request, user=gate_inputs.user)
        self._device_work = DeviceWork(context, ports.drivers)
        tasks = OperatorTasks(
            context, executor=executor, stop=self._stop, device_work=self._device_work
        )
        self._probing = ProbeWatch(context, ports.probes)
        self._preconditions = Preconditions(context)
        self._crypto_check = CryptoCheck(context)
        self._commit_confirm = CommitConfirmControl(
            context, rehearsed=gate_inputs.rehearsed, commit=ports.commit
        )
        deadline = DeadlineControl(context, rehearsed=gate_inputs.rehearsed, user=gate_inputs.user)
        self._pauses = PauseControl(
            context,
            tasks=tasks,
            recheck=self._check_preconditions,
            checks=(self._commit_confirm.check, deadline.check),
        )
        self._step_loop = StepLoop(
            context,
            state_reader=StateReader(context),
            executor=executor,
            tasks=tasks,
            pauses=self._pauses,
            probing=self._probing,
            adopting=AdoptionControl(context, ports.adopt),
            consent=StepConsent(
                context, ports.step_prompt, user=gate_inputs.user, time=self._pauses.time
            ),
        )
        self._gate_runner = GateRunner(
            context, step_loop=self._step_loop, tasks=tasks, gate_inputs=gate_inputs
        )
        self._cutover_start = CutoverStart(
            context,
            step_loop=self._step_loop,
            gate_runner=self._gate_runner,
            pauses=self._pauses,
            commit_confirm=self._commit_confirm,
            probing=self._probing,
            deadline=deadline,
            rehearsed=gate_inputs.rehearsed,
        )

    def apply(self, *, until: int | None = None) -> RunResult:
        """Run or resume steps 1 to 10; *until* stops after that step, before the next begins.

        Raises:
            StagedError: *until* was the last step before the cutover, and is done.
            HeldError: Another *until* was reached, a gate does not pass, an operator is needed and
                none is present, or an order holds the run.
            DriftError: Before the cutover, the AWS configuration has changed since planning.
            RolledBackError: The cutover failed and the plan's policy rolled it back, or it was
                aborted.
            StepError: A step failed, and nothing was rolled back.
        """
        cause: VpnMigrateError
        try:
            return self._go_forward(until)
        except RollbackRequestedError as request:
            cause, outcome = request, "it has been rolled back"
        except StepError as failure:
            if not failure.outage or self._plan.decisions.back_out is not BackOut.ROLLBACK:
                raise
            cause, outcome = failure, "the plan's back-out policy has rolled it back"
        lost = self._roll_back_in_place().lost
        now = f"changed outside this run: {'; '.join(lost)}" if lost else "traffic is as before"
        advice = (f"{now}; to clean up:", cli("rollback", self._plan.migration))
        raise RolledBackError(f"{cause.message}; {outcome}", advice=advice) from cause

    def _go_forward(self, until: int | None) -> RunResult:
        with record_failure(self._recorder), self._probing:
            self._commit_confirm.require_possible()
            self._begin(Direction.FORWARD, until=until)
            self._commit_confirm.resume(self._pauses.time.now)
            lost: list[str] = []
            started = False
            for step in self._forward_steps():
                if until is not None and step.number > until:
                    self._hold_after(until)
                if step.number >= FIRST_OF_CUTOVER:
                    self._probing.begin()
                if step.number >= FIRST_OF_CUTOVER and not started:
                    started = True
                    self._cutover_start.start()
                lost += self._step_loop.run_step(step)
                if step.number == until:
                    lost += self._step_loop.verify_steps()
                    self._hold_after(until)
            self._require_no_residue()
            self._crypto_check.record()
            return self._finish(Direction.FORWARD, lost)

    def rollback(self, *, keep_new: bool = False) -> RunResult:
        """Restore the state before the migration: connectivity first, then clean up.

        *keep_new* keeps the new gateway and connections for a later attempt.

        Raises:
            StepError: An operator has to fix something first; then run it again.
        """
        self._stop.begin_rollback()
        with record_failure(self._recorder), self._probing:
            self._begin(Direction.ROLLBACK, keep_new=keep_new)
            return self._run_rollback(keep_new=keep_new)

    def _roll_back_in_place(self) -> RunResult:
        """Roll back in the process that ran the migration, without the preconditions.

        They would take two AWS calls before the first step, which would extend the outage.
        """
        with record_failure(self._recorder), self._probing:
            self._recorder.fold_inbox()
            self._record_direction(Direction.ROLLBACK, keep_new=True)
            return self._run_rollback(keep_new=True)

    def _run_rollback(self, *, keep_new: bool) -> RunResult:
        *swap, switch = CUTOVER
        if self._recorder.cutover_is_open or self._ports.journal_lost:
            self._probing.begin()
        lost = self._run_steps((*CLAIM, *swap))
        # Checked again: after an external change, the swap itself may have interrupted traffic.
        if self._recorder.cutover_is_open or self._ports.journal_lost:
            lost += self._run_steps((switch,))
        self._require_no_residue()
        self._probing.end()
        lost += self._run_steps(CLEAN_UP_BUT_KEEP if keep_new else CLEAN_UP)
        return self._finish(Direction.ROLLBACK, lost)

    def finalize(self, *, delete_old_gateway: bool = False) -> RunResult:
        """Delete the old connections permanently, and with *delete_old_gateway* their gateway.

        The caller has checked that the operator named every connection and the migration is done.

        Raises:
            NotVerifiedError: Traffic does not flow through the new connections now.
            HeldError: Another gate does not pass.
            StepError: AWS did not delete everything; finalize can be run again.
        """
        self._gate_runner.require_gates_before_finalize()
        with record_failure(self._recorder):
            self._begin(Direction.FINALIZE)
            steps = RETIRE_WITH_GATEWAY if delete_old_gateway else FINALIZE
            lost = self._run_steps(steps)
            self._require_everything_removed()
            return self._finish(Direction.FINALIZE, lost)

    def supervise_drivers(self) -> AbstractContextManager[None]:
        """Return a context that waits, at its end, for the calls of drivers in flight."""
        return self._device_work.supervise()

    def check_crypto(self) -> None:
        """Read again what the new tunnels have negotiated, after the cutover."""
        with record_failure(self._recorder):
            self._crypto_check.record()

    def restore_watchdog(self) -> None:
        """Start another watchdog if a confirmation is pending and no watchdog is running."""
        with record_failure(self._recorder):
            self._commit_confirm.restore(self._pauses.time.now)

    @property
    def state(self) -> RunState:
        """The state of the run, as far as this process has read and written."""
        return self._recorder.state

    def read_inbox(self) -> RunState:
        """Read the messages of other terminals, and return the state of the run after that."""
        self._recorder.fold_inbox()
        return self._recorder.state

    def _wait_check(self) -> WaitCheck:
        return self._pauses.wait_check()

    def _read_wait_check(self) -> WaitCheck:
        return self._pauses.read_wait_check()

    def _begin(
        self, direction: Direction, *, keep_new: bool = False, until: int | None = None
    ) -> None:
        self._pauses.check_clock()
        self._recorder.fold_inbox()
        if direction is not Direction.ROLLBACK:
            self._pauses.require_lifted()
        self._check_preconditions(direction)
        self._record_direction(direction, keep_new=keep_new, until=until)

    def _record_direction(
        self, direction: Direction, *, keep_new: bool = False, until: int | None = None
    ) -> None:
        state = self._recorder.state
        same = (state.direction, state.keep_new) == (direction, keep_new) and not state.finished
        if not same or state.order is not None:
            attempt = state.attempt + (direction is Direction.FORWARD)
            self._recorder.write(DirectionTaken(direction, max(1, attempt), keep_new, until))
        elif state.until != until:
            self._recorder.write(DirectionTaken(direction, state.attempt, keep_new, until))

    def _check_preconditions(self, direction: Direction) -> None:
        self._preconditions.require_account(direction)
        self._preconditions.require_no_foreign_claim()
        untouched = not (self._recorder.cutover_is_open or self._ports.journal_lost)
        if direction is Direction.FORWARD and untouched:
            self._preconditions.require_unchanged()

    def _forward_steps(self) -> Iterable[Step]:
        """Return the steps that this attempt has not done yet; step 1 always renews the claim.

        Once the cutover has started, steps 2 to 6 are not repeated, even in another attempt.
        Without a journal, AWS shows whether it has started.
        """
        done = set(self._recorder.state.settled)
        if self._recorder.cutover_is_open or self._cutover_start.cutover_started_in_aws():
            done |= set(range(2, FIRST_OF_CUTOVER))
        return (step for step in FORWARD if step.number == 1 or step.number not in done)

    def _hold_after(self, step: int) -> None:
        advice = cli("apply", self._plan.migration)
        if step + 1 == FIRST_OF_CUTOVER:
            raise StagedError(
                "everything is prepared; the cutover has not started and traffic is not "
                "interrupted",
                advice=advice,
            )
        raise HeldError(f"held after step {step}, as requested", advice=advice)

    def _run_steps(self, steps: Iterable[Step]) -> list[str]:
        return [line for step in steps for line in self._step_loop.run_step(step)]

    def _require_no_residue(self) -> None:
        """Raise an error that names what a cutover was done without.

        Raises:
            ResidueError: AWS did not make some changes, or they have no effect yet; the same
                command tries them again, or waits for their effect.
        """
        state = self._recorder.state
        if not state.residue.is_left:
            return
        more = state.residue.more
        if state.residue.changes:
            first = state.residue.changes[0]
            message = f"everything else is done, but AWS did not {first.change}: {first.why}{more}"
        else:
            where = state.residue.unreached[0]
            message = f"every change is made, but a destination has no path: {where}{more}"
        raise ResidueError(
            message,
            step=state.step,
            outage=bool(state.residue.unreached),
            advice=self._once_removed(),
        )

    def _require_everything_removed(self) -> None:
        """Raise an error that names what finalize has left.

        Raises:
            IncompleteRemovalError: AWS did not make some changes; the same command tries again.
        """
        state = self._recorder.state
        if not state.residue.changes:
            return
        first, more = state.residue.changes[0], state.residue.more
        raise IncompleteRemovalError(
            f"finalize is not complete: AWS did not {first.change}: {first.why}{more}",
            step=state.step,
            outage=False,
            advice=self._once_removed(),
        )

    def _once_removed(self) -> Advice:
        return (
            "once the cause is removed, run the same command again:",
            self._recorder.resuming(self._plan),
        )

    def _finish(self, direction: Direction, lost: Iterable[str]) -> RunResult:
        found = tuple(dict.fromkeys(lost))
        self._probing.end()
        changed = self._preconditions.record_external_changes(direction)
        # An abort that arrived during the last survey still counts.
        self._pauses.require_no_abort()
        self._recorder.write(Finished(direction, found, changed.differs, changed.unproven))
        return RunResult(found)
