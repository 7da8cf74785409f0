"""Request buckets: a run sends what AWS takes, as soon as AWS takes it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from tests.support.builders import NEW, NOON, minutes
from tests.support.token_bucket import TokenBucket
from vpnmigrate.engine.request_buckets import RequestBuckets
from vpnmigrate.model.changes import AwsChange, DisablePropagation, ReplaceRoute
from vpnmigrate.model.changes.base import Later, Performed, Refused
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.ec2 import RouteTableId
from vpnmigrate.model.request_bucket import BURST, CREDIBLE, REFILL, STARVED

SECOND = timedelta(seconds=1)
CALL = timedelta(seconds=0.03)
"""For one call, of which some are in flight at once."""
IN_FLIGHT = 4
LOOK = timedelta(seconds=0.3)
THROTTLED = Later("RequestLimitExceeded: slow down", minutes(15), throttled=True)


def routes(number: int) -> list[AwsChange]:
    """Return *number* changes of one operation."""
    return [ReplaceRoute(RouteTableId("rtb-1"), f"10.{n}.0.0/16", NEW) for n in range(number)]


class Run:
    """Sends changes as the step loop and the executor do."""

    def __init__(self, burst: float = BURST, refill: float = REFILL) -> None:
        self.clock = VirtualClock(NOON)
        self.buckets = RequestBuckets(self.clock)
        self.aws = TokenBucket(self.clock, burst, refill)
        self.looks = 0

    def send(self, changes: Sequence[AwsChange]) -> timedelta:
        """Return how long it takes until AWS has made all *changes*."""
        began, missing = self.clock.now(), list(changes)
        while True:
            self.looks += 1
            self.clock.sleep(LOOK)
            self._batch(missing)
            if not missing:
                return self.clock.now() - began
            self.clock.sleep(self.buckets.take_wait() or SECOND)

    def _batch(self, missing: list[AwsChange]) -> None:
        begun = self.clock.now()
        in_flight: list[AwsChange] = []
        for change in self.buckets.affordable(missing):
            in_flight.append(change)
            if len(in_flight) == IN_FLIGHT:
                self._receive(in_flight.pop(0), missing)
            if self.buckets.is_empty_since(begun, change.call):
                break
        for change in in_flight:
            self._receive(change, missing)

    def _receive(self, change: AwsChange, missing: list[AwsChange]) -> None:
        self.clock.sleep(CALL)
        taken = self.aws.take()
        self.buckets.count(change, Performed("req") if taken else THROTTLED)
        if taken:
            missing.remove(change)


@pytest.mark.parametrize(
    ("burst", "refill", "refused"),
    [
        (BURST, REFILL, 8),
        (BURST / 2, REFILL / 2, 16),
        (BURST / 5, REFILL / 5, 60),
        (2 * BURST, 2 * REFILL, 6),
    ],
    ids=["documented", "half", "fifth", "raised"],
)
def test_it_takes_hardly_longer_than_the_bucket_allows(burst, refill, refused):
    """Five hundred routes take what AWS allows and a few seconds, and few calls are refused."""
    run = Run(burst, refill)

    took = run.send(routes(500))

    assert took <= run.aws.waiting(500) + 4 * SECOND
    assert run.aws.refused <= refused


def test_a_bucket_that_was_empty_at_first():
    """What another tool took before the run is found out, and no reason to stay slow."""
    run = Run()
    run.aws.left = 0

    took = run.send(routes(500))

    assert took <= 500 / REFILL * SECOND + 4 * SECOND
    assert run.aws.refused <= 16


def test_a_tiny_bucket_is_survived():
    """All changes are made where a bucket is full again before the next observation."""
    run = Run(burst=5)

    run.send(routes(100))

    assert run.aws.refused <= 20


def test_an_endpoint_without_limits_is_found_out():
    """Without throttling the number grows with each observation."""
    run = Run(burst=10_000)

    took = run.send(routes(500))

    assert took <= 30 * SECOND
    assert run.aws.refused == 0


def test_fewer_than_a_bucket_are_sent_at_once():
    """What a full bucket takes needs one observation."""
    run = Run()

    run.send(routes(BURST))

    assert run.looks == 1


def test_a_bucket_of_each_operation():
    """A throttled operation does not keep another one waiting, and the order stays."""
    run = Run()
    first = routes(2)
    for _ in range(CREDIBLE):
        run.buckets.count(first[0], THROTTLED)
    others = [DisablePropagation(RouteTableId(f"rtb-{n}"), NEW) for n in range(2)]

    assert list(run.buckets.affordable([first[0], *others, first[1]])) == others


def test_a_refused_change_is_sent_once_there_is_a_token():
    """The wait is a fifth of a second, and not a backoff that grows."""
    run = Run()
    changes = routes(1)
    waits = []
    for _ in range(5):
        assert run.buckets.affordable(changes) == changes
        run.buckets.count(changes[0], THROTTLED)
        wait = run.buckets.take_wait()
        assert wait is not None
        waits.append(wait)
        run.clock.sleep(wait)

    assert waits == [SECOND / REFILL] * 5


def test_a_refusal_among_taken_calls_empties_nothing():
    """AWS has other limits, and another endpoint may refuse at random."""
    run = Run()
    changes = routes(BURST)
    run.buckets.affordable(changes)
    for change in changes[:20]:
        run.buckets.count(change, THROTTLED)
        run.buckets.count(change, Refused("UnauthorizedOperation", "no"))
        run.buckets.count(change, Performed("req"))

    assert not run.buckets.is_empty_since(NOON - SECOND, changes[0].call)
    assert len(run.buckets.affordable(changes[20:])) == 11


def test_a_call_that_is_taken_ends_starvation():
    """Only an operation of which AWS takes nothing for ten seconds is given up."""
    run = Run()
    (change,) = routes(1)
    run.buckets.count(change, THROTTLED)
    run.clock.sleep(STARVED)
    assert run.buckets.is_starved(change)

    run.buckets.count(change, Performed("req"))

    assert not run.buckets.is_starved(change)


def test_a_bucket_that_stays_empty_is_tried_every_two_seconds():
    """Other tools may use all of it; a run asks again at a steady pace."""
    run = Run(burst=0, refill=0)
    changes = routes(20)
    tries = []
    while run.clock.now() < NOON + minutes(2):
        if due := run.buckets.affordable(changes):
            tries += [run.clock.now()] * len(due)
            for change in due[:1]:
                run.buckets.count(change, THROTTLED)
        run.clock.sleep(run.buckets.take_wait() or SECOND)

    late = [at for at in tries if at > NOON + minutes(1)]
    assert 25 <= len(late) <= 40


def test_only_throttling_empties_a_bucket():
    """Another refusal has taken a token, and a call that was not sent has not."""
    run = Run()
    changes = routes(BURST)
    run.buckets.affordable(changes)
    for change in changes:
        run.buckets.count(change, Refused("UnauthorizedOperation", "no"))
    run.buckets.count(changes[0], Later("not sent", minutes(1), sent=False))

    assert not run.buckets.is_empty_since(NOON - SECOND, changes[0].call)
    assert len(run.buckets.affordable(routes(100))) == 1


def test_nothing_waits_without_a_refusal():
    """Without waiting calls the step loop keeps its own pace."""
    run = Run()
    run.buckets.affordable(routes(3))

    assert run.buckets.take_wait() is None
