"""Start of the cutover: gates, consent, baseline and watchdog."""

from __future__ import annotations

from datetime import timedelta

from vpnmigrate.engine.commit_confirm import CommitConfirmControl
from vpnmigrate.engine.context import RunContext
from vpnmigrate.engine.deadline import DeadlineControl
from vpnmigrate.engine.gate_runner import GateRunner
from vpnmigrate.engine.pause import PauseControl
from vpnmigrate.engine.ports import (
    Interruption,
)
from vpnmigrate.engine.step_loop import StepLoop
from vpnmigrate.engine.traffic_watch import ProbeWatch
from vpnmigrate.journal import Traffic
from vpnmigrate.journal.records import BaselineTaken
from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.ec2 import Attachment
from vpnmigrate.model.facts import Switch
from vpnmigrate.model.snapshot import Snapshot
from vpnmigrate.planning.outage_estimate import outage_estimate
from vpnmigrate.steps.traffic import any_device_uses_new_side, baseline_of

GATES_FRESH = timedelta(minutes=1)
"""Gates that were evaluated longer ago than this are evaluated again before the cutover."""


class CutoverStart:
    """Starts the cutover; no change that affects traffic is made before it has passed."""

    def __init__(  # noqa: PLR0913  the parts it combines
        self,
        context: RunContext,
        *,
        step_loop: StepLoop,
        gate_runner: GateRunner,
        pauses: PauseControl,
        commit_confirm: CommitConfirmControl,
        probing: ProbeWatch,
        deadline: DeadlineControl,
        rehearsed: RehearsalResult | None,
    ) -> None:
        self._plan = context.plan
        self._recorder = context.recorder
        self._step_loop = step_loop
        self._gate_runner = gate_runner
        self._pauses = pauses
        self._commit_confirm = commit_confirm
        self._probing = probing
        self._deadline = deadline
        self._rehearsed = rehearsed
        self._consented = False
        self._journal_lost = context.journal_lost

    def start(self) -> None:
        """Pass the gates, pause if that was ordered, and start a watchdog if one was requested.

        A cutover that was started without interrupting traffic, because its first call was refused
        or because it was rolled back, has to pass the gates again.

        Raises:
            HeldError: A gate does not pass, the operator does not consent, or the run was aborted.
            RefusedError: The AWS configuration has drifted, or no watchdog could be started.
        """
        if self._is_under_way:
            return
        interrupts = self._pass_gates()
        while self._pauses.poll() or (interrupts and self._ask_consent() >= GATES_FRESH):
            interrupts = self._pass_gates()  # The results from before are too old.
        self._deadline.begin()
        self._commit_confirm.arm(self._pauses.time.now)

    def _ask_consent(self) -> timedelta:
        """Request consent to the outage, once, and return how long the answer took."""
        if self._consented:
            return timedelta(0)
        estimate = outage_estimate(self._plan, self._rehearsed)
        took = self._pauses.ask_consent(Interruption(self._plan.vpc, estimate))
        self._consented = True
        return took

    @property
    def _is_under_way(self) -> bool:
        recorder = self._recorder
        return recorder.cutover_is_open and recorder.state.traffic is not Traffic.OLD

    def _pass_gates(self) -> bool:
        """Pass the gates; return whether the cutover interrupts traffic that flows."""
        if self.cutover_started_in_aws():
            # Traffic is down, or will be soon: the plan's survey is the baseline.
            if self._old_gateway_is_attached(self._step_loop.observe_reliably().now):
                self._gate_runner.require_gates_to_resume_cutover()
            return False
        baseline = baseline_of(self._plan, self._gate_runner.require_gates_before_cutover().now)
        self._probing.take_baseline()
        self._recorder.write(
            BaselineTaken(
                baseline.taken,
                dict(baseline.tunnels_up),
                {table: tuple(sorted(p)) for table, p in baseline.propagated.items()},
                dict(baseline.accepted),
            )
        )
        return True

    def cutover_started_in_aws(self) -> bool:
        """Return whether AWS shows that step 7 has begun, for a run whose journal is lost.

        A rollback may have undone it up to step 10; then only the tunnels show it.
        """
        if not self._journal_lost:
            return False
        observation = self._step_loop.observe_reliably()
        old, now = self._plan.old_gateway, observation.now
        return (
            not self._old_gateway_is_attached(now)
            or any(now.propagates(t.id, old) is Switch.OFF for t in self._plan.propagating_tables)
            or any_device_uses_new_side(self._plan, observation.swap, now)
        )

    def _old_gateway_is_attached(self, now: Snapshot) -> bool:
        attached = now.attachment(self._plan.old_gateway, self._plan.vpc)
        return attached is Attachment.ATTACHED
