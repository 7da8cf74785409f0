"""A process that is suspended during its run: a closed laptop, or a stopped process."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.builders import NOON, a_plan
from tests.support.parts import an_executor
from tests.support.stage import Lookout, Stage
from vpnmigrate.engine.call_limits import DirectCalls
from vpnmigrate.engine.recorder import RunRecorder
from vpnmigrate.journal import Traffic
from vpnmigrate.journal.memory import MemoryJournal
from vpnmigrate.journal.records import Answered, BaselineTaken, Entry, Intended, Noted
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.changes import AttachVpnGateway, AwsChange, DisablePropagation
from vpnmigrate.model.changes.base import CallTags, Later, Outcome, Performed
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.ec2 import RouteTableId, VpnGatewayId
from vpnmigrate.model.errors import HeldError

NIGHT = timedelta(hours=8)
"""Longer than any limit of a step that waits for AWS."""


class Sleeper(Lookout):
    """Suspends the machine for a night, once, at the first entry that matches *when*."""

    def __init__(self, stage: Stage, when: Callable[[Entry], bool]) -> None:
        super().__init__(self._watch)
        self._stage = stage
        self._when = when
        self.slept = False

    def _watch(self, entry: Entry) -> None:
        if not self.slept and self._when(entry):
            self.slept = True
            self._stage.clock.sleep(NIGHT)


class Nap(Lookout):
    """Suspends the machine for a night, once, while it reports the wait of step *number*."""

    def __init__(self, stage: Stage, number: int) -> None:
        super().__init__()
        self._stage = stage
        self._number = number
        self.slept = False

    def on_wait(self, step: int, why: str, waited: timedelta, limit: timedelta) -> None:
        super().on_wait(step, why, waited, limit)
        if step == self._number and not self.slept:
            self.slept = True
            self._stage.clock.sleep(NIGHT)


class SleepsInAnObservation:
    """Suspends the machine for a night in the first observation of the cutover."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.slept = False

    def before(self, service: str, action: str, nth: int) -> None:
        journal = RunRecorder(self._stage.journal, Lookout()).state
        if not self.slept and journal.step == 7 and action.startswith("Describe"):
            self.slept = True
            self._stage.clock.sleep(NIGHT)

    def after(self, service: str, action: str, nth: int) -> None:
        pass


def attaches(entry: Entry) -> bool:
    """Return whether the new gateway is about to be attached: traffic is down."""
    return isinstance(entry.record, Intended) and isinstance(entry.record.change, AttachVpnGateway)


def detached_and_answered(stage: Stage) -> Callable[[Entry], bool]:
    """Return a predicate for the answer to the detach of the old gateway."""

    def when(entry: Entry) -> bool:
        step = RunRecorder(stage.journal, Lookout()).state.step
        return isinstance(entry.record, Answered) and step == 8

    return when


def test_a_suspension_in_the_swap_uses_none_of_its_limit(tmp_path: Path) -> None:
    """The gateway detached during the suspension; then the run attaches the new one."""
    stage = Stage(tmp_path)

    state = stage.forward(lookout=Sleeper(stage, detached_and_answered(stage)))

    assert state.status is RunStatus.CUT_OVER
    notes = [note for note in state.notes if "was suspended from" in note]
    days = re.findall(r"\d{4}-\d\d-\d\d", notes[0])
    assert len(notes) == 1
    assert days == ["2026-03-01"] * 2


def test_a_call_intended_before_a_suspension_is_not_sent_after_it(tmp_path: Path) -> None:
    """After a suspension between intent and call, the run observes again first."""
    stage = Stage(tmp_path)

    state = stage.forward(lookout=Sleeper(stage, attaches))

    answers = [r.outcome for r in stage.records(Answered)]
    assert state.status is RunStatus.CUT_OVER
    assert any(isinstance(o, Later) and "not sent" in o.why for o in answers)
    assert sum(isinstance(c, AttachVpnGateway) for c in stage.intended) == 2


@pytest.mark.parametrize("kind", [BaselineTaken, Intended])
def test_a_cutover_does_not_start_on_gates_from_before_a_suspension(
    tmp_path: Path, kind: type[BaselineTaken | Intended]
) -> None:
    """Suspended between the gates and the start of the outage, the run holds and asks again.

    So no outage starts in a window that has ended.
    """
    stage = Stage(tmp_path)

    def when(entry: Entry) -> bool:
        begun = isinstance(entry.record, kind)
        return begun and getattr(entry.record, "step", 7) == 7

    with pytest.raises(HeldError, match="traffic is not interrupted") as held:
        stage.forward(lookout=Sleeper(stage, when))

    assert held.value.advice_text == f"vpnmigrate apply {stage.plan.migration}"
    assert stage.state.traffic is Traffic.OLD
    assert stage.differences() == ()
    assert stage.forward().status is RunStatus.CUT_OVER


def test_a_cutover_does_not_start_after_a_suspension_in_its_first_observation(
    tmp_path: Path,
) -> None:
    """A reading from before the night is not used: the run holds, and passes the gates again."""
    stage = Stage(tmp_path)
    stage.faults = sleeper = SleepsInAnObservation(stage)

    with pytest.raises(HeldError, match="traffic is not interrupted"):
        stage.forward()

    assert sleeper.slept
    assert stage.state.traffic is Traffic.OLD
    assert not any(isinstance(change, DisablePropagation) for change in stage.intended)
    assert stage.forward().status is RunStatus.CUT_OVER


@pytest.mark.parametrize("step", [2, 3, 8, 10])
def test_a_suspension_between_two_observations_uses_no_limit(tmp_path: Path, step: int) -> None:
    """A suspension is detected anywhere, also while the run reports what it waits for."""
    stage = Stage(tmp_path)
    nap = Nap(stage, step)

    state = stage.forward(lookout=nap)

    assert nap.slept
    assert state.status is RunStatus.CUT_OVER
    assert any("was suspended from" in note for note in state.notes)


def test_an_active_run_is_not_reported_as_suspended(tmp_path: Path) -> None:
    """Waiting for AWS and for people is no suspension."""
    stage = Stage(tmp_path)

    stage.forward()

    assert not [note for note in stage.records(Noted) if "was suspended" in note.what]


class Slow:
    """An EC2 that is slow in every call."""

    def __init__(self, clock: VirtualClock, each: timedelta) -> None:
        self._clock = clock
        self._each = each

    def perform(self, change: AwsChange, tags: CallTags) -> Outcome:
        self._clock.sleep(self._each)
        return Performed("req-1")


def test_a_batch_that_is_answered_slowly_sends_no_old_intent(tmp_path: Path) -> None:
    """A call with an old intent is not sent before the next observation.

    The consistency delay of an answered call counts from its answer, not from its intent.
    """
    clock = VirtualClock(NOON)
    book = RunRecorder(MemoryJournal(clock), Lookout())
    executor = an_executor(
        Slow(clock, timedelta(seconds=20)),  # type: ignore[arg-type]  # what a performer asks for
        book,
        clock,
        a_plan(),
        DirectCalls(),
    )
    batch = [DisablePropagation(RouteTableId(f"rtb-{n}"), VpnGatewayId("vgw-1")) for n in range(4)]

    done = executor.execute(7, batch)

    assert [isinstance(each.outcome, Performed) for each in done] == [True, True, False, False]
    assert [intent.at - NOON for intent in book.sent.with_side_effects(())] == [
        timedelta(seconds=20),
        timedelta(seconds=40),
    ]
