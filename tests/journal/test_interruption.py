"""Consent and stops: what interrupts traffic, and what a request to stop means."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.builders import NOON
from vpnmigrate.journal import RunState, Traffic
from vpnmigrate.journal.interruption import interrupts_traffic, stop_action
from vpnmigrate.journal.state_parts import OutageState
from vpnmigrate.model.decisions import BackOut
from vpnmigrate.model.plan import Direction
from vpnmigrate.model.stop import StopAction

MINUTE = timedelta(minutes=1)
FORWARD, BACK, FINALIZE = Direction.FORWARD, Direction.ROLLBACK, Direction.FINALIZE

PREPARED = RunState(direction=FORWARD)
VERIFIED = RunState(direction=FORWARD, traffic=Traffic.NEW, outage=OutageState(NOON, lasted=MINUTE))
MIGRATED = RunState(direction=FORWARD, finished=True, traffic=Traffic.NEW)
UNPROVEN = RunState(direction=FORWARD, finished=True, traffic=Traffic.UNKNOWN)
FINALIZING = RunState(direction=FINALIZE, traffic=Traffic.NEW)
TURNING_BACK = RunState(direction=BACK, traffic=Traffic.NEW)
CLEANING = RunState(direction=BACK, traffic=Traffic.OLD, outage=OutageState(NOON, lasted=MINUTE))
PUZZLED = RunState(direction=FORWARD, traffic=Traffic.UNKNOWN, contradictions=("?",))
DOWN = RunState(direction=Direction.FORWARD, step=8, traffic=Traffic.NONE, outage=OutageState(NOON))
BACK_DOWN = RunState(
    direction=Direction.ROLLBACK, step=8, traffic=Traffic.NONE, outage=OutageState(NOON)
)
LOST = RunState(direction=Direction.FORWARD, step=8, journal_lost=True)
PREPARING = RunState(direction=Direction.FORWARD, step=3)
AT_STEP_7 = RunState(direction=Direction.FORWARD, step=7)
FLOWS = RunState(
    direction=Direction.FORWARD,
    step=10,
    traffic=Traffic.NEW,
    outage=OutageState(NOON, lasted=timedelta(minutes=1)),
)


@pytest.mark.parametrize(
    ("state", "forward", "back"),
    [
        (RunState(), True, True),
        (PREPARED, True, False),
        (DOWN, False, False),
        (VERIFIED, False, True),
        (MIGRATED, False, True),
        (UNPROVEN, False, True),
        (FINALIZING, False, True),
        (TURNING_BACK, False, True),
        (BACK_DOWN, False, False),
        (CLEANING, True, False),
        (PUZZLED, True, True),
        (LOST, True, True),
    ],
)
def test_traffic_that_flows_or_may_flow_needs_consent(
    state: RunState, forward: bool, back: bool
) -> None:
    """While traffic is down either direction restores it; an unknown path counts as flowing."""
    assert interrupts_traffic(FORWARD, state) is forward
    assert interrupts_traffic(BACK, state) is back
    assert not interrupts_traffic(FINALIZE, state)


@pytest.mark.parametrize("state", [PREPARING, AT_STEP_7, FLOWS])
@pytest.mark.parametrize("asks", [True, False])
@pytest.mark.parametrize("policy", BackOut)
def test_while_traffic_flows_the_run_ends(state: RunState, asks: bool, policy: BackOut) -> None:
    """Ending has no effect on traffic, so nothing is asked and nothing rolled back."""
    assert stop_action(state, asks=asks, back_out=policy) is StopAction.STOP


@pytest.mark.parametrize(
    ("state", "at_the_deadline_asks", "rolls_back"),
    [
        (DOWN, StopAction.STOP, StopAction.ROLL_BACK),
        (LOST, StopAction.STOP, StopAction.ROLL_BACK),
        (BACK_DOWN, StopAction.STOP, StopAction.RESTORE_FIRST),
    ],
)
def test_in_the_outage_an_operator_is_asked_and_otherwise_the_policy_decides(
    state: RunState, at_the_deadline_asks: StopAction, rolls_back: StopAction
) -> None:
    """Without an operator, a plan that rolls back does so, and a rollback restores traffic."""
    assert stop_action(state, asks=True, back_out=BackOut.ROLLBACK) is StopAction.ASK
    assert stop_action(state, asks=False, back_out=BackOut.ASK) is at_the_deadline_asks
    assert stop_action(state, asks=False, back_out=BackOut.ROLLBACK) is rolls_back
