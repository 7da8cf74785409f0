"""The back-out deadline: its time, and what a run does when it passes."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.report.examples import a_journal
from tests.support.builders import NOON, a_plan
from tests.support.stage import Lookout, Stage
from vpnmigrate.engine.deadline import deadline_of, is_overdue
from vpnmigrate.engine.gate_runner import GateInputs
from vpnmigrate.engine.ports import DeadlineChoice, OverdueCutover
from vpnmigrate.journal import RunState, Traffic, replay
from vpnmigrate.journal.orders import refusal_reason
from vpnmigrate.journal.records import (
    AbortAsked,
    Continued,
    DeadlinePassed,
    DeadlineSet,
    DirectionTaken,
    Entry,
    Noted,
    OrderDeclined,
    OrderVerb,
    OutageBegan,
    TrafficVerified,
)
from vpnmigrate.journal.state import Deadline, RunStatus
from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.changes import AskOperator, OperatorTask
from vpnmigrate.model.decisions import BackOut, Decisions, OldTunnels, Waits, Window
from vpnmigrate.model.errors import InterruptedRunError, RolledBackError
from vpnmigrate.model.gates import Force, Gate
from vpnmigrate.model.plan import Direction
from vpnmigrate.model.snapshot import Confirmation, JournalFacts
from vpnmigrate.sandbox.device_engineer import DeviceEngineer
from vpnmigrate.sandbox.world import World

MINUTE = timedelta(minutes=1)
ENABLED = Confirmation.NEW_TUNNELS_ENABLED
WINDOW = Window(NOON - MINUTE, NOON + 18 * MINUTE, "a short one")
REHEARSED = RehearsalResult(
    fingerprint="", at=NOON, tool="t", passed=True, cutover=3 * MINUTE, back={8: 4 * MINUTE}
)
"""A rehearsal result for the plan of the stage, which has no fingerprint."""
OVERDUE = RunState(deadline=Deadline(NOON), direction=Direction.FORWARD, cutover_begun=True)


def decided(back_out: BackOut) -> Decisions:
    """Return decisions with a short window, and waits in step 10 that outlast it."""
    return Decisions(
        old_tunnels=OldTunnels.LEAVE,
        back_out=back_out,
        window=WINDOW,
        waits=Waits(tunnels=timedelta(hours=3), margin=MINUTE),
    )


class TestWhen:
    def test_is_the_end_less_the_rollback_less_the_margin(self):
        """A rehearsal of the same plan determines the expected times."""
        plan = replace(a_plan(decisions=decided(BackOut.ASK)), fingerprint="f")
        rehearsed = RehearsalResult(
            fingerprint="f",
            at=NOON,
            tool="t",
            passed=True,
            cutover=5 * MINUTE,
            back={8: 12 * MINUTE, 9: 7 * MINUTE},
        )

        found = deadline_of(plan, rehearsed)

        assert found is not None
        assert found.at == WINDOW.end - 12 * MINUTE - MINUTE
        assert found.source.startswith("rehearsed")

    def test_a_plan_without_a_window_has_none(self):
        """A plan without a window has no deadline."""
        assert deadline_of(a_plan(), None) is None

    def test_a_cutover_is_overdue_from_that_moment_on(self):
        """For four hundred moments: not overdue before the deadline, overdue from it on."""
        seconds = range(-200, 200)

        said = [is_overdue(OVERDUE, NOON + timedelta(seconds=second)) for second in seconds]

        assert said == [second >= 0 for second in seconds]

    @pytest.mark.parametrize(
        "state",
        [
            replace(OVERDUE, deadline=None),
            replace(OVERDUE, direction=Direction.ROLLBACK),
            replace(OVERDUE, cutover_begun=False),
            replace(OVERDUE, finished=True),
            replace(OVERDUE, journal_facts=JournalFacts(verified=NOON)),
        ],
    )
    def test_a_stable_or_rolled_back_or_unstarted_cutover_is_not(self, state):
        """A run that has been decided is not overdue."""
        assert not is_overdue(state, NOON + MINUTE)


class Sleeper(DeviceEngineer):
    """An engineer who does not enable the new tunnels."""

    asleep = True

    def ask(self, task: OperatorTask) -> Confirmation | None:
        if self.asleep and isinstance(task, AskOperator) and task.confirmation is ENABLED:
            return None
        return super().ask(task)


class Boss(Sleeper):
    """An idle engineer who answers the *after*-th question; None is no answer."""

    def __init__(
        self,
        world: World,
        choice: DeadlineChoice | None,
        *,
        after: int = 0,
        wakes: int | None = None,
    ) -> None:
        super().__init__(world)
        self._choice, self._after, self._wakes = choice, after, wakes
        self._calls = 0
        self.asked: list[OverdueCutover] = []

    def decide(self, overdue: OverdueCutover | None) -> DeadlineChoice | None:
        self._calls += 1
        self.asleep = self._wakes is None or self._calls < self._wakes
        if overdue is None:
            return None
        self.asked.append(overdue)
        return self._choice if len(self.asked) > self._after else None


class TestWhatIsAsked:
    """Whether a passed deadline still needs an answer."""

    DOWN = (
        DirectionTaken(Direction.FORWARD, 1),
        DeadlineSet(NOON, MINUTE, "rehearsed"),
        OutageBegan(NOON),
    )
    PASSED = (*DOWN, DeadlinePassed(NOON, asks=True))

    @pytest.mark.parametrize(
        ("then", "asks"),
        [
            ((), True),
            ((OrderDeclined(OrderVerb.PAUSE, "no", "bob", "desk"),), True),
            ((Continued("bob", "desk"),), False),
            ((AbortAsked("bob", "desk"),), False),
            ((AbortAsked("bob", "desk"), Continued("bob", "desk")), False),
            ((TrafficVerified(NOON),), False),
            ((DirectionTaken(Direction.ROLLBACK, 1, keep_new=True),), False),
        ],
    )
    def test_until_the_answer_or_the_end_of_the_question(self, then, asks):
        """Continue is accepted as an answer exactly while the question is open."""
        state = replay(a_journal(*self.PASSED, *then))

        assert state.asks_to_decide is asks
        assert (refusal_reason(OrderVerb.CONTINUE, state) == "") is (
            asks or state.order is not None
        )

    @pytest.mark.parametrize("records", [DOWN, (*DOWN, DeadlinePassed(NOON))])
    def test_not_before_it_has_passed_nor_where_the_plan_has_decided(self, records):
        """A journal of an earlier version, which did not ask, has the same result."""
        assert not replay(a_journal(*records)).asks_to_decide


class TestARun:
    def test_writes_its_deadline_down_before_the_outage(self, tmp_path):
        """Other terminals can read the time by which a decision is needed."""
        stage = Stage(tmp_path, decisions=decided(BackOut.ASK))

        stage.forward(gate_inputs=GateInputs("ann", REHEARSED))

        kinds = [type(e.record) for e in stage.entries]
        assert kinds.index(DeadlineSet) < kinds.index(OutageBegan)
        assert not stage.records(DeadlinePassed)

    def test_rolls_back_if_the_plan_says_so(self, tmp_path):
        """Without stable traffic at the deadline the run rolls back to the state before."""
        stage = Stage(tmp_path, decisions=decided(BackOut.ROLLBACK))

        with pytest.raises(RolledBackError, match="back-out deadline"):
            stage.forward(operator=Sleeper(stage.world), gate_inputs=GateInputs("ann", REHEARSED))

        deadline = stage.records(DeadlineSet)[0].at
        passed = next(e for e in stage.entries if isinstance(e.record, DeadlinePassed))
        assert timedelta(0) <= passed.at - deadline <= timedelta(seconds=10)
        assert stage.state.status is RunStatus.ROLLED_BACK
        assert stage.state.traffic is Traffic.OLD

    def test_asks_where_the_plan_says_so(self, tmp_path):
        """The run reports the passed deadline once, continues, and becomes stable."""
        stage = Stage(tmp_path, decisions=decided(BackOut.ASK))
        engineer = Sleeper(stage.world)

        def wake(entry: Entry) -> None:
            engineer.asleep = engineer.asleep and not isinstance(entry.record, DeadlinePassed)

        state = stage.forward(
            operator=engineer, lookout=Lookout(wake), gate_inputs=GateInputs("ann", REHEARSED)
        )

        assert len(stage.records(DeadlinePassed)) == 1
        assert state.status is RunStatus.CUT_OVER

    @pytest.mark.parametrize("looks", [0, 90])
    def test_the_operator_may_answer_roll_back(self, tmp_path, looks):
        """The run continues until the answer, and then rolls back as after any abort."""
        stage = Stage(tmp_path, decisions=decided(BackOut.ASK))
        boss = Boss(stage.world, DeadlineChoice.ROLL_BACK, after=looks)

        with pytest.raises(RolledBackError, match=r"aborted by ann.*has been rolled back"):
            stage.forward(operator=boss, gate_inputs=GateInputs("ann", REHEARSED))

        passed, aborted = (
            next(e.at for e in stage.entries if isinstance(e.record, kind))
            for kind in (DeadlinePassed, AbortAsked)
        )
        assert timedelta(seconds=looks) <= aborted - passed <= timedelta(seconds=2 * looks)
        assert stage.records(DeadlinePassed) == [DeadlinePassed(boss.asked[0].since, asks=True)]
        assert stage.state.status is RunStatus.ROLLED_BACK
        assert stage.state.traffic is Traffic.OLD

    def test_who_is_asked_hears_how_much_time_is_left(self, tmp_path):
        """The rehearsed rollback time, and the rest of the window in seconds."""
        stage = Stage(tmp_path, decisions=decided(BackOut.ASK))
        boss = Boss(stage.world, DeadlineChoice.ROLL_BACK, after=30)

        with pytest.raises(RolledBackError):
            stage.forward(operator=boss, gate_inputs=GateInputs("ann", REHEARSED))

        assert {overdue.rollback for overdue in boss.asked} == {4 * MINUTE}
        lefts = [overdue.left for overdue in boss.asked]
        assert lefts[0] <= 5 * MINUTE
        assert sorted(lefts, reverse=True) == lefts

    def test_the_operator_may_answer_go_on_and_is_not_asked_again(self, tmp_path):
        """The journal has who decided to continue; the run becomes stable when it can."""
        stage = Stage(tmp_path, decisions=decided(BackOut.ASK))
        boss = Boss(stage.world, DeadlineChoice.GO_ON, after=5, wakes=600)

        state = stage.forward(operator=boss, gate_inputs=GateInputs("ann", REHEARSED))

        assert stage.records(Continued) == [Continued("ann", "")]
        assert len(boss.asked) == 6
        assert state.status is RunStatus.CUT_OVER

    @pytest.mark.parametrize("order", [Continued("bob", "desk"), AbortAsked("bob", "desk")])
    def test_another_terminal_answers_as_well(self, tmp_path, order):
        """Once the question is answered at another terminal, it is closed here."""
        stage = Stage(tmp_path, decisions=decided(BackOut.ASK))
        boss = Boss(stage.world, None, wakes=600)

        def answer(entry: Entry) -> None:
            if isinstance(entry.record, DeadlinePassed):
                stage.letters.append(order)

        with suppress(RolledBackError):
            stage.forward(
                operator=boss, lookout=Lookout(answer), gate_inputs=GateInputs("ann", REHEARSED)
            )

        assert len(boss.asked) == 1
        assert stage.state.finished

    def test_the_question_outlives_its_process(self, tmp_path):
        """The next process asks an unanswered question again, and sets no second deadline."""
        stage = Stage(tmp_path, decisions=decided(BackOut.ASK))

        def leave(entry: Entry) -> None:
            if isinstance(entry.record, DeadlinePassed):
                stage.signal.reason = "SIGINT received"

        first = Boss(stage.world, None)
        with pytest.raises(InterruptedRunError):
            stage.forward(
                operator=first, lookout=Lookout(leave), gate_inputs=GateInputs("ann", REHEARSED)
            )
        stage.signal.reason = None
        second = Boss(stage.world, DeadlineChoice.GO_ON, after=1, wakes=600)
        stage.forward(operator=second, gate_inputs=GateInputs("ann", REHEARSED))

        assert first.asked[0] == second.asked[0]
        assert len(stage.records(DeadlinePassed)) == 1

    def test_a_plan_that_rolls_back_does_not_ask(self, tmp_path):
        """The deadline was already decided."""
        stage = Stage(tmp_path, decisions=decided(BackOut.ROLLBACK))
        boss = Boss(stage.world, DeadlineChoice.GO_ON)

        with pytest.raises(RolledBackError):
            stage.forward(operator=boss, gate_inputs=GateInputs("ann", REHEARSED))

        assert boss.asked == []
        assert stage.records(DeadlinePassed)[0].asks is False

    def test_a_forced_window_sets_no_deadline_that_has_passed(self, tmp_path):
        """A cutover that is started late on purpose is not rolled back immediately."""
        stage = Stage(tmp_path, decisions=decided(BackOut.ROLLBACK))
        stage.clock.sleep(17 * MINUTE)
        gate_inputs = GateInputs("ann", REHEARSED, forces=(Force(Gate.WINDOW, "the board agreed"),))

        state = stage.forward(gate_inputs=gate_inputs)

        assert state.status is RunStatus.CUT_OVER
        assert not stage.records(DeadlineSet)
        assert [n for n in stage.records(Noted) if "back-out deadline" in n.what]
