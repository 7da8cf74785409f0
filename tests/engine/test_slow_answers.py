"""Slow answers: what a run does while a call is in flight."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.builders import NOON, OLD, VPC
from tests.support.stage import Stage
from vpnmigrate.engine.call_limits import DirectCalls
from vpnmigrate.engine.gate_runner import GateInputs
from vpnmigrate.engine.pause import AWAY
from vpnmigrate.engine.ports import InFlight, NewWaitCheck, T
from vpnmigrate.journal import RunState, Traffic, replay
from vpnmigrate.journal.records import AbortAsked, Confirmed, DirectionTaken, Noted, Paused
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.changes.base import InDoubt, Outcome
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.decisions import BackOut, Decisions, Waits, Window
from vpnmigrate.model.ec2 import Attachment
from vpnmigrate.model.errors import (
    AwsUnreadableError,
    HeldError,
    InterruptedRunError,
    RolledBackError,
)
from vpnmigrate.model.plan import Direction

BEAT = timedelta(seconds=1)
ABORT = AbortAsked("bob", "desk")


class SlowCalls(DirectCalls):
    """Calls of which the *slow* ones take *span*, with a check during each wait."""

    def __init__(self, clock: VirtualClock, slow: Callable[[], bool], span: timedelta) -> None:
        self._clock = clock
        self._slow = slow
        self._span = span
        self.beat = BEAT
        self.progress = ""
        self.on_beat: Callable[[], None] = lambda: None
        self.left: list[tuple[str, timedelta, str]] = []

    def read(
        self, what: str, limit: timedelta, work: Callable[[], T], new_wait_check: NewWaitCheck
    ) -> T:
        """Return the result of *work* after its time."""
        if why := self._wait(what, limit, new_wait_check):
            raise AwsUnreadableError(f"{what} had not answered yet: {why}")
        return work()

    def send(
        self, works: Sequence[Callable[[], Outcome]], new_wait_check: NewWaitCheck
    ) -> Iterator[tuple[int, Outcome]]:
        """Yield the outcomes of *works*; a call that is not waited for is in doubt."""
        for index, work in enumerate(works):
            outcome = work()
            why = self._wait("the change", timedelta(seconds=90), new_wait_check)
            yield index, InDoubt(why) if why else outcome

    def _wait(self, what: str, limit: timedelta, new_wait_check: NewWaitCheck) -> str:
        if not self._slow():
            return ""
        wait_check, waited = new_wait_check(), timedelta()
        while waited < self._span:
            self._clock.sleep(self.beat)
            waited += self.beat
            self.on_beat()
            if why := wait_check(InFlight(what, waited, limit, self.progress)):
                self.left.append((what, waited, why))
                return why
        return ""


def state(stage: Stage) -> RunState:
    """Return the state of the run while it is running."""
    return replay(stage.journal.entries)


def slow_calls(stage: Stage, span: timedelta, *, when: Callable[[RunState], bool]) -> SlowCalls:
    """Return calls that are slow while the state of the run matches *when*."""
    return SlowCalls(stage.clock, lambda: when(state(stage)), span)


def says_once(stage: Stage, order: object) -> Callable[[], None]:
    """Return a function that sends *order* from another terminal, once."""
    said: list[object] = []

    def say() -> None:
        if not said:
            said.append(order)
            stage.letters.append(order)  # type: ignore[arg-type]

    return say


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


class TestAnAbort:
    @pytest.mark.parametrize("step", [7, 8, 9, 10])
    def test_in_the_outage_rolls_back_while_the_call_is_in_flight(
        self, stage: Stage, step: int
    ) -> None:
        """An abort in the outage ends the wait for any call, however slow its answer."""
        calls = slow_calls(
            stage,
            timedelta(hours=2),
            when=lambda now: (
                now.step == step and now.outage.open and now.direction is Direction.FORWARD
            ),
        )
        calls.on_beat = says_once(stage, ABORT)

        with pytest.raises(RolledBackError, match=r"aborted by bob.*has been rolled back"):
            stage.forward(calls=calls)

        ((_, waited, why),) = calls.left
        assert waited == BEAT
        assert "aborted by bob" in why
        assert stage.state.status is RunStatus.ROLLED_BACK
        assert stage.observe().attachment(OLD, VPC) is Attachment.ATTACHED

    def test_comes_before_the_limit_of_the_step(self, stage: Stage) -> None:
        """A limit that passes during the same call does not end the run with traffic down."""
        calls = slow_calls(
            stage,
            timedelta(hours=2),
            when=lambda now: now.step == 8 and now.direction is Direction.FORWARD,
        )
        say = says_once(stage, ABORT)

        def late() -> None:
            stage.clock.sleep(timedelta(minutes=10))  # Less than AWAY.
            if stage.clock.now() - NOON > timedelta(days=1):
                say()

        calls.on_beat = late

        with pytest.raises(RolledBackError):
            stage.forward(calls=calls)

        assert stage.state.traffic is Traffic.OLD

    def test_already_applied_ends_no_wait_of_the_rollback(self, stage: Stage) -> None:
        """A rollback waits for all its calls, although the abort is still in force."""
        stage.letters.append(ABORT)
        with pytest.raises(HeldError):
            stage.forward()
        calls = SlowCalls(stage.clock, lambda: True, timedelta(seconds=30))

        assert stage.back(calls=calls).status is RunStatus.ROLLED_BACK

        assert calls.left == []
        assert not [n for n in stage.records(Noted) if "could not be checked" in n.what]

    def test_rolls_back_without_reading_aws_first(self, stage: Stage) -> None:
        """An outage does not wait for STS, nor for the claims that step 1 checks."""
        asked: list[str] = []

        class Noting(SlowCalls):
            def read(
                self,
                what: str,
                limit: timedelta,
                work: Callable[[], T],
                new_wait_check: NewWaitCheck,
            ) -> T:
                back = stage.journal.entries and state(stage).order is not None
                if back and state(stage).direction is Direction.FORWARD:
                    asked.append(what)
                return super().read(what, limit, work, new_wait_check)

        calls = Noting(
            stage.clock,
            lambda: state(stage).step == 8 and state(stage).direction is Direction.FORWARD,
            timedelta(hours=2),
        )
        calls.on_beat = says_once(stage, ABORT)

        with pytest.raises(RolledBackError):
            stage.forward(calls=calls)

        assert asked == []


def test_a_signal_stops_the_run_during_an_observation(stage: Stage) -> None:
    """Before and in the outage, everything done so far is in the journal."""
    calls = slow_calls(stage, timedelta(hours=2), when=lambda now: now.step == 8)

    def signal() -> None:
        stage.signal.reason = "SIGINT received"

    calls.on_beat = signal

    with pytest.raises(InterruptedRunError, match="SIGINT received"):
        stage.forward(calls=calls)


def test_a_pause_before_the_cutover_is_applied_during_an_observation(stage: Stage) -> None:
    """The wait for the observation ends, the run pauses, and then continues."""
    calls = slow_calls(stage, timedelta(minutes=5), when=lambda now: now.step == 3)
    calls.on_beat = says_once(stage, Paused("bob", "desk"))

    with pytest.raises(HeldError, match="paused by bob"):
        stage.forward(calls=calls)

    assert [why for _, _, why in calls.left] == [calls.left[0][2]]
    assert "paused by bob" in calls.left[0][2]


def test_a_confirmation_is_read_during_an_observation(stage: Stage) -> None:
    """The observation is waited for, because there is no new order."""
    calls = slow_calls(stage, timedelta(seconds=30), when=lambda now: now.step == 8)
    heard: list[bool] = []
    say = says_once(stage, Confirmed("bob", "desk"))

    def beat() -> None:
        heard.append(any(isinstance(e.record, Confirmed) for e in stage.journal.entries))
        say()

    calls.on_beat = beat

    stage.forward(calls=calls)

    assert heard[:3] == [False, True, True]
    assert calls.left == []


def test_the_back_out_deadline_is_applied_during_an_observation(tmp_path: Path) -> None:
    """If the plan says so, the run rolls back at its deadline, and not hours later."""
    window = Window(NOON - timedelta(hours=1), NOON + timedelta(hours=3), "a night")
    stage = Stage(tmp_path, decisions=Decisions(window=window, back_out=BackOut.ROLLBACK))
    calls = slow_calls(
        stage,
        timedelta(hours=9),
        when=lambda now: now.step == 8 and now.direction is Direction.FORWARD,
    )

    with pytest.raises(RolledBackError, match="back-out deadline"):
        stage.forward(calls=calls, gate_inputs=GateInputs("ann"))

    back = next(
        e
        for e in stage.entries
        if isinstance(e.record, DirectionTaken) and e.record.direction is Direction.ROLLBACK
    )
    deadline = stage.state.deadline
    assert deadline is None or back.at - deadline.at < timedelta(minutes=1)
    assert back.at < window.end
    assert stage.state.traffic is Traffic.OLD


def test_a_run_that_waits_for_answers_is_not_suspended(tmp_path: Path) -> None:
    """A slow call is no suspension, because the run is checked while it waits."""
    stage = Stage(tmp_path, decisions=Decisions(waits=Waits(tunnels=timedelta(days=1))))
    calls = slow_calls(stage, AWAY + timedelta(minutes=1), when=lambda now: now.step == 10)

    state = stage.forward(calls=calls)

    assert state.status is RunStatus.CUT_OVER
    assert not [note for note in state.notes if "was suspended" in note]


def test_a_name_that_does_not_resolve_keeps_the_cutover_from_beginning(stage: Stage) -> None:
    """The wait ends after its limit, and the gate reports an unknown path."""

    class Unresolved(DirectCalls):
        def read(
            self, what: str, limit: timedelta, work: Callable[[], T], new_wait_check: NewWaitCheck
        ) -> T:
            if what.startswith("the DNS names"):
                raise AwsUnreadableError(f"{what} have not answered")
            return super().read(what, limit, work, new_wait_check)

    with pytest.raises(HeldError, match="own-path"):
        stage.forward(calls=Unresolved())

    assert stage.state.traffic is Traffic.OLD


def test_slow_answers_are_reported(stage: Stage) -> None:
    """It is reported once a second, once a call takes longer than usual."""
    calls = slow_calls(stage, timedelta(seconds=20), when=lambda now: now.step == 2)
    calls.beat = BEAT / 4

    stage.forward(calls=calls)

    slow = [
        (waited, limit)
        for why, waited, limit in stage.lookout.waits_timed
        if why == "AWS is slow: no answer from the observation yet"
    ]
    once = [(timedelta(seconds=n), timedelta(seconds=90)) for n in range(5, 21)]
    assert slow[: len(once)] == once


def test_a_call_that_takes_long_by_intention_is_not_reported_as_slow(stage: Stage) -> None:
    """Its progress is shown in place of a message about AWS."""
    calls = slow_calls(stage, timedelta(seconds=20), when=lambda now: now.step == 2)
    calls.progress = "40 % of 600 dry runs are answered"

    stage.forward(calls=calls)

    assert "2: 40 % of 600 dry runs are answered" in stage.lookout.waits_seen
    assert not any("AWS is slow" in why for why in stage.lookout.waits_seen)
