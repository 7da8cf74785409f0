"""Orders from other terminals: pause, continue and abort."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.support.builders import BOTH, OLD, VPC
from tests.support.stage import Lookout, Stage
from vpnmigrate.engine.pause import LONGEST_PAUSE
from vpnmigrate.journal import Hold, Traffic
from vpnmigrate.journal.records import (
    AbortAsked,
    BaselineTaken,
    Continued,
    DirectionTaken,
    Entry,
    Held,
    Intended,
    OutageBegan,
    Paused,
    StepBegun,
    StepSettled,
    TrafficVerified,
)
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.decisions import Decisions, OldTunnels
from vpnmigrate.model.ec2 import Attachment
from vpnmigrate.model.errors import DriftError, HeldError, InterruptedRunError, RolledBackError
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.model.plan import Direction

PAUSE = Paused("bob", "desk")
CONTINUE = Continued("bob", "desk")
ABORT = AbortAsked("bob", "desk")


class Second(Lookout):
    """Another terminal: gives *order* at a record, and calls *then* once the run is paused."""

    def __init__(
        self,
        stage: Stage,
        at: Callable[[Entry], bool],
        order: object,
        then: Callable[[], None] = lambda: None,
        rests: timedelta = timedelta(minutes=5),
    ) -> None:
        super().__init__(self._on_entry)
        self._stage, self._at, self._order, self._then = stage, at, order, then
        self._rests = rests
        self.changes_at_rest = 0

    def _on_entry(self, entry: Entry) -> None:
        if self._order is not None and self._at(entry):
            self._stage.letters.append(self._order)  # type: ignore[arg-type]
            self._order = None

    def on_wait(self, step: int, why: str, waited: timedelta, limit: timedelta) -> None:
        super().on_wait(step, why, waited, limit)
        if "paused by" in why:
            self.changes_at_rest = self.intents
            if waited >= self._rests and not self._stage.letters:
                self._then()

    @property
    def intents(self) -> int:
        return sum(isinstance(e.record, Intended) for e in self._stage.journal.entries)


def begins(step: int) -> Callable[[Entry], bool]:
    """Match the start of *step*."""
    return lambda e: isinstance(e.record, StepBegun) and e.record.number == step


def settles(step: int) -> Callable[[Entry], bool]:
    """Match the end of *step*."""
    return lambda e: isinstance(e.record, StepSettled) and e.record.number == step


def is_a(kind: type) -> Callable[[Entry], bool]:
    """Match a kind of record."""
    return lambda e: isinstance(e.record, kind)


def says(stage: Stage, order: object) -> Callable[[], None]:
    """Send *order* from another terminal."""
    return lambda: stage.letters.append(order)  # type: ignore[arg-type]


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)


class TestPause:
    @pytest.mark.parametrize("when", [*map(begins, range(1, 7)), settles(6), is_a(BaselineTaken)])
    def test_pauses_before_the_cutover_and_then_finishes(self, stage, when):
        """A pause at any point before step 7 prevents the outage until continue."""
        second = Second(stage, when, PAUSE, says(stage, CONTINUE))

        state = stage.forward(lookout=second)

        rested = [why for why in second.waits_seen if "paused by bob on desk since" in why]
        began = next(e for e in stage.entries if isinstance(e.record, OutageBegan))
        lifted = next(e for e in stage.entries if isinstance(e.record, Continued))
        assert len(rested) > 200
        assert lifted.at < began.at
        assert state.status is RunStatus.CUT_OVER
        assert state.order is None

    def test_begins_nothing_while_it_rests(self, stage):
        """No change is intended between pause and continue."""
        second = Second(stage, begins(3), PAUSE, says(stage, CONTINUE))

        stage.forward(lookout=second)

        kinds = [type(e.record) for e in stage.entries]
        assert Intended not in kinds[kinds.index(Paused) : kinds.index(Continued)]

    def test_takes_the_baseline_again_after_a_rest_at_the_gate(self, stage):
        """An observation from before a pause is not used after it: the gates observe again."""
        second = Second(stage, is_a(BaselineTaken), PAUSE, says(stage, CONTINUE))

        stage.forward(lookout=second)

        first, last = stage.records(BaselineTaken)
        assert last.taken - first.taken >= timedelta(minutes=5)

    def test_drift_during_a_pause_stops_the_run_after_it(self, stage):
        """Continue reports immediately that a route table was changed during the pause."""

        def meddle() -> None:
            stage.do(
                "CreateRoute",
                RouteTableId=BOTH,
                DestinationCidrBlock="172.20.0.0/16",
                GatewayId=OLD,
            )
            stage.letters.append(CONTINUE)

        with pytest.raises(DriftError):
            stage.forward(lookout=Second(stage, begins(5), PAUSE, meddle))

        assert stage.state.step == 5
        assert not stage.records(OutageBegan)

    def test_a_rest_uses_up_no_limit(self, stage):
        """A step with a limit of minutes continues after a pause of hours."""
        hours = timedelta(hours=20)
        second = Second(stage, begins(3), PAUSE, says(stage, CONTINUE), rests=hours)

        assert stage.forward(lookout=second).status is RunStatus.CUT_OVER

    def test_a_day_of_rest_ends_the_process_and_not_the_pause(self, stage):
        """The process exits after the maximum pause; the same pause holds the next one."""
        with pytest.raises(HeldError, match="paused by bob"):
            stage.forward(lookout=Second(stage, begins(2), PAUSE))

        assert stage.clock.now() - stage.entries[0].at >= LONGEST_PAUSE
        assert stage.state.order.wish is Hold.PAUSED

    def test_a_signal_ends_the_rest(self, stage):
        """Ctrl-C ends a paused run, which stays paused."""

        def interrupt() -> None:
            stage.signal.reason = "SIGINT received"

        with pytest.raises(InterruptedRunError):
            stage.forward(lookout=Second(stage, begins(2), PAUSE, interrupt))

        assert stage.state.order.wish is Hold.PAUSED

    def test_apply_on_a_paused_run_is_held_and_names_who_paused_it(self, stage):
        """A pause survives its process: the next one starts nothing before continue."""
        self.test_a_signal_ends_the_rest(stage)
        stage.signal.reason = None
        before = len(stage.calls)

        with pytest.raises(HeldError, match="paused by bob on desk since 2026-03-01") as held:
            stage.forward()

        assert held.value.advice_text.startswith("vpnmigrate continue mig-")
        assert len(stage.calls) == before

    def test_a_rollback_ignores_a_pause(self, stage):
        """A rollback is not held by a pause of the migration."""
        self.test_a_signal_ends_the_rest(stage)
        stage.signal.reason = None

        assert stage.back().status is RunStatus.ROLLED_BACK
        assert stage.state.order is None
        assert stage.differences() == ()

    def test_in_the_outage_nothing_waits(self, stage):
        """A pause that is journalled during the outage does not stop the cutover."""
        second = Second(stage, is_a(OutageBegan), PAUSE, says(stage, CONTINUE))

        stage.forward(lookout=second)

        outage = next(e for e in stage.entries if isinstance(e.record, TrafficVerified))
        assert not [why for why in second.waits_seen if why[0] in "789" and "paused" in why]
        assert outage.at - stage.state.outage.since < timedelta(minutes=10)


class TestAbort:
    @pytest.mark.parametrize("when", [*map(begins, range(1, 7)), is_a(BaselineTaken)])
    def test_before_the_cutover_the_run_stops_and_nothing_was_interrupted(self, stage, when):
        """The process is held with the clean-up command, and cleaning up leaves nothing."""
        with pytest.raises(HeldError, match="aborted by bob on desk at") as held:
            stage.forward(lookout=Second(stage, when, ABORT))

        assert held.value.advice_text == "vpnmigrate rollback mig-20260301-abc123"
        assert stage.state.status is RunStatus.HELD
        assert not stage.records(OutageBegan)
        assert stage.back().status is RunStatus.ROLLED_BACK
        assert stage.differences() == ()

    def test_ends_a_rest(self, stage):
        """A paused run can be aborted."""
        with pytest.raises(HeldError, match="aborted by bob"):
            stage.forward(lookout=Second(stage, begins(3), PAUSE, says(stage, ABORT)))

    def test_an_aborted_run_is_not_applied_before_continue(self, stage):
        """Apply is held and names who aborted; continue lifts the order."""
        with pytest.raises(HeldError):
            stage.forward(lookout=Second(stage, begins(3), ABORT))
        with pytest.raises(HeldError, match=r"aborted by bob") as held:
            stage.forward()
        assert str(cli("continue", stage.plan.migration)) in held.value.advice_text
        stage.letters.append(CONTINUE)

        assert stage.forward().status is RunStatus.CUT_OVER

    @pytest.mark.parametrize("when", [*map(settles, (7, 8, 9)), is_a(OutageBegan)])
    def test_in_the_cutover_the_run_rolls_back(self, stage, when):
        """The old gateway is attached, the new side is kept, and the message has who aborted."""
        with pytest.raises(RolledBackError, match=r"aborted by bob.*has been rolled back"):
            stage.forward(lookout=Second(stage, when, ABORT))

        state = stage.state
        assert state.status is RunStatus.ROLLED_BACK
        assert state.traffic is Traffic.OLD
        assert stage.observe().attachment(OLD, VPC) is Attachment.ATTACHED
        assert stage.records(DirectionTaken)[-1] == DirectionTaken(
            Direction.ROLLBACK, 1, keep_new=True
        )
        assert not [r for r in stage.records(Held) if "step" in r.why]

    def test_with_traffic_on_the_new_side_the_run_rolls_back_too(self, tmp_path):
        """While step 10 waits for the old tunnels, an abort still rolls back."""
        stage = Stage(tmp_path, decisions=Decisions(old_tunnels=OldTunnels.DISABLE))

        with pytest.raises(RolledBackError):
            stage.forward(lookout=Second(stage, is_a(TrafficVerified), ABORT))

        assert stage.state.traffic is Traffic.OLD

    def test_a_waiting_order_is_applied_before_anything_is_done(self, stage):
        """An order left in the inbox of a dead run holds the process that resumes it."""
        stage.letters.append(ABORT)

        with pytest.raises(HeldError, match="aborted by bob"):
            stage.forward()

        assert stage.calls == []
