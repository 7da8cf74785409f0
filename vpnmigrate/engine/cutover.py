"""Start of the cutover: last observation, gates, baseline and watchdog."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from vpnmigrate.commands import cli
from vpnmigrate.engine import gates
from vpnmigrate.engine.commit_confirm import CommitConfirmControl
from vpnmigrate.engine.context import RunContext
from vpnmigrate.engine.deadline import DeadlineControl
from vpnmigrate.engine.gates import GateContext, RollbackTrial
from vpnmigrate.engine.observe import Observation
from vpnmigrate.engine.pause import PauseControl
from vpnmigrate.engine.ports import Hooks, NoHooks
from vpnmigrate.engine.preconditions import require_direct_connect_known, require_unchanged
from vpnmigrate.engine.step_loop import StepLoop
from vpnmigrate.engine.traffic_watch import ProbeWatch
from vpnmigrate.errors import HeldError, NotVerifiedError
from vpnmigrate.journal import Traffic
from vpnmigrate.journal.records import BaselineTaken, Forced, GatesSeen
from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.decisions import HookMoment
from vpnmigrate.model.ec2 import Attachment
from vpnmigrate.model.facts import Switch
from vpnmigrate.model.gates import Force, Gate, GateResult, GateVerdict, Milestone
from vpnmigrate.model.snapshot import Snapshot
from vpnmigrate.model.survey import Survey
from vpnmigrate.planning.drift import differences
from vpnmigrate.steps.traffic import any_device_is_over, baseline_of


@dataclass(frozen=True)
class GateInputs:
    """What the operator brings to the gates; approvals are in the journal."""

    user: str = ""
    """Their login name."""
    rehearsed: RehearsalResult | None = None
    prove: Callable[[], RollbackTrial] | None = None
    """Tries the way back out; asked once, before the cutover.  None where nobody does."""
    forces: tuple[Force, ...] = ()
    """For this process alone: who comes back another day has to say it again."""
    hooks: Hooks = field(default_factory=NoHooks)
    plan_file: str = "PLAN"
    """Where the plan in force lies, for commands to paste."""


class GateRunner:
    """Lets a run through, or not; what gates said is in the journal before anything follows."""

    def __init__(
        self, context: RunContext, *, step_loop: StepLoop, gate_inputs: GateInputs
    ) -> None:
        self._plan = context.plan
        self._ec2 = context.ec2
        self._paths = context.paths
        self._clock = context.clock
        self._step_loop = step_loop
        self._recorder = context.recorder
        self._gate_inputs = gate_inputs

    def begin_cutover(self) -> Observation:
        """Let the cutover begin, and give the look that it begins from.

        Raises:
            RefusedError: AWS is not configured as the plan found it, or that cannot be told.
            HeldError: A gate does not pass and was not forced.
        """
        # First, because it may take its time, and what the others see must be fresh.
        hook = self._hook(HookMoment.BEFORE_CUTOVER)
        survey = self._step_loop.read_reliably(self._survey)
        observation = self._step_loop.observe_reliably(self._suits)
        ports = self._circumstances(differences(self._plan.before, survey), self._proof())
        seen = gates.before_cutover(observation.input, ports)
        seen = self._write_down(Milestone.CUTOVER, (*seen, *hook), ports.identity.arn)
        require_unchanged(self._plan, survey)
        self._require_open(seen)
        return observation

    def continue_cutover(self) -> None:
        """Let a cutover go on that was begun under a journal which is lost.

        STS is not asked: no way out of an outage waits for it.

        Raises:
            HeldError: To go on would make it worse.
        """
        observation = self._step_loop.observe_reliably(self._suits)
        seen = gates.in_the_cutover(
            observation.input,
            self._paths.read(),
        )
        self._require_open(self._write_down(Milestone.CUTOVER, seen))

    def begin_finalize(self) -> None:
        """Let finalize begin.

        Raises:
            NotVerifiedError: Traffic does not flow through the new connections now.
            HeldError: Another gate does not pass and was not forced.
        """
        hook = self._hook(HookMoment.BEFORE_FINALIZE)
        observation = self._step_loop.observe_reliably(self._tells)
        ports = self._circumstances((), None)
        seen = gates.before_finalize(observation.input, ports)
        seen = self._write_down(Milestone.FINALIZE, (*seen, *hook), ports.identity.arn)
        for each in seen:
            if each.gate is Gate.TRAFFIC and each.call is not GateVerdict.PASS:
                message = f"traffic does not flow through the new connections: {each.observed}"
                raise NotVerifiedError(message, advice=each.advice)
        closed = [each for each in seen if not each.lets_through]
        if closed:
            raise HeldError(
                f"finalize may not begin: {_listed(closed)}",
                advice=closed[0].advice or cli("status", self._plan.migration),
            )

    def _hook(self, moment: HookMoment) -> Sequence[GateResult]:
        if changed := self._gate_inputs.hooks.changed():
            return (gates.changed_program(self._plan, moment, changed),)
        judged = self._gate_inputs.hooks.ask(moment)
        return () if judged is None else (gates.hook(moment, judged),)

    def _survey(self) -> Survey:
        survey = self._ec2.survey(self._plan.old_gateway)
        require_direct_connect_known(self._plan, survey)
        return survey

    def _suits(self, observation: Observation) -> bool:
        seen = gates.observable_gates(observation.input)
        return all(each.lets_through for each in seen)

    def _tells(self, observation: Observation) -> bool:
        return gates.traffic_reading_final(observation.input)

    def _proof(self) -> RollbackTrial | None:
        return None if self._gate_inputs.prove is None else self._gate_inputs.prove()

    def _circumstances(self, drift: tuple[str, ...], proof: RollbackTrial | None) -> GateContext:
        identity = self._step_loop.read_reliably(self._ec2.identity)
        return GateContext(
            now=self._clock.wall(),
            identity=identity,
            user=self._gate_inputs.user,
            differences=drift,
            paths=self._paths.read(),
            approvals=self._recorder.state.approvals,
            rehearsed=self._gate_inputs.rehearsed,
            proof=proof,
        )

    def _write_down(
        self, before: Milestone, seen: Sequence[GateResult], operator: str = ""
    ) -> tuple[GateResult, ...]:
        named = gates.ready_to_paste(
            seen, run=self._plan.migration, plan_file=self._gate_inputs.plan_file
        )
        judged = gates.forced(named, self._gate_inputs.forces)
        forced = (
            Forced(before, each.gate, each.forced, each.observed, self._gate_inputs.user)
            for each in judged
            if each.forced
        )
        self._recorder.write(GatesSeen(before, judged, operator), *forced)
        return judged

    def _require_open(self, seen: Sequence[GateResult]) -> None:
        closed = [each for each in seen if not each.lets_through]
        if closed:
            raise HeldError(
                f"the cutover may not begin: {_listed(closed)}",
                advice=cli("apply", self._plan.migration),
            )


class CutoverStart:
    """Lets a run into its cutover; nothing that traffic can feel is done before it has."""

    def __init__(  # noqa: PLR0913  the parts it puts together
        self,
        context: RunContext,
        *,
        step_loop: StepLoop,
        gate_runner: GateRunner,
        pauses: PauseControl,
        commit_confirm: CommitConfirmControl,
        probing: ProbeWatch,
        deadline: DeadlineControl,
    ) -> None:
        self._plan = context.plan
        self._recorder = context.recorder
        self._step_loop = step_loop
        self._gate_runner = gate_runner
        self._pauses = pauses
        self._commit_confirm = commit_confirm
        self._probing = probing
        self._deadline = deadline
        self._blind = context.blind

    def start(self) -> None:
        """Pass the gates, rest if somebody wants that, and have a watchdog if one was asked for.

        A cutover that was begun and has interrupted nothing, because its first call was refused,
        or because it was taken back since, has to pass them again.

        Raises:
            HeldError: A gate is closed, or somebody aborted the run.
            RefusedError: The world has drifted, or there is no watchdog to be had.
        """
        if self._is_under_way:
            return
        self._pass_gates()
        while self._pauses.poll():
            self._pass_gates()  # what was seen before the rest is old
        self._deadline.begin()
        self._commit_confirm.arm()

    @property
    def _is_under_way(self) -> bool:
        book = self._recorder
        return book.cutover_is_open and book.state.traffic is not Traffic.OLD

    def _pass_gates(self) -> None:
        if self.cutover_started_in_aws():
            # Traffic is down, or will be soon: the plan's survey is the baseline.
            if self._old_gateway_is_attached(self._step_loop.observe_reliably().now):
                self._gate_runner.continue_cutover()
            return
        baseline = baseline_of(self._plan, self._gate_runner.begin_cutover().now)
        self._probing.take_baseline()
        self._recorder.write(
            BaselineTaken(
                baseline.taken,
                dict(baseline.tunnels_up),
                {table: tuple(sorted(p)) for table, p in baseline.propagated.items()},
            )
        )

    def cutover_started_in_aws(self) -> bool:
        """Return from AWS alone, for a run whose journal is lost, whether step 7 has begun.

        It may have been taken back again as far as its step 10, where only tunnels tell.
        """
        if not self._blind:
            return False
        observation = self._step_loop.observe_reliably()
        old, now = self._plan.old_gateway, observation.now
        return (
            not self._old_gateway_is_attached(now)
            or any(now.propagates(t.id, old) is Switch.OFF for t in self._plan.propagating_tables)
            or any_device_is_over(self._plan, observation.swap, now)
        )

    def _old_gateway_is_attached(self, now: Snapshot) -> bool:
        attached = now.attachment(self._plan.old_gateway, self._plan.vpc)
        return attached is Attachment.ATTACHED


def _listed(closed: Sequence[GateResult]) -> str:
    return "; ".join(str(each) for each in closed)
