"""The back-out deadline: when it is, and what a run does when it passes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from msgspec.structs import replace as with_fields

from tests.builders import NOON, a_plan
from tests.stage import Lookout, Stage
from vpnmigrate.changes import AskOperator, OperatorTask
from vpnmigrate.deciding import deadline_of, is_overdue
from vpnmigrate.errors import BackedOutError
from vpnmigrate.gatekeeping import Papers
from vpnmigrate.go_no_go import Force, Gate
from vpnmigrate.options import BackOut, Decisions, OldTunnels, Waits, Window
from vpnmigrate.records import DeadlinePassed, DecideBy, Direction, Entry, Noted, OutageBegan
from vpnmigrate.rehearsed import Rehearsed
from vpnmigrate.replay import RunState, Traffic
from vpnmigrate.replay.state import Deadline
from vpnmigrate.sandbox.robot import DeviceEngineer
from vpnmigrate.snapshot import Told, Word
from vpnmigrate.states import RunStatus

MINUTE = timedelta(minutes=1)
ENABLED = Word.NEW_TUNNELS_ENABLED
WINDOW = Window(NOON - MINUTE, NOON + 18 * MINUTE, "a short one")
REHEARSED = Rehearsed(
    fingerprint="", at=NOON, tool="t", passed=True, cutover=3 * MINUTE, back={8: 4 * MINUTE}
)
"""Of the plan on the stage, which has no fingerprint."""
OVERDUE = RunState(deadline=Deadline(NOON), direction=Direction.FORWARD, cutover_begun=True)


def decided(back_out: BackOut) -> Decisions:
    """Decide for a short window, and waits in step 10 that outlast it."""
    return Decisions(
        old_tunnels=OldTunnels.LEAVE,
        back_out=back_out,
        window=WINDOW,
        waits=Waits(tunnels=timedelta(hours=3), margin=MINUTE),
    )


class TestWhen:
    def test_is_the_end_less_the_way_back_less_the_margin(self):
        """What was rehearsed of this very plan is reckoned with."""
        plan = with_fields(a_plan(decisions=decided(BackOut.ASK)), fingerprint="f")
        rehearsed = Rehearsed(
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
        """Nothing says when it has to be over."""
        assert deadline_of(a_plan(), None) is None

    def test_a_cutover_is_overdue_from_that_moment_on(self):
        """Four hundred instants around the deadline: before it never, from it on always."""
        seconds = range(-200, 200)

        said = [is_overdue(OVERDUE, NOON + timedelta(seconds=second)) for second in seconds]

        assert said == [second >= 0 for second in seconds]

    @pytest.mark.parametrize(
        "state",
        [
            replace(OVERDUE, deadline=None),
            replace(OVERDUE, direction=Direction.BACK),
            replace(OVERDUE, cutover_begun=False),
            replace(OVERDUE, finished=True),
            replace(OVERDUE, told=Told(verified=NOON)),
        ],
    )
    def test_what_is_green_or_goes_back_or_has_not_begun_is_not(self, state):
        """The deadline asks nothing of a run that has decided."""
        assert not is_overdue(state, NOON + MINUTE)


class Sleeper(DeviceEngineer):
    """An engineer who does not enable the new tunnels as long as they sleep."""

    asleep = True

    def ask(self, task: OperatorTask) -> Word | None:
        if self.asleep and isinstance(task, AskOperator) and task.word is ENABLED:
            return None
        return super().ask(task)


class TestARun:
    def test_writes_its_deadline_down_before_the_outage(self, tmp_path):
        """Every other terminal can read by when somebody has to decide."""
        stage = Stage(tmp_path, decisions=decided(BackOut.ASK))

        stage.forward(papers=Papers("ann", REHEARSED))

        kinds = [type(e.record) for e in stage.entries]
        assert kinds.index(DecideBy) < kinds.index(OutageBegan)
        assert not stage.records(DeadlinePassed)

    def test_turns_back_where_the_plan_says_so(self, tmp_path):
        """Not green at the deadline, it rolls back by itself, and traffic is as before."""
        stage = Stage(tmp_path, decisions=decided(BackOut.ROLL_BACK))

        with pytest.raises(BackedOutError, match="back-out deadline"):
            stage.forward(people=Sleeper(stage.world), papers=Papers("ann", REHEARSED))

        deadline = stage.records(DecideBy)[0].at
        passed = next(e for e in stage.entries if isinstance(e.record, DeadlinePassed))
        assert timedelta(0) <= passed.at - deadline <= timedelta(seconds=10)
        assert stage.state.status is RunStatus.ROLLED_BACK
        assert stage.state.traffic is Traffic.OLD

    def test_asks_where_the_plan_says_so(self, tmp_path):
        """It says once that the deadline has passed, watches on, and goes green when it can."""
        stage = Stage(tmp_path, decisions=decided(BackOut.ASK))
        engineer = Sleeper(stage.world)

        def wake(entry: Entry) -> None:
            engineer.asleep = engineer.asleep and not isinstance(entry.record, DeadlinePassed)

        state = stage.forward(
            people=engineer, lookout=Lookout(wake), papers=Papers("ann", REHEARSED)
        )

        assert len(stage.records(DeadlinePassed)) == 1
        assert state.status is RunStatus.CUT_OVER

    def test_a_forced_window_sets_no_deadline_that_has_passed(self, tmp_path):
        """Who begins too late on purpose is not turned round at once."""
        stage = Stage(tmp_path, decisions=decided(BackOut.ROLL_BACK))
        stage.clock.sleep(17 * MINUTE)
        papers = Papers("ann", REHEARSED, forces=(Force(Gate.WINDOW, "the board agreed"),))

        state = stage.forward(papers=papers)

        assert state.status is RunStatus.CUT_OVER
        assert not stage.records(DecideBy)
        assert [n for n in stage.records(Noted) if "back-out deadline" in n.what]
