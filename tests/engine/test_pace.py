"""Pace: how often a run observes AWS, and what it shows of each observation."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from tests.engine.test_degraded import OneTunnel
from tests.support.stage import Stage
from vpnmigrate.engine.pace import PaceInputs, interval
from vpnmigrate.model.decisions import Decisions, Waits
from vpnmigrate.model.errors import DidNotSettleError, HeldError
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


class Calls:
    """Keeps when AWS was called."""

    def __init__(self) -> None:
        self.stage: Stage | None = None
        self.made: list[tuple[datetime, str]] = []

    def before(self, service: str, action: str, nth: int) -> None:
        """Keep the time of a call."""
        if self.stage is not None:
            self.made.append((self.stage.clock.now(), action))

    def after(self, service: str, action: str, nth: int) -> None:
        """Let the answer through."""

    def between(self, first: str, last: str, of: str) -> list[datetime]:
        """Return the times of the calls *of* an operation between two others."""
        begun = next(at for at, action in self.made if action == first)
        ended = next(at for at, action in self.made if action == last)
        return [at for at, action in self.made if action == of and begun < at < ended]


@pytest.fixture
def calls(tmp_path):
    """Return the calls of a migration."""
    kept = Calls()
    stage = kept.stage = Stage(tmp_path, faults=kept)
    stage.forward()
    return kept


def test_in_the_outage_it_looks_every_second(calls):
    """While the gateway is detached, its attachment is read every second, and the rest seldom."""
    every = ("DetachVpnGateway", "AttachVpnGateway")
    gateways = calls.between(*every, of="DescribeVpnGateways")
    tables = calls.between(*every, of="DescribeRouteTables")

    assert len(gateways) > 30
    assert all(after - before < 3 * SECOND for before, after in pairwise(gateways))
    assert 3 < len(tables) <= len(gateways) / 4
    assert all(after - before < 10 * SECOND for before, after in pairwise(tables))


def test_a_detached_gateway_is_noticed_in_a_glance(calls):
    """The attach follows the call that showed the detach, and one observation."""
    every = ("DetachVpnGateway", "AttachVpnGateway")
    attached = next(at for at, action in calls.made if action == "AttachVpnGateway")
    *_, glance, look = calls.between(*every, of="DescribeVpnGateways")

    assert look - glance < SECOND
    assert attached - look < SECOND


def test_the_next_step_begins_with_the_reading_that_ended_the_one_before(calls):
    """Nothing is read between the last step's verdict and the next step's first call."""
    every = ("DisableVgwRoutePropagation", "DetachVpnGateway")

    assert len(calls.between(*every, of="DescribeVpnGateways")) == 1
    assert calls.between(*every, of="DescribeRouteTables")


@pytest.mark.parametrize(
    ("look", "outage", "tokens", "steady", "seconds"),
    [
        (PaceInputs(), False, None, None, 10),
        (PaceInputs(acted=True), False, None, None, 1),
        (PaceInputs(), True, None, None, 1),
        (PaceInputs(acted=True), True, None, None, 1),
        (PaceInputs(shows=True), True, None, None, 0.2),
        (PaceInputs(repeats=True), True, 2 * SECOND, None, 0.2),
        (PaceInputs(shows=True), True, 2 * SECOND, None, 2),
        (PaceInputs(), True, None, 30 * SECOND, 3),
        (PaceInputs(), True, None, 600 * SECOND, 3),
        (PaceInputs(), True, None, 5 * SECOND, 1),
    ],
)
def test_the_interval_depends_on_what_is_awaited(look, outage, tokens, steady, seconds):
    """A wait is short where something is expected, and longer where nothing new would show."""
    wait = interval(look, outage=outage, tokens=tokens, steady=steady)
    assert wait == timedelta(seconds=seconds)


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
    assert last.stable_for is not None
