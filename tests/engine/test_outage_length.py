"""Lengths of outages: lost calls and stale readings add nothing but their own time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.support.builders import minutes
from tests.support.stage import Stage
from vpnmigrate.engine.runner import Runner
from vpnmigrate.journal import Traffic
from vpnmigrate.journal.records import OutageEnded, StepSettled, TrafficVerified
from vpnmigrate.model.consistency import CONSISTENCY_DELAY
from vpnmigrate.model.errors import HeldError
from vpnmigrate.sandbox.behaviour import Behaviour, seconds
from vpnmigrate.sandbox.device_engineer import DeviceEngineer
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults

SECOND = timedelta(seconds=1)
QUICK = Behaviour(
    detach=seconds(6),
    attach=seconds(4),
    ike=2 * SECOND,
    bgp=timedelta(0),
    propagation_delay=timedelta(0),
)
"""An EC2 with so short an outage that no wait of minutes can hide in it."""

PER_CALL = SECOND
"""What one lost or refused call may cost, with its repetition and the observation before that."""

CUTOVER_CALLS = (
    "DisableVgwRoutePropagation",
    "DetachVpnGateway",
    "AttachVpnGateway",
    "EnableVgwRoutePropagation",
    "ReplaceRoute",
)
LOST = {
    "503": FaultKind.UNAVAILABLE,
    "time-out": FaultKind.TIMED_OUT,
    "answer lost": FaultKind.LOST_ANSWER,
    "throttled": FaultKind.THROTTLE,
}
WAITS = [timedelta(seconds=s) for s in (0, 10, 60, 300)]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Return a run that is about to begin its cutover."""
    stage = Stage(tmp_path_factory.mktemp("dark"), behaviour=QUICK)
    _until(stage, 6)
    return stage


@pytest.fixture(scope="module")
def cutover(prepared: Stage) -> timedelta:
    """Return the outage of an undisturbed cutover."""
    return outage_of(prepared.branch(), Runner.apply)


def _until(stage: Stage, step: int) -> None:
    with pytest.raises(HeldError):
        stage.run(lambda runner: runner.apply(until=step), operator=engineer(stage))


def engineer(stage: Stage) -> DeviceEngineer:
    """Return an engineer who needs no time."""
    return DeviceEngineer(stage.world, timedelta(0))


def outage_of(stage: Stage, go, faults: Sequence[Fault] = ()) -> timedelta:
    """Run *go* with *faults*, and return for how long traffic was down in it."""
    begun, down_already = stage.clock.now(), stage.state.outage.open
    stage.faults = Faults(faults, stage.clock.sleep)
    stage.run(go, operator=engineer(stage))
    assert stage.state.deviations.external_changes == stage.state.deviations.lost == ()
    ended = stage.records(OutageEnded)[-1]
    return ended.at - begun if down_already else ended.lasted


def three(kind: FaultKind, *calls: str) -> list[Fault]:
    """Return three faults of each of *calls*."""
    return [Fault(call, kind, 1, 3) for call in calls]


class TestLostCalls:
    """A call in doubt is repeated at once: its effect names both ends, so it cannot occur twice."""

    @pytest.mark.parametrize("call", CUTOVER_CALLS)
    @pytest.mark.parametrize("lost", LOST)
    def test_each_costs_a_second(self, call, lost, prepared, cutover):
        """Three calls of an operation that get no answer, or a 503, prolong it by three seconds."""
        took = outage_of(prepared.branch(), Runner.apply, three(LOST[lost], call))

        assert took <= cutover + 3 * PER_CALL

    def test_all_together(self, prepared, cutover):
        """Three of each do not hold up each other."""
        calls = ("DetachVpnGateway", "AttachVpnGateway", "EnableVgwRoutePropagation")

        took = outage_of(prepared.branch(), Runner.apply, three(FaultKind.UNAVAILABLE, *calls))

        assert took <= cutover + 9 * PER_CALL


class TestBegunAtOnce:
    """Changes of the last two minutes make a reading doubtful, and delay verdicts only."""

    @pytest.mark.parametrize("wait", WAITS, ids=str)
    def test_a_rollback_after_the_cutover(self, wait, prepared, cutover):
        """It takes as long right after the cutover as later."""
        stage = prepared.branch()
        stage.run(Runner.apply, operator=engineer(stage))
        stage.clock.sleep(wait)

        assert outage_of(stage, Runner.rollback) <= 1.05 * cutover

    @pytest.mark.parametrize("wait", WAITS, ids=str)
    @pytest.mark.parametrize("boundary", [7, 8, 9])
    @pytest.mark.parametrize("way", [Runner.apply, Runner.rollback], ids=["on", "back"])
    def test_either_way_from_a_step_of_the_outage(self, boundary, wait, way, prepared, cutover):
        """Resumed and rolled back runs take no longer than a whole cutover."""
        stage = prepared.branch()
        _until(stage, boundary)
        stage.clock.sleep(wait)

        assert outage_of(stage, way) <= 1.05 * cutover

    @pytest.mark.parametrize("call", ["DetachVpnGateway", "AttachVpnGateway"])
    @pytest.mark.parametrize("lost", LOST)
    def test_a_rollback_with_lost_calls(self, call, lost, prepared, cutover):
        """A repeated call that EC2 calls done already shows that the first one was carried out."""
        stage = prepared.branch()
        stage.run(Runner.apply, operator=engineer(stage))

        took = outage_of(stage, Runner.rollback, three(LOST[lost], call))

        assert took <= 1.05 * cutover + 3 * PER_CALL

    def test_the_verdict_waits_for_proof(self, prepared):
        """Traffic counts as restored only when no reading can be from before the rollback."""
        stage = prepared.branch()
        stage.run(Runner.apply, operator=engineer(stage))
        attached = max(i.answered for i in stage.state.intents if i.step == 8 and i.answered)

        stage.back(operator=engineer(stage))

        verdicts = [e for e in stage.entries if isinstance(e.record, TrafficVerified | StepSettled)]
        swapped = [e for e in verdicts if getattr(e.record, "number", 0) == 8][-1]
        flowing = [e for e in verdicts if isinstance(e.record, TrafficVerified)][-1]
        assert min(swapped.at, flowing.at) >= attached + CONSISTENCY_DELAY
        assert stage.records(OutageEnded)[-1].at < attached + CONSISTENCY_DELAY
        assert stage.state.traffic is Traffic.OLD


class TestStaleReadings:
    """Describes that lag by up to two minutes delay a run, and never mislead it."""

    @pytest.mark.parametrize("call", CUTOVER_CALLS)
    @pytest.mark.parametrize("lost", ["503", "answer lost"])
    def test_both_ways_with_lost_calls(self, call, lost, prepared):
        """A stale value in either direction ends in no wrong verdict and no external change."""
        stage = prepared.branch(behaviour=replace(QUICK, read_lag=minutes(2) - SECOND))
        faults = three(LOST[lost], call)

        went = []
        for go in (Runner.apply, Runner.rollback):
            outage_of(stage, go, faults)
            went.append(stage.state.traffic)

        assert went == [Traffic.NEW, Traffic.OLD]
        assert stage.differences() == ()
