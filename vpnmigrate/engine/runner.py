"""Runner: executes a plan forward, back, or to the end.

Whatever stops a journey is written down before it is raised, and the next process goes on from
what AWS and the journal say.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from vpnmigrate.commands import cli
from vpnmigrate.engine.adoption import AdoptionControl
from vpnmigrate.engine.call_limits import DirectCalls, LimitedEc2, LimitedPaths
from vpnmigrate.engine.commit_confirm import CommitConfirm, CommitConfirmControl
from vpnmigrate.engine.context import ClaimHolder, RunContext
from vpnmigrate.engine.cutover import CutoverStart, GateInputs, GateRunner
from vpnmigrate.engine.deadline import DeadlineControl
from vpnmigrate.engine.execute import ChangeExecutor
from vpnmigrate.engine.observe import StateReader
from vpnmigrate.engine.operator_tasks import OperatorTasks
from vpnmigrate.engine.pause import PauseControl
from vpnmigrate.engine.ports import (
    Attend,
    Calls,
    Ec2,
    Journal,
    NetworkPaths,
    Observer,
    Operator,
    Probes,
    StopRequest,
)
from vpnmigrate.engine.preconditions import Preconditions
from vpnmigrate.engine.recorder import RunRecorder, record_failure
from vpnmigrate.engine.step_loop import StepLoop
from vpnmigrate.engine.traffic_watch import NoProbes, ProbeWatch
from vpnmigrate.errors import (
    HeldError,
    RollbackRequestedError,
    RolledBackError,
    StepError,
    VpnMigrateError,
)
from vpnmigrate.journal import RunState
from vpnmigrate.journal.records import DirectionTaken, Finished
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.decisions import BackOut
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
    """A journey gone to its end, with what others took away on the way."""

    lost: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunPorts:
    """The seams of a run: everything it needs from the world."""

    ec2: Ec2
    journal: Journal
    operator: Operator
    observer: Observer
    clock: Clock
    stop_request: StopRequest
    paths: NetworkPaths
    claim_holder: ClaimHolder
    calls: Calls = field(default_factory=DirectCalls)
    """How an answer is waited for: for AWS's with limits; a model in this process answers at once,
    and in an order that makes a journal repeatable."""
    commit: CommitConfirm | None = None
    """Nothing goes back by itself without it."""
    blind: bool = False
    """An earlier process worked on this plan and its journal is lost."""
    adopt: tuple[str, ...] | None = None
    """What the operator has named as made by that process; None leaves it to be asked."""
    gate_inputs: GateInputs = field(default_factory=GateInputs)
    probes: Probes = field(default_factory=NoProbes)


class Runner:
    """Takes one run forward, back, or to its finalize.

    Every method returns only when its journey is done, and raises a ``VpnMigrateError`` otherwise;
    whichever it is, another process can go on from there.
    """

    def __init__(self, plan: Plan, ports: RunPorts) -> None:
        self._plan = plan
        self._ports = ports
        self._recorder = RunRecorder(ports.journal, ports.observer, plan.surveyed)
        context = RunContext(
            plan=plan,
            recorder=self._recorder,
            clock=ports.clock,
            ec2=LimitedEc2(ports.ec2, ports.calls, self._attend_to_read),
            paths=LimitedPaths(ports.paths, ports.calls, self._attend_to_read),
            calls=ports.calls,
            operator=ports.operator,
            observer=ports.observer,
            claim_holder=ports.claim_holder,
            blind=ports.blind,
        )
        gate_inputs = ports.gate_inputs
        executor = ChangeExecutor(context, self._attend)
        tasks = OperatorTasks(context, executor=executor, stop_request=ports.stop_request)
        self._probing = ProbeWatch(context, ports.probes)
        self._preconditions = Preconditions(context)
        self._commit_confirm = CommitConfirmControl(
            context, rehearsed=gate_inputs.rehearsed, commit=ports.commit
        )
        deadline = DeadlineControl(context, rehearsed=gate_inputs.rehearsed, user=gate_inputs.user)
        self._pauses = PauseControl(
            context,
            tasks=tasks,
            recheck=self._admit,
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
        )
        self._gate_runner = GateRunner(context, step_loop=self._step_loop, gate_inputs=gate_inputs)
        self._cutover_start = CutoverStart(
            context,
            step_loop=self._step_loop,
            gate_runner=self._gate_runner,
            pauses=self._pauses,
            commit_confirm=self._commit_confirm,
            probing=self._probing,
            deadline=deadline,
        )

    def apply(self, *, until: int | None = None) -> RunResult:
        """Run or resume steps 1 to 10; *until* stops after that step, before the next begins.

        Raises:
            HeldError: *until* was reached, a gate is closed, a person is needed who is not here, or
                somebody's order holds the run.
            DriftError: Before the cutover, the world is not as the plan found it.
            RolledBackError: The cutover failed and the plan's policy took it back, or somebody
                aborted it.
            StepError: A step failed, and nothing was rolled back.
        """
        cause: VpnMigrateError
        try:
            return self._go_forward(until)
        except RollbackRequestedError as turned:
            cause, who = turned, "it has been rolled back"
        except StepError as failure:
            if not failure.outage or self._plan.decisions.back_out is not BackOut.ROLLBACK:
                raise
            cause, who = failure, "the plan's back-out policy has rolled it back"
        lost = self._turn_round().lost
        now = f"gone by another hand: {'; '.join(lost)}" if lost else "traffic is as before"
        advice = (f"{now}; to clean up:", cli("rollback", self._plan.migration))
        raise RolledBackError(f"{cause.message}; {who}", advice=advice) from cause

    def _go_forward(self, until: int | None) -> RunResult:
        with record_failure(self._recorder), self._probing:
            self._commit_confirm.require_possible()
            self._set_out(Direction.FORWARD, until=until)
            self._commit_confirm.resume()
            lost: list[str] = []
            crossed = False
            for step in self._forward_steps():
                if until is not None and step.number > until:
                    self._hold_after(until)
                if step.number >= FIRST_OF_CUTOVER:
                    self._probing.begin()
                if step.number >= FIRST_OF_CUTOVER and not crossed:
                    crossed = True
                    self._cutover_start.start()
                lost += self._step_loop.run_step(step)
                if step.number == until:
                    self._hold_after(until)
            return self._arrive(Direction.FORWARD, lost)

    def rollback(self, *, keep_new: bool = False) -> RunResult:
        """Bring back what was there before; connectivity first, then clean up.

        *keep_new* leaves the new gateway and connections for a later attempt.

        Raises:
            StepError: Something has to be mended by a person first; run it again then.
        """
        with record_failure(self._recorder), self._probing:
            self._set_out(Direction.ROLLBACK, keep_new=keep_new)
            return self._go_back(keep_new=keep_new)

    def _turn_round(self) -> RunResult:
        """Go back in the process that came forward, which need not be admitted again.

        That would ask AWS twice before the first step, and an outage waits for none of it.
        """
        with record_failure(self._recorder), self._probing:
            self._recorder.fold_inbox()
            self._take(Direction.ROLLBACK, keep_new=True)
            return self._go_back(keep_new=True)

    def _go_back(self, *, keep_new: bool) -> RunResult:
        *swap, switch = CUTOVER
        if self._recorder.cutover_is_open or self._ports.blind:
            self._probing.begin()
        lost = self._settle_all((*CLAIM, *swap))
        # Asked only now: what another hand did may have made the swap interrupt traffic.
        if self._recorder.cutover_is_open or self._ports.blind:
            lost += self._settle_all((switch,))
        self._probing.end()
        lost += self._settle_all(CLEAN_UP_BUT_KEEP if keep_new else CLEAN_UP)
        return self._arrive(Direction.ROLLBACK, lost)

    def finalize(self, *, delete_old_gateway: bool = False) -> RunResult:
        """Delete the old connections for good, and with *delete_old_gateway* their gateway.

        The caller has had every connection named by the operator and has seen the migration done.

        Raises:
            NotVerifiedError: Traffic does not flow through the new connections now.
            HeldError: Another gate is closed.
            StepError: A deletion failed; it can be asked for again.
        """
        self._gate_runner.begin_finalize()
        with record_failure(self._recorder):
            self._set_out(Direction.FINALIZE)
            steps = RETIRE_WITH_GATEWAY if delete_old_gateway else FINALIZE
            return self._arrive(Direction.FINALIZE, self._settle_all(steps))

    def restore_watchdog(self) -> None:
        """Start another watchdog where somebody has to confirm and none is on duty."""
        with record_failure(self._recorder):
            self._commit_confirm.restore()

    @property
    def state(self) -> RunState:
        """Where the run stands, as far as this process has read and written."""
        return self._recorder.state

    def read_inbox(self) -> RunState:
        """Take in what other terminals said, and give where the run stands then."""
        self._recorder.fold_inbox()
        return self._recorder.state

    def _attend(self) -> Attend:
        return self._pauses.attend()

    def _attend_to_read(self) -> Attend:
        return self._pauses.attend_to_read()

    def _set_out(
        self, direction: Direction, *, keep_new: bool = False, until: int | None = None
    ) -> None:
        self._pauses.check_clock()
        self._recorder.fold_inbox()
        if direction is not Direction.ROLLBACK:
            self._pauses.require_lifted()
        self._admit(direction)
        self._take(direction, keep_new=keep_new, until=until)

    def _take(
        self, direction: Direction, *, keep_new: bool = False, until: int | None = None
    ) -> None:
        state = self._recorder.state
        same = (state.direction, state.keep_new) == (direction, keep_new) and not state.finished
        if not same or state.order is not None:
            attempt = state.attempt + (direction is Direction.FORWARD)
            self._recorder.write(DirectionTaken(direction, max(1, attempt), keep_new, until))
        elif state.until != until:
            self._recorder.write(DirectionTaken(direction, state.attempt, keep_new, until))

    def _admit(self, direction: Direction) -> None:
        self._preconditions.require_account(direction)
        self._preconditions.require_no_foreign_claim()
        untouched = not (self._recorder.cutover_is_open or self._ports.blind)
        if direction is Direction.FORWARD and untouched:
            self._preconditions.require_unchanged()

    def _forward_steps(self) -> Iterable[Step]:
        """Leave out what this attempt has settled, but always renew the claim.

        Once the cutover has begun, steps 2 to 6 are history and nobody is asked for them again,
        even in another attempt.  Without a journal the world has to tell.
        """
        settled = set(self._recorder.state.settled)
        if self._recorder.cutover_is_open or self._cutover_start.cutover_started_in_aws():
            settled |= set(range(2, FIRST_OF_CUTOVER))
        return (step for step in FORWARD if step.number == 1 or step.number not in settled)

    def _hold_after(self, step: int) -> None:
        if step + 1 == FIRST_OF_CUTOVER:
            message = "everything is staged; the cutover has not begun and nothing is interrupted"
        else:
            message = f"held after step {step}, as asked"
        raise HeldError(message, advice=cli("apply", self._plan.migration))

    def _settle_all(self, steps: Iterable[Step]) -> list[str]:
        return [line for step in steps for line in self._step_loop.run_step(step)]

    def _arrive(self, direction: Direction, lost: Iterable[str]) -> RunResult:
        found = tuple(dict.fromkeys(lost))
        self._probing.end()
        changed = self._preconditions.record_external_changes(direction)
        self._recorder.write(Finished(direction, found, changed.differs, changed.unproven))
        return RunResult(found)
