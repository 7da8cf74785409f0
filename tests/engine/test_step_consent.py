"""``apply --step``: the operator is asked before each change of the cutover."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.support.stage import Lookout, Nobody, Stage
from vpnmigrate.errors import HeldError, RolledBackError
from vpnmigrate.journal.records import Entry, OutageBegan
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.changes import (
    AttachVpnGateway,
    DetachVpnGateway,
    DisablePropagation,
    MutatingChange,
)
from vpnmigrate.model.decisions import Decisions, OldTunnels
from vpnmigrate.model.proposed_change import ProposedChange, StepChoice
from vpnmigrate.planning.planner import derived_again
from vpnmigrate.report.proposed_change import proposed_text
from vpnmigrate.sandbox.device_engineer import DeviceEngineer

Answer = Callable[[ProposedChange], StepChoice | None]


class Prompt:
    """A prompt that answers each proposal, and keeps what was proposed and sent by then."""

    def __init__(self, stage: Stage, answer: Answer = lambda _: StepChoice.RUN) -> None:
        self._stage, self._answer = stage, answer
        self.proposed: list[ProposedChange] = []
        self.sent_before: list[bool] = []

    def choose(self, proposed: ProposedChange | None) -> StepChoice | None:
        if proposed is None:
            return None
        if proposed not in self.proposed:
            self.proposed.append(proposed)
            entries = self._stage.journal.entries
            intended = [getattr(entry.record, "change", None) for entry in entries]
            self.sent_before.append(proposed.change in intended)
        return self._answer(proposed)


@pytest.fixture
def stage(tmp_path):
    stage = Stage(tmp_path, decisions=Decisions(old_tunnels=OldTunnels.LEAVE))
    stage.plan = replace(stage.plan, forward=derived_again(stage.plan).forward)
    return stage


def stepped(stage: Stage, prompt: Prompt, **how: object) -> None:
    stage.forward(step_prompt=prompt, **how)


def mutations(stage: Stage) -> list[MutatingChange]:
    """Return the intended calls of steps 7 to 10, without repeats."""
    begun = stage.entries.index(next(e for e in stage.entries if isinstance(e.record, OutageBegan)))
    changes = [getattr(e.record, "change", None) for e in stage.entries[begun:]]
    return [c for c in dict.fromkeys(changes) if isinstance(c, MutatingChange)]


def test_asks_before_each_mutation_of_the_cutover_and_no_other(stage):
    """Each call of steps 7 to 10 is proposed once, in order, before its intent is written."""
    prompt = Prompt(stage)
    stepped(stage, prompt)

    assert [each.change for each in prompt.proposed] == mutations(stage)
    assert not any(prompt.sent_before)
    assert {each.step for each in prompt.proposed} == {7, 8, 9}
    assert stage.state.status is RunStatus.CUT_OVER


def test_shows_call_inverse_and_effect(stage):
    """The question has the call to paste, the change that undoes it, and its effect."""
    prompt = Prompt(stage)
    stepped(stage, prompt)
    by_kind = {type(each.change): each for each in prompt.proposed}
    attach = by_kind[AttachVpnGateway]

    assert attach.inverse == DetachVpnGateway(stage.new_gateway, stage.plan.vpc)
    assert attach.outage
    first = prompt.proposed[0]
    assert isinstance(first.change, DisablePropagation)
    text = " ".join(proposed_text(first).split())
    assert "aws ec2 disable-vgw-route-propagation" in text
    assert f"inverse enable propagation from {stage.plan.old_gateway}" in text
    assert "THE OUTAGE BEGINS" in text
    assert [each.change for each in prompt.proposed if each.inverse is None] == []


def test_nothing_is_sent_without_an_answer(stage):
    """The step's limit ends the wait while traffic flows: the run is held, and not changed."""
    prompt = Prompt(stage, lambda _: None)

    with pytest.raises(HeldError, match="traffic is not interrupted"):
        stepped(stage, prompt)

    assert "DisablePropagation" not in stage.calls
    assert stage.differences() == ()
    stage.forward()
    assert stage.state.status is RunStatus.CUT_OVER


def test_wait_asks_again(stage):
    """After "wait" the run keeps observing, and a later "run" makes the change."""
    began: list[object] = []

    def answer(proposed: ProposedChange) -> StepChoice:
        began.append(stage.clock.now())
        late = stage.clock.now() - began[0] > timedelta(minutes=2)
        return StepChoice.RUN if late else StepChoice.WAIT

    stepped(stage, Prompt(stage, answer))

    assert stage.state.status is RunStatus.CUT_OVER
    assert len(began) > 10


def test_roll_back_in_the_outage_restores_the_old_side(stage):
    """The answer counts as an abort: the run rolls back, and asks nothing on the way."""

    def answer(proposed: ProposedChange) -> StepChoice:
        attach = isinstance(proposed.change, AttachVpnGateway)
        return StepChoice.ROLL_BACK if attach else StepChoice.RUN

    prompt = Prompt(stage, answer)
    with pytest.raises(RolledBackError):
        stepped(stage, prompt)

    assert isinstance(prompt.proposed[-1].change, AttachVpnGateway)
    assert prompt.proposed[-1].change.gateway == stage.new_gateway
    assert stage.state.status is RunStatus.ROLLED_BACK


def test_roll_back_before_the_outage_changes_nothing(stage):
    """Before the first change the run is held; there is nothing to restore."""
    with pytest.raises(HeldError):
        stepped(stage, Prompt(stage, lambda _: StepChoice.ROLL_BACK))

    assert stage.differences() == ()


def test_a_lost_terminal_does_not_extend_the_outage(stage):
    """While traffic is down and the operator is gone, the changes are made without a question."""

    class Leaving(DeviceEngineer):
        patient = True

    operator = Leaving(stage.world)

    def leaves(entry: Entry) -> None:
        operator.patient = operator.patient and not isinstance(entry.record, OutageBegan)

    prompt = Prompt(stage)
    stepped(stage, prompt, operator=operator, lookout=Lookout(leaves))

    assert len(prompt.proposed) == 1
    assert stage.state.status is RunStatus.CUT_OVER


def test_without_an_operator_the_run_is_held_before_the_outage(stage):
    """No question can be answered, so nothing is interrupted."""
    with pytest.raises(HeldError):
        stage.run(lambda runner: runner.apply(until=6))

    class Gone(Nobody):
        pass

    with pytest.raises(HeldError):
        stepped(stage, Prompt(stage, lambda _: None), operator=Gone())

    assert "DisablePropagation" not in stage.calls
