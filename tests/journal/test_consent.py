"""Consent: what interrupts traffic, by the state of the run."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.builders import NOON
from vpnmigrate.journal import RunState, Traffic
from vpnmigrate.journal.consent import interrupts_traffic
from vpnmigrate.journal.state_parts import OutageState
from vpnmigrate.model.plan import Direction

MINUTE = timedelta(minutes=1)
FORWARD, BACK, FINALIZE = Direction.FORWARD, Direction.ROLLBACK, Direction.FINALIZE

PREPARED = RunState(direction=FORWARD)
DOWN = RunState(direction=FORWARD, traffic=Traffic.NONE, outage=OutageState(NOON))
VERIFIED = RunState(direction=FORWARD, traffic=Traffic.NEW, outage=OutageState(NOON, lasted=MINUTE))
MIGRATED = RunState(direction=FORWARD, finished=True, traffic=Traffic.NEW)
UNPROVEN = RunState(direction=FORWARD, finished=True, traffic=Traffic.UNKNOWN)
FINALIZING = RunState(direction=FINALIZE, traffic=Traffic.NEW)
TURNING_BACK = RunState(direction=BACK, traffic=Traffic.NEW)
BACK_DOWN = RunState(direction=BACK, traffic=Traffic.NONE, outage=OutageState(NOON))
CLEANING = RunState(direction=BACK, traffic=Traffic.OLD, outage=OutageState(NOON, lasted=MINUTE))
PUZZLED = RunState(direction=FORWARD, traffic=Traffic.UNKNOWN, contradictions=("?",))
LOST = RunState(direction=FORWARD, journal_lost=True)


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
