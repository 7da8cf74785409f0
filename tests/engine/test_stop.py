"""A signal in the outage: asked, followed, or left to the plan's policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from tests.support.stage import Lookout, Stage
from vpnmigrate.engine.call_limits import DirectCalls
from vpnmigrate.engine.ports import InFlight, InterruptChoice, NewWaitCheck, T
from vpnmigrate.journal import Traffic
from vpnmigrate.journal.records import AbortAsked, Entry, Interrupted, OutageBegan, OutageEnded
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.decisions import BackOut, Decisions, OldTunnels
from vpnmigrate.model.errors import InterruptedRunError, RolledBackError
from vpnmigrate.model.plan import Direction
from vpnmigrate.sandbox.device_engineer import DeviceEngineer
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults, Killed
from vpnmigrate.sandbox.world import World

BOTH_WAYS = tuple(InterruptChoice)


class Asked(DeviceEngineer):
    """An operator at the terminal who answers the *after*-th question with *choice*, or never."""

    def __init__(self, world: World, choice: InterruptChoice | None, after: int = 3) -> None:
        super().__init__(world)
        self._choice, self._after = choice, after
        self.asked: list[tuple[InterruptChoice, ...]] = []
        self.closed = 0

    def interrupted(self, choices: Sequence[InterruptChoice]) -> InterruptChoice | None:
        if not choices:
            self.closed += 1
            return None
        self.asked.append(tuple(choices))
        return self._choice if len(self.asked) >= self._after else None


def stage_of(tmp_path, back_out: BackOut = BackOut.ASK) -> Stage:
    decisions = Decisions(back_out=back_out, old_tunnels=OldTunnels.LEAVE)
    return Stage(tmp_path, decisions=decisions)


def signalled(stage: Stage, *, asks: bool) -> Lookout:
    """Return an observer that sends one signal at the beginning of the outage."""
    sent = False

    def on_entry(entry: Entry) -> None:
        nonlocal sent
        if isinstance(entry.record, OutageBegan) and not sent:
            sent = True
            stage.signal.reason = "SIGINT received" if asks else "SIGTERM received"
            stage.signal.asks = asks

    return Lookout(on_entry)


class SignalledRead(DirectCalls):
    """Calls during whose first read a signal arrives."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._sent = False

    def read(
        self, what: str, limit: timedelta, work: Callable[[], T], new_wait_check: NewWaitCheck
    ) -> T:
        if not self._sent:
            self._sent = True
            self._stage.signal.reason = "SIGTERM received"
        new_wait_check()(InFlight(what, timedelta(0), limit))
        return super().read(what, limit, work, new_wait_check)


class TestCtrlC:
    def test_resume_goes_on_and_the_outage_is_not_longer(self, tmp_path):
        """The run works while the question is open: not a second is lost by asking."""
        quiet, stage = stage_of(tmp_path / "quiet"), stage_of(tmp_path / "asked")
        them = Asked(stage.world, InterruptChoice.RESUME)

        undisturbed = quiet.forward().outage.lasted
        state = stage.forward(operator=them, lookout=signalled(stage, asks=True))

        assert state.status is RunStatus.CUT_OVER
        assert state.outage.lasted == undisturbed
        assert them.asked == [BOTH_WAYS] * 3
        assert them.closed == 1

    def test_the_request_is_withdrawn_before_the_answer_is_confirmed(self, tmp_path):
        """An operator who reads the confirmation and presses Ctrl-C again is asked again."""
        stage = stage_of(tmp_path)
        open_requests: list[str | None] = []

        class Confirmed(Asked):
            def interrupted(self, choices: Sequence[InterruptChoice]) -> InterruptChoice | None:
                if not choices:
                    open_requests.append(stage.signal.reason)
                return super().interrupted(choices)

        operator = Confirmed(stage.world, InterruptChoice.RESUME)
        stage.forward(operator=operator, lookout=signalled(stage, asks=True))

        assert open_requests == [None]

    def test_without_an_answer_the_run_goes_on(self, tmp_path):
        """The outage ends while the question is open, and the run completes."""
        stage = stage_of(tmp_path)
        them = Asked(stage.world, None)

        state = stage.forward(operator=them, lookout=signalled(stage, asks=True))

        assert state.status is RunStatus.CUT_OVER
        assert len(them.asked) > 3

    def test_stop_ends_the_process_with_traffic_down(self, tmp_path):
        """The operator has said so; the run resumes."""
        stage = stage_of(tmp_path)
        them = Asked(stage.world, InterruptChoice.STOP)

        with pytest.raises(InterruptedRunError):
            stage.forward(operator=them, lookout=signalled(stage, asks=True))

        assert stage.state.traffic is Traffic.NONE
        stage.signal.withdraw()
        assert stage.forward().status is RunStatus.CUT_OVER

    def test_roll_back_is_an_abort_by_the_operator(self, tmp_path):
        """It is in the journal with the operator's name, and keeps the new side."""
        stage = stage_of(tmp_path)
        them = Asked(stage.world, InterruptChoice.ROLL_BACK)

        with pytest.raises(RolledBackError):
            stage.forward(operator=them, lookout=signalled(stage, asks=True))

        assert [abort.who for abort in stage.records(AbortAsked)] == ["ann"]
        assert (stage.state.status, stage.state.traffic) == (RunStatus.ROLLED_BACK, Traffic.OLD)
        assert stage.state.keep_new

    def test_in_a_rollback_it_is_not_a_choice(self, tmp_path):
        """The run rolls back already, whatever the policy is."""
        stage = stage_of(tmp_path, BackOut.ROLLBACK)
        stage.forward()
        them = Asked(stage.world, InterruptChoice.STOP)
        outages = len(stage.records(OutageBegan))

        with pytest.raises(InterruptedRunError):
            stage.back(operator=them, lookout=signalled(stage, asks=True))

        assert len(stage.records(OutageBegan)) == outages + 1
        assert set(them.asked) == {(InterruptChoice.RESUME, InterruptChoice.STOP)}


class TestSigterm:
    def test_stops_with_traffic_down_where_the_plan_asks(self, tmp_path):
        """No policy allows a rollback, and no operator can be asked."""
        stage = stage_of(tmp_path)

        with pytest.raises(InterruptedRunError, match="SIGTERM"):
            stage.forward(lookout=signalled(stage, asks=False))

        assert stage.state.traffic is Traffic.NONE

    def test_rolls_back_where_the_policy_does(self, tmp_path):
        """The process ends once traffic is as before, and says why."""
        stage = stage_of(tmp_path, BackOut.ROLLBACK)

        with pytest.raises(RolledBackError, match="SIGTERM received while traffic is down"):
            stage.forward(lookout=signalled(stage, asks=False))

        state = stage.state
        assert (state.status, state.traffic) == (RunStatus.ROLLED_BACK, Traffic.OLD)
        assert any("SIGTERM" in note for note in state.notes)

    def test_a_rollback_by_policy_restores_traffic_before_it_ends(self, tmp_path):
        """The signal in the outage of a rollback is followed once traffic flows."""
        stage = stage_of(tmp_path, BackOut.ROLLBACK)
        stage.forward()

        with pytest.raises(InterruptedRunError):
            stage.back(lookout=signalled(stage, asks=False))

        kinds = [type(entry.record) for entry in stage.entries]
        assert stage.state.traffic is Traffic.OLD
        assert kinds[::-1].index(Interrupted) < kinds[::-1].index(OutageEnded)
        stage.signal.withdraw()
        assert stage.back().direction is Direction.ROLLBACK

    def test_in_the_first_read_of_a_rollback_it_is_not_the_policy_again(self, tmp_path):
        """A rollback of an open outage restores traffic, whatever the policy said forward."""
        stage = stage_of(tmp_path, BackOut.ROLLBACK)
        stage.faults = Faults([Fault("AttachVpnGateway", FaultKind.KILL_AFTER)])
        with pytest.raises(Killed):
            stage.forward()
        assert stage.state.traffic is Traffic.NONE
        stage.faults = Faults()

        with pytest.raises(InterruptedRunError):
            stage.back(calls=SignalledRead(stage))

        assert not stage.state.outage.open

    def test_before_the_outage_it_only_stops(self, tmp_path):
        """Traffic flows, so there is nothing to roll back."""
        stage = stage_of(tmp_path, BackOut.ROLLBACK)
        stage.signal.reason = "SIGTERM received"

        with pytest.raises(InterruptedRunError):
            stage.forward()

        assert stage.state.traffic is Traffic.OLD
        assert not stage.records(OutageBegan)
