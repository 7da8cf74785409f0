"""``apply --step``: the operator is asked before each change of the cutover."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from botocore.exceptions import EndpointConnectionError
from msgspec.structs import replace

from tests.support.builders import OLD, PREFIX, a_survey, a_table
from tests.support.stage import Lookout, Nobody, Stage
from vpnmigrate.engine.step_consent import ANSWER_LIMIT
from vpnmigrate.journal.records import (
    Entry,
    Intended,
    Noted,
    OutageBegan,
    ResidueLeft,
    TrafficVerified,
)
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.changes import (
    AttachVpnGateway,
    DetachVpnGateway,
    DisablePropagation,
    MutatingChange,
)
from vpnmigrate.model.decisions import Decisions, OldTunnels
from vpnmigrate.model.errors import HeldError, RolledBackError, StepError
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.model.proposed_change import ProposedChange, StepChoice
from vpnmigrate.planning.planner import derived_again
from vpnmigrate.report.names import NO_NAMES, Names
from vpnmigrate.report.proposed_change import proposed_line, proposed_text
from vpnmigrate.sandbox.behaviour import Behaviour
from vpnmigrate.sandbox.device_engineer import DeviceEngineer
from vpnmigrate.sandbox.faults import Faults
from vpnmigrate.steps.s07_disable_propagation import StopPropagation
from vpnmigrate.steps.s09_restore_routing import RestoreRouting

Answer = Callable[[ProposedChange], StepChoice | None]


class Prompt:
    """A prompt that answers each proposal, and keeps what was proposed and sent by then."""

    def __init__(self, stage: Stage, answer: Answer = lambda _: StepChoice.RUN) -> None:
        self._stage, self._answer = stage, answer
        self.proposed: list[ProposedChange] = []
        self.sent_before: list[bool] = []
        self.shown: list[ProposedChange] = []
        """The questions in the order in which they were opened, also those opened again."""
        self._open: ProposedChange | None = None

    def choose(self, proposed: ProposedChange | None) -> StepChoice | None:
        before, self._open = self._open, proposed
        if proposed is None:
            return None
        if proposed != before:
            self.shown.append(proposed)
        if proposed not in self.proposed:
            self.proposed.append(proposed)
            entries = self._stage.journal.entries
            intended = [getattr(entry.record, "change", None) for entry in entries]
            self.sent_before.append(proposed.change in intended)
        return self._answer(proposed)


@pytest.fixture
def stage(tmp_path):
    stage = Stage(tmp_path, decisions=Decisions(old_tunnels=OldTunnels.LEAVE))
    derived = derived_again(stage.plan)
    stage.plan = replace(stage.plan, forward=derived.forward, back=derived.back)
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
    text = " ".join(proposed_text(first, NO_NAMES).split())
    assert "aws ec2 disable-vgw-route-propagation" in text
    assert f"inverse enable propagation from {stage.plan.old_gateway}" in text
    assert "THE OUTAGE BEGINS" in text
    assert [each.change for each in prompt.proposed if each.inverse is None] == []


def test_the_question_has_the_names_of_its_resources(stage):
    """In the terminal's history, and in one line on the screen."""
    prompt = Prompt(stage)
    stepped(stage, prompt)
    first = prompt.proposed[0]
    names = Names({stage.plan.old_gateway: "hub"})

    text = " ".join(proposed_text(first, names).split())
    line = proposed_line(first, names)

    named = f'from {stage.plan.old_gateway} "hub" in'
    assert f"change disable propagation {named}" in text
    assert f"inverse enable propagation {named}" in text
    assert line.startswith(f"step 7: disable propagation {named}")
    assert "Traffic: THE OUTAGE BEGINS" in line
    assert f"Inverse: enable propagation {named}" in line


def test_nothing_is_sent_without_an_answer(stage):
    """The step's limit ends the wait while traffic flows: the run is held, and not changed."""
    prompt = Prompt(stage, lambda _: None)

    with pytest.raises(HeldError, match="traffic is not interrupted"):
        stepped(stage, prompt)

    assert "DisableVgwRoutePropagation" not in stage.calls
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

    with pytest.raises(HeldError):
        stepped(stage, Prompt(stage, lambda _: None), operator=Nobody())

    assert "DisableVgwRoutePropagation" not in stage.calls


def unasked(stage: Stage) -> list[str]:
    """Return the notes that the run continued without asking, and why."""
    return [note.what for note in stage.records(Noted) if "without asking" in note.what]


class Slow:
    """Answers each question ``run`` after *delay* since it was asked first."""

    def __init__(self, stage: Stage, delay: timedelta) -> None:
        self._stage, self._delay = stage, delay
        self._since: dict[object, datetime] = {}

    def __call__(self, proposed: ProposedChange) -> StepChoice | None:
        now = self._stage.clock.now()
        since = self._since.setdefault(proposed.change, now)
        return StepChoice.RUN if now - since >= self._delay else None


def restored_before_device_task(stage: Stage) -> bool:
    """Return whether each routing change was sent before step 10 asked for work at the devices."""
    sent = stage.records(Intended)
    task = next(i for i, entry in enumerate(sent) if entry.step == 10)
    return not any(isinstance(entry.change, MutatingChange) for entry in sent[task:])


def test_a_question_in_step_9_is_no_refusal_of_aws(stage):
    """Without an answer in the outage, step 9 is done before the devices, and nothing is left."""
    prompt = Prompt(stage, lambda each: StepChoice.RUN if each.step < 9 else None)
    stepped(stage, prompt)

    assert stage.state.status is RunStatus.CUT_OVER
    assert stage.records(ResidueLeft) == []
    assert restored_before_device_task(stage)
    assert len(unasked(stage)) == 1
    assert str(prompt.proposed[-1].change) in unasked(stage)[0]


def test_questions_do_not_use_up_the_limit_of_a_step(tmp_path):
    """Ten slow answers in step 9 take longer than its limit: each change is still made by one."""
    slow = timedelta(seconds=110)
    tables = tuple(a_table(f"rtb-{n}", propagates=OLD, learned=[PREFIX]) for n in range(10))
    stage = Stage(
        tmp_path,
        replace(a_survey(), route_tables=tables),
        decisions=Decisions(old_tunnels=OldTunnels.LEAVE),
    )
    prompt = Prompt(stage, Slow(stage, slow))
    stepped(stage, prompt)

    in_step_9 = [each for each in prompt.proposed if each.step == 9]
    assert len(in_step_9) * slow > RestoreRouting.limit
    assert [each.change for each in prompt.proposed] == mutations(stage)
    assert stage.records(ResidueLeft) == []
    assert unasked(stage) == []


@pytest.mark.parametrize("choice", [None, StepChoice.WAIT])
def test_no_question_delays_the_end_of_the_outage(stage, choice):
    """A question in the outage has a limit, also if ``wait`` starts its time again."""

    def answer(proposed: ProposedChange) -> StepChoice | None:
        return choice if proposed.outage else StepChoice.RUN

    prompt = Prompt(stage, answer)
    stepped(stage, prompt)

    began = next(e.at for e in stage.entries if isinstance(e.record, OutageBegan))
    ended = next(e.at for e in stage.entries if isinstance(e.record, TrafficVerified))
    longest = ANSWER_LIMIT if choice is None else timedelta(minutes=45)
    assert ANSWER_LIMIT <= ended - began <= longest + timedelta(minutes=6)
    assert stage.state.status is RunStatus.CUT_OVER
    assert len(prompt.proposed) == 2
    assert len(unasked(stage)) == 1


def test_the_question_shows_its_limit_and_how_long_it_has_waited(stage):
    """In the outage the question names its limit, and the waiting line counts up to it."""
    prompt = Prompt(stage, lambda each: None if each.outage else StepChoice.RUN)
    stepped(stage, prompt)

    first, second = prompt.proposed
    assert "without an answer" not in proposed_text(first, NO_NAMES)
    assert "After 2 min without an answer, the run continues without asking" in proposed_text(
        second, NO_NAMES
    )
    timed = [(waited, of) for why, waited, of in stage.lookout.waits_timed if "is asked" in why]
    assert {of for _, of in timed} == {ANSWER_LIMIT}
    assert len({waited for waited, _ in timed}) > 30
    assert all(waited <= of for waited, of in timed)


def test_a_lagging_read_does_not_ask_again(tmp_path):
    """While an earlier step is unverified, a question stays open, and is asked once."""
    stage = Stage(
        tmp_path,
        decisions=Decisions(old_tunnels=OldTunnels.LEAVE),
        behaviour=Behaviour(read_lag=timedelta(seconds=40)),
    )
    prompt = Prompt(stage, Slow(stage, timedelta(seconds=5)))
    stepped(stage, prompt)

    asked = [each.change for each in prompt.shown]
    assert len(asked) == len(set(asked))
    assert set(asked) == set(mutations(stage))
    assert stage.state.status is RunStatus.CUT_OVER


def test_the_command_after_a_held_run_asks_again(stage):
    """The advice has ``--step``: what is pasted asks before each change as well."""
    with pytest.raises(HeldError) as held:
        stepped(stage, Prompt(stage, lambda _: None))

    assert held.value.advice_text == str(cli("apply", stage.plan.migration, "--step"))


def test_an_older_plan_has_inverses_as_well(stage):
    """A plan without stored inverses has them in the steps of its rollback."""
    derived = derived_again(stage.plan)
    bare = tuple(replace(step, inverse=()) for step in derived.forward)
    stage.plan = replace(stage.plan, forward=bare, back=derived.back)
    prompt = Prompt(stage)
    stepped(stage, prompt)

    attach = next(each for each in prompt.proposed if isinstance(each.change, AttachVpnGateway))
    assert attach.inverse == DetachVpnGateway(stage.new_gateway, stage.plan.vpc)
    assert [each.change for each in prompt.proposed if each.inverse is None] == []


class Unreachable(Faults):
    """AWS, which no call reaches once it is *gone*; *calls* counts those calls."""

    gone = False
    calls = 0

    def before(self, service: str, action: str, nth: int) -> None:
        if self.gone:
            self.calls += 1
            if self.calls > 20_000:
                pytest.fail("the step has no end, or AWS is called without a pause")
            raise EndpointConnectionError(endpoint_url="https://ec2.sandbox.invalid/")


@pytest.mark.parametrize("choice", [None, StepChoice.RUN])
def test_a_question_does_not_keep_a_step_without_aws_from_its_limit(stage, choice):
    """With AWS unreachable the step ends at its limit, and AWS is called at the usual pace."""
    stage.faults = faults = Unreachable()

    def answer(proposed: ProposedChange) -> StepChoice | None:
        if proposed.outage and not faults.gone:
            faults.gone = True
            return None
        return choice if proposed.outage else StepChoice.RUN

    with pytest.raises(StepError) as stuck:
        stepped(stage, Prompt(stage, answer))

    began = next(e.at for e in stage.entries if isinstance(e.record, OutageBegan))
    assert stuck.value.outage
    assert stage.entries[-1].at - began < StopPropagation.limit + 2 * ANSWER_LIMIT
    assert faults.calls < 20_000
