"""Pace: how often a run observes AWS, and what it shows of each observation."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from tests.engine.test_degraded import OneTunnel
from tests.support.stage import Stage
from vpnmigrate.errors import DidNotSettleError, HeldError
from vpnmigrate.model.decisions import Decisions, Waits
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults

SECOND = timedelta(seconds=1)


def waits_for(stage: Stage, words: str) -> list[timedelta]:
    """Return the elapsed step time at each observation whose reason ends with *words*."""
    return [waited for why, waited, _ in stage.lookout.waits_timed if words in why]


def staged_until(stage: Stage, step: int) -> None:
    with pytest.raises(HeldError):
        stage.run(lambda runner: runner.apply(until=step))


def test_after_a_change_it_observes_quickly_and_then_slowly(tmp_path):
    """The effect of a change may show in a second; otherwise it takes longer."""
    stage = Stage(tmp_path)
    staged_until(stage, 3)

    first, *later = waits_for(stage, "the successor of vpn-old is pending")

    assert first < 3 * SECOND
    assert all(
        10 * SECOND <= after - before < 11 * SECOND for before, after in pairwise([first, *later])
    )


def test_what_aws_puts_off_is_no_act(tmp_path):
    """A throttled call is not retried every second, and the wait shows its error."""
    throttle = Fault("CreateVpnConnection", FaultKind.THROTTLE, times=3)
    stage = Stage(tmp_path, faults=Faults([throttle]))
    staged_until(stage, 3)

    words = "the successor of vpn-old is absent; last try: RequestLimitExceeded"
    tries = waits_for(stage, words)

    assert len(tries) == 3
    assert all(after - before > 10 * SECOND for before, after in pairwise(tries))
    assert not any("last try" in why for why in stage.lookout.waits_seen if "pending" in why)


def test_in_the_outage_it_observes_every_second(tmp_path):
    """During the outage the interval is shorter than ten seconds."""
    stage = Stage(tmp_path)
    stage.forward()

    waits = waits_for(stage, "vgw-old is detaching")

    assert len(waits) > 3
    assert all(after - before < 3 * SECOND for before, after in pairwise(waits))


def test_a_limit_is_over_when_it_is_reached(tmp_path):
    """The observation at the limit of a step is its last one."""

    def looks(limit: timedelta) -> list[timedelta]:
        stage = Stage(tmp_path, decisions=Decisions(waits=Waits(tunnels=limit)))
        with pytest.raises(DidNotSettleError):
            stage.forward(operator=OneTunnel(stage.world))
        return waits_for(stage, "DEGRADED")

    *_, before, last = looks(timedelta(minutes=5))

    assert last > timedelta(minutes=5)
    assert looks(before)[-1] == before


def test_every_observation_of_the_cutover_is_shown(tmp_path):
    """A screen has a view to draw from step 7 on."""
    stage = Stage(tmp_path)
    staged_until(stage, 6)
    assert stage.lookout.sights == []

    stage.forward()

    first, last = stage.lookout.sights[0], stage.lookout.sights[-1]
    assert [table.reached for table in first.tables] == [0, 0]
    assert all(table.reached == table.asked for table in last.tables)
    assert all(tunnel.up for tunnel in last.tunnels)
    assert last.green is not None
