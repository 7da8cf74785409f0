"""Step loop: observe, decide, act, and observe again until the goal holds.

Resuming has no separate code: from any intermediate state the same loop finds the next change.
A step waits only here; ``execute`` sends the changes that it yields.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from msgspec.structs import replace
from tenacity import RetryCallState, RetryError, Retrying, retry_if_exception_type

from vpnmigrate.engine.adoption import AdoptionControl
from vpnmigrate.engine.context import RunContext
from vpnmigrate.engine.execute import ChangeExecutor, ChangeResult, not_sent_while_throttled
from vpnmigrate.engine.external_changes import ExternalChangeControl
from vpnmigrate.engine.observe import Observation, StateReader
from vpnmigrate.engine.operator_tasks import OperatorTasks
from vpnmigrate.engine.pace import QUICK_PACE, QUICK_READS, PaceInputs, interval, shows_at_once
from vpnmigrate.engine.pause import PauseControl
from vpnmigrate.engine.preconditions import claimed
from vpnmigrate.engine.residue import ResidueControl, leaves_residue, wait_reason
from vpnmigrate.engine.retries import CredentialTime, RetryPolicy
from vpnmigrate.engine.step_consent import StepConsent
from vpnmigrate.engine.traffic_watch import ProbeWatch, TrafficWatch
from vpnmigrate.journal.outage import INTERRUPTING
from vpnmigrate.journal.records import ExternalChange, OutageBegan, StepBegun, StepSettled
from vpnmigrate.model.changes import AwsChange, DetachVpnGateway, OperatorTask
from vpnmigrate.model.changes.base import Later, Refused
from vpnmigrate.model.consistency import CONSISTENCY_DELAY
from vpnmigrate.model.errors import (
    AwsUnreadableError,
    DidNotSettleError,
    HeldError,
    StepError,
    UnreliableReadError,
    VpnMigrateError,
)
from vpnmigrate.model.plan import Phase
from vpnmigrate.steps.base import (
    Blocked,
    Claimed,
    Lost,
    Met,
    NotYet,
    Residual,
    Step,
    StepInput,
    Verdict,
)
from vpnmigrate.steps.progress import cutover_view
from vpnmigrate.steps.s09_restore_routing import RestoreRouting
from vpnmigrate.steps.s10_switch_tunnels import SwitchTunnels, enabling_task
from vpnmigrate.steps.traffic import awaits_devices

T = TypeVar("T")

SLICE = timedelta(seconds=1)
"""How soon a wait notices a signal, an answer at the prompt or a message of another terminal.

While a call is in flight, ``ports.WaitCheck`` notices them."""

_BELIEF = "it is verified once a reading cannot be stale"


class LikelyDone(NotYet, frozen=True):
    """The goal holds according to AWS's answers and a reading that may be stale."""


class StepLoop:
    """Runs one step at a time until its goal holds, its limit passes, or an operator is needed."""

    def __init__(  # noqa: PLR0913  the parts it combines
        self,
        context: RunContext,
        *,
        state_reader: StateReader,
        executor: ChangeExecutor,
        tasks: OperatorTasks,
        pauses: PauseControl,
        probing: ProbeWatch,
        adopting: AdoptionControl,
        consent: StepConsent,
    ) -> None:
        self._plan = context.plan
        self._state_reader = state_reader
        self._executor = executor
        self._tasks = tasks
        self._pauses = pauses
        self._adopting = adopting
        self._consent = consent
        self._recorder = context.recorder
        self._observer = context.observer
        self._clock = context.clock
        self._time = pauses.time
        """The clock for limits: it stops while the run is paused."""
        self._credentials = CredentialTime(context.recorder, context.clock, pauses.time)
        self._retries = RetryPolicy(context.recorder, state_reader, self._time)
        self._residue = ResidueControl(context, state_reader)
        self._external = ExternalChangeControl(context)
        self._probing = probing
        self._traffic = TrafficWatch(context, state_reader, probing)
        self._pace_inputs = PaceInputs()
        self._tried = ""
        self._sent: set[AwsChange] = set()
        """Changes sent since the latest observation: two steps may propose the same one."""
        self._unverified: list[Step] = []
        """Steps of this direction that are carried out, and not verified yet."""

    def run_step(self, step: Step) -> Sequence[str]:
        """Run *step* until its goal holds; return what external changes took away from it.

        While traffic is down, the next step begins as soon as this one is carried out according to
        AWS's answers and the latest reading.  It is verified during the following steps, once a
        reading cannot be stale.

        Raises:
            StepError: It failed, or its goal was not reached in time; nothing is rolled back.
            HeldError: It needs an operator and none is present, or the run was aborted.
            RollbackRequestedError: The cutover has to be rolled back.
            ClaimedError: Another run has claimed the old gateway.
            InterruptedRunError: The operator asked to stop.
        """
        if step.number <= max((each.number for each in self._unverified), default=0):
            self._unverified.clear()  # Another direction.
        self._recorder.write(StepBegun(step.number, step.title, step.cleaning))
        self._tasks.begin_step()
        self._state_reader.include_claim()
        self._traffic.reset()
        self._tried = ""
        lost: list[str] = []
        verdict, limit = self._repeat(step, lost, lambda verdict: isinstance(verdict, LikelyDone))
        if isinstance(verdict, LikelyDone):
            self._consent.end_step(step)
            self._unverified.append(step)
        else:
            lost += self._conclude(step, verdict, limit)
        # Step 10 would ask a person for routes that EC2 shows a moment later.
        if self._outage and not self._sent and not isinstance(step, RestoreRouting):
            self._state_reader.keep_reading()
        return lost

    def verify_steps(self) -> Sequence[str]:
        """Wait until all steps that were carried out are verified; return what they have lost.

        Raises:
            StepError: One of them is not verified within its limit.
        """
        lost: list[str] = []
        while self._unverified:
            step = self._unverified.pop()
            verdict, limit = self._repeat(step, lost, lambda _: False)
            lost += self._conclude(step, verdict, limit)
        return lost

    def _repeat(
        self, step: Step, lost: list[str], enough: Callable[[Verdict], bool]
    ) -> tuple[Verdict, timedelta]:
        """Observe and act until *step* has a final verdict, or one that is *enough*.

        What earlier steps lost is added to *lost*.  Return the verdict and the limit of *step*.
        """
        began, before = self._time.now(), self._consent.spent
        own = limit = step.limit_for(self._plan)

        def attempt() -> Verdict:
            self._pace_inputs = PaceInputs()
            verdict = self._observe_and_act(step, lost)
            self._pauses.check_suspended()
            if isinstance(verdict, NotYet) and self._tried:
                verdict = replace(verdict, why=f"{verdict.why}; last try: {self._tried}")
            verdict = self._consent.explained(verdict)
            why = wait_reason(verdict, self._recorder.state)
            if why and not self._pace_inputs.acted:
                waited, of = self._consent.waited(self._time.now() - began, limit)
                self._observer.on_wait(step.number, why, waited, of)
            return verdict

        self._residue.begin_step()
        while not enough(verdict := attempt()):
            limit = own + self._consent.spent - before + self._retries.refused_for(began)
            asks = self._consent.has_own_limit
            if self._may_change(step, verdict) and (asks or not self._has_passed(began + limit)):
                self._wait_for_news(began + limit)
            elif not self._continues_without(step, verdict):
                break
        return verdict, limit

    def _may_change(self, step: Step, verdict: Verdict) -> bool:
        """Return whether a later observation, before the limit of *step*, may change *verdict*."""
        left = leaves_residue(step, verdict)
        may_still_be_made = left and (self._consent.is_open or self._residue.may_still_be_made())
        return isinstance(verdict, NotYet) or may_still_be_made

    def _continues_without(self, step: Step, verdict: Verdict) -> bool:
        """Return whether *step* is to be verified again, before it ends with *verdict*.

        A change that waits for the operator's answer is not one that AWS did not make.
        """
        if self._consent.is_open:
            return False
        if isinstance(verdict, NotYet):
            return self._residue.leave_out_rest(step, verdict.why, outage=self._may_be_down(step))
        if not leaves_residue(step, verdict):
            return False
        # No run ends without a change that AWS would make now.
        last = self._residue.last_try()
        if last is None:
            return False
        changes, observation = last
        repeated = self._consent.repeatable(step, changes)
        if repeated:
            self._perform(step, repeated, observation)
        return bool(repeated)

    def observe_reliably(
        self, suits: Callable[[Observation], bool] = lambda _: True
    ) -> Observation:
        """Return an observation without stale facts.

        An observation that does not satisfy *suits* may come from a describe that lags.  It is
        repeated for one consistency delay; after that it is returned anyway.

        Raises:
            UnreliableReadError: Some facts are still stale after two consistency delays.
        """
        began = self._time.now()
        deadline = began + 2 * CONSISTENCY_DELAY
        while True:
            self._tasks.stop_if_asked()
            observation = self._state_reader.observe()
            late = self._time.now() >= began + CONSISTENCY_DELAY
            if (
                isinstance(observation, Observation)
                and observation.certain
                and (late or suits(observation))
            ):
                return observation
            stale = "what AWS shows may be stale"
            why = observation.why if isinstance(observation, NotYet) else stale
            step = self._recorder.state.step
            self._observer.on_wait(step, why, self._time.now() - began, 2 * CONSISTENCY_DELAY)
            if self._time.now() >= deadline:
                message = f"AWS could not be read reliably, so nothing was started: {why}"
                raise UnreliableReadError(message, advice=self._recorder.resuming(self._plan))
            self._wait(self._pace())

    def read_reliably(self, read: Callable[[], T]) -> T:
        """Return the result of *read*, retried while AWS cannot be read.

        Raises:
            HeldError: AWS could not be read for two consistency delays.
            AwsError: A later try would fail as well.
        """
        began = self._time.now()
        limit = 2 * CONSISTENCY_DELAY

        def tried() -> T:
            self._tasks.stop_if_asked()
            return read()

        def waits(failed: RetryCallState) -> None:
            why = f"AWS cannot be read: {failed.outcome and failed.outcome.exception()}"
            waited = self._time.now() - began
            self._observer.on_wait(self._recorder.state.step, why, waited, limit)

        repeat = Retrying(
            retry=retry_if_exception_type(AwsUnreadableError),
            stop=lambda _: self._time.now() - began >= limit,
            wait=lambda _: self._pace().total_seconds(),
            before_sleep=waits,
            sleep=self._sleep,
        )
        try:
            return repeat(tried)
        except RetryError as given_up:
            # An error raised by the preconditions after a pause has advice of its own.
            error = given_up.last_attempt.exception()
            message = f"AWS cannot be read, so nothing was started: {error}"
            raise HeldError(message, advice=self._recorder.resuming(self._plan)) from error

    def _observe_and_act(self, step: Step, lost: list[str]) -> Verdict:
        self._apply_orders()
        observation = self._state_reader.observe()
        self._credentials.observed()
        if isinstance(observation, NotYet):
            return observation
        if unclear := self._adopting.resolve(
            observation.reading, journal_lost=self._state_reader.journal_lost
        ):
            return unclear
        self._recorder.adopt(observation.now.owned.found)
        self._external.handle(step, observation)
        self._probing.watch()
        if isinstance(step, SwitchTunnels):
            observation = self._traffic.watch(observation)
        if step.phase is Phase.CUTOVER:
            self._observer.on_view(partial(cutover_view, observation.input, self._probing.stats))
        self._sent.clear()
        self._residue.see(observation)
        self._continue_unverified(observation, lost)
        verdict = step.verify(observation.input)
        if self._unverified and _ends(verdict):
            # What an earlier step has yet to do may undo what this one observes.
            waits = NotYet if isinstance(step, SwitchTunnels) else LikelyDone
            verdict = waits(f"step {self._unverified[0].number} is not verified yet")
        if not self._may_change(step, verdict):
            return verdict
        view = self._to_act_on(observation)
        self._act(step, observation, view)
        if self._outage and not (self._unverified or self._sent or self._consent.is_open):
            self._pace_inputs.awaits = step.awaits(view)
        if not isinstance(verdict, NotYet) or view is observation.input:
            return verdict
        likely = step.verify(view)
        if not (self._outage and _ends(likely)):
            return likely if isinstance(likely, NotYet) else verdict
        if isinstance(step, SwitchTunnels):
            return NotYet(f"traffic flows, as far as AWS shows; {_BELIEF}: {verdict.why}")
        return LikelyDone(f"carried out, as far as AWS shows; {_BELIEF}: {verdict.why}")

    def _continue_unverified(self, observation: Observation, lost: list[str]) -> None:
        """Verify the earlier steps in their order, and repeat their calls in doubt."""
        for step in tuple(self._unverified):
            verdict = step.verify(observation.input)
            if isinstance(verdict, NotYet):
                self._act(step, observation, self._to_act_on(observation))
            elif step is self._unverified[0]:
                self._unverified.remove(step)
                lost += self._conclude(step, verdict, step.limit_for(self._plan))

    def _to_act_on(self, observation: Observation) -> StepInput:
        """Return the step input for changes: while traffic is down, nothing waits for proof."""
        return observation.acting if self._outage else observation.input

    def _act(self, step: Step, observation: Observation, view: StepInput) -> None:
        missing = tuple(step.missing_changes(view))
        tasks = [change for change in missing if isinstance(change, OperatorTask)]
        changes = [change for change in missing if not isinstance(change, OperatorTask)]
        unsent = [c for c in self._retries.due(changes) if c not in self._sent]
        permitted = self._consent.ask_before_sending(step, unsent, view)
        due = self._executor.buckets.affordable(permitted)
        if due:
            self._sent.update(due)
            self._recorder.record_external_changes(
                *step.external_changes_overwritten(observation.input)
            )
            waiting = [change for change in permitted if change not in self._sent]
            self._perform(step, due, observation, waiting)
        for task in tasks:
            self._tasks.hand_out(task, view.now, outage=self._may_be_down(step))

    def _perform(
        self,
        step: Step,
        changes: Sequence[AwsChange],
        observation: Observation,
        waiting: Sequence[AwsChange] = (),
    ) -> None:
        """Send *changes*; *waiting* are those for which AWS's request bucket has no token yet."""
        if step.number in INTERRUPTING and not self._outage:
            self._pauses.check_suspended()  # The process may have slept during the observation.
            self._recorder.write(OutageBegan(self._clock.now(), self._state_reader.journal_lost))
        detaches = any(isinstance(each, DetachVpnGateway) for each in changes)
        if step.phase is Phase.CUTOVER and detaches and awaits_devices(observation.input):
            self._tasks.announce(enabling_task(self._plan, observation.swap, observation.now))
        # All answers are written before the first failure ends the step.
        done = self._executor.execute(step.number, changes, observation.now.owned.unrecorded)
        # A refused call does not count: retries every second would only cause more throttling.
        self._pace_inputs.acted = not all(
            isinstance(each.outcome, Later | Refused) for each in done
        )
        self._tried = next(filter(None, (each.why_not_made for each in done)), "")
        down = self._may_be_down(step)
        failures = [self._failure(step, each, observation, outage=down) for each in done]
        for change in filter(self._executor.buckets.is_starved, waiting):
            late = not_sent_while_throttled(change)
            self._residue.sort_out(step, late, observation, given_up=True, outage=down)
        if step.phase is Phase.CUTOVER:
            self._residue.record()
        self._pace_inputs.repeats |= any(map(self._retries.is_repeated_at_once, done))
        self._pace_inputs.shows |= any(map(shows_at_once, done))
        for failure in filter(None, failures):
            raise failure

    def _failure(
        self, step: Step, done: ChangeResult, observation: Observation, *, outage: bool
    ) -> VpnMigrateError | None:
        """Return the error that ends *step* after *done*, or None if the step continues."""
        failure = self._retries.decide(step, done, outage=outage)
        # What only removes is not urgent: a refusal that may pass is retried until the limit.
        persists = self._retries.is_refused_too_often(done.change) and not step.removes
        given_up = failure is not None or persists
        if self._residue.sort_out(step, done, observation, given_up=given_up, outage=outage):
            return None
        if failure is not None and isinstance(done.outcome, Later) and done.outcome.holds:
            return HeldError(failure.message, advice=self._recorder.resuming(self._plan))
        return failure

    def _conclude(self, step: Step, verdict: Verdict, limit: timedelta) -> Sequence[str]:
        if not isinstance(verdict, NotYet):
            self._consent.end_step(step)
        if step.removes:
            self._residue.leave(verdict.left if isinstance(verdict, Lost | Residual) else ())
            self._residue.record_removals()
        if isinstance(step, RestoreRouting | SwitchTunnels):
            self._residue.record()
        match verdict:
            case Met():
                self._recorder.write(StepSettled(step.number, step.cleaning))
                return ()
            case Residual(lost) | Lost(lost):
                external = (ExternalChange(line) for line in lost)
                self._recorder.write(*external, StepSettled(step.number, step.cleaning, lost))
                return lost
            case Blocked(why, advice, interrupted):
                if interrupted and not self._outage:
                    self._recorder.write(OutageBegan(self._clock.now(), earlier=True))
                raise StepError(why, step=step.number, outage=self._outage, advice=advice)
            case Claimed(holder):
                raise claimed(holder, self._plan.old_gateway)
            case NotYet(why):
                down = self._may_be_down(step)
                if not down:
                    self._tasks.hold_if_waiting()
                    self._consent.hold_if_waiting()
                within, advice = self._credentials.exceeded(limit)
                message = f"step {step.number} ({step.title}) was not done within {within}: {why}"
                raise DidNotSettleError(message, step=step.number, outage=down, advice=advice)

    @property
    def _outage(self) -> bool:
        return self._recorder.state.outage.open

    def _may_be_down(self, step: Step) -> bool:
        """Return whether traffic is down, or may be if the journal of its outage is lost."""
        verified = self._recorder.state.journal_facts.verified is not None
        unseen = self._state_reader.journal_lost and step.phase is Phase.CUTOVER
        return self._outage or ((unseen or isinstance(step, SwitchTunnels)) and not verified)

    def _pace(self) -> timedelta:
        steady = self._plan.decisions.waits.steady if self._traffic.flows else None
        tokens = self._executor.buckets.take_wait()
        return interval(self._pace_inputs, outage=self._outage, tokens=tokens, steady=steady)

    def _has_passed(self, limit: datetime) -> bool:
        """Return whether *limit* has passed; an order given before it is applied first."""
        if self._credentials.left or self._time.now() < limit:
            return False
        self._apply_orders()
        return True

    def _apply_orders(self) -> None:
        """Carry out orders, and decide what is due by time, before AWS is read."""
        self._tasks.stop_if_asked()
        self._pauses.poll()

    def _sleep(self, seconds: float) -> None:
        self._wait(timedelta(seconds=seconds))

    def _wait_for_news(self, limit: datetime) -> None:
        """Wait until it is time to observe again, or until what the step awaits has changed."""
        interrupted, part, quick_reads = self._wait(self._pace()), self._pace_inputs.awaits, 0
        while part is not None and quick_reads < QUICK_READS:
            if interrupted or self._time.now() >= limit:
                return
            self._apply_orders()
            if self._state_reader.differs(part):
                return
            quick_reads += 1
            interrupted = self._wait(QUICK_PACE)

    def _wait(self, span: timedelta) -> bool:
        """Wait for *span*; return whether an order, an answer or a message ended it earlier."""
        until = self._clock.now() + span
        while (left := until - self._clock.now()) > timedelta(0):
            self._tasks.stop_if_asked()
            polls = (self._tasks.read_confirmations, self._pauses.apply_order, self._consent.poll)
            if any(poll() for poll in polls):
                return True
            self._clock.sleep(min(left, SLICE))
        return False


def _ends(verdict: Verdict) -> bool:
    """Return whether *verdict* says that the goal holds, with or without losses and residue."""
    return isinstance(verdict, Met | Lost | Residual)
