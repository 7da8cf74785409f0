"""The pace of dry runs: tokens are left for others, and throttles pass."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from tests.aws.answering import Answering, Refusal
from tests.support.builders import NOON
from tests.support.token_bucket import TokenBucket
from vpnmigrate.aws.allowance import Allowance, within
from vpnmigrate.aws.dry_run_pace import LONGEST_BACKOFF, SHARE, DryRunPace, DryRunQueue
from vpnmigrate.aws.dry_runs import LONGEST_WAIT, permissions
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.errors import AwsUnreadableError
from vpnmigrate.model.permissions import PermissionQuery, PermissionResult, PermissionVerdict
from vpnmigrate.model.request_bucket import BURST, REFILL

USER = "arn:aws:iam::123456789012:user/ann"
ALLOWED, UNKNOWN = PermissionVerdict.ALLOWED, PermissionVerdict.UNKNOWN
HONOURED = Refusal("DryRunOperation", "Request would have succeeded", 412)
THROTTLED = Refusal("RequestLimitExceeded", "Request limit exceeded.", 503)
SECOND = timedelta(seconds=1)
HALF = 0.5
"""What another client leaves of each bucket."""
DISABLE, ENABLE, REPLACE = "DisableVgwRoutePropagation", "EnableVgwRoutePropagation", "ReplaceRoute"
LARGE = {DISABLE: 200, ENABLE: 200, REPLACE: 100}
"""How many dry runs the gate before the cutover sends for 100 tables."""


def of_tables(number: int, operation: str = DISABLE) -> list[PermissionQuery]:
    return [
        PermissionQuery(operation, {"RouteTableId": f"rtb-{n}", "GatewayId": "vgw-1"}, ())
        for n in range(number)
    ]


@dataclass
class Ec2:
    """EC2 with buckets, of which another client leaves a part, and answers that take time."""

    tokens: float = BURST * HALF
    refill: float = REFILL * HALF
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(NOON))
    latency: Callable[[], float] = lambda: 0.02
    on_call: Callable[[], object] = lambda: None

    def __post_init__(self) -> None:
        self.buckets = {name: self._bucket() for name in LARGE}
        answers = {name: self._answer(name) for name in LARGE}
        self.aws = Answering({"DescribeVpnGateways": HONOURED, **answers})

    def _bucket(self) -> TokenBucket:
        bucket = TokenBucket(self.clock, BURST * HALF, self.refill)
        bucket.left = self.tokens
        return bucket

    def _answer(self, operation: str) -> Callable[[object], Refusal]:
        def answer(_params: object) -> Refusal:
            self.on_call()
            self.clock.sleep(timedelta(seconds=self.latency()))
            return HONOURED if self.buckets[operation].take() else THROTTLED

        return answer

    def tried(self, queries: list[PermissionQuery]) -> tuple[PermissionResult, ...]:
        return permissions(self.aws.clients(), USER, queries, self.clock)

    @property
    def refused(self) -> int:
        return sum(bucket.refused for bucket in self.buckets.values())

    @property
    def took(self) -> timedelta:
        return self.clock.now() - NOON


def verdicts(results: tuple[PermissionResult, ...]) -> set[PermissionVerdict]:
    return {result.verdict for result in results}


@pytest.mark.parametrize("jitter", [0, 0.05, 0.2])
def test_no_dry_run_is_throttled_beside_a_client_that_uses_half(jitter):
    """However unequal the times of the answers, each dry run finds a token in its half."""
    unequal = random.Random(1)
    ec2 = Ec2(latency=lambda: unequal.random() * jitter)

    results = ec2.tried([query for name, n in LARGE.items() for query in of_tables(n, name)])

    assert verdicts(results) == {ALLOWED}
    assert ec2.refused == 0
    # Two of 200 for the jitter; the pace itself is nine tenths of what there is.
    assert ec2.took < SECOND * (200 - BURST * SHARE) / (REFILL * SHARE) + 2 * SECOND


def test_a_bucket_that_was_empty_costs_few_calls():
    """Right after another proof, one dry run of each operation is throttled, and sent again."""
    ec2 = Ec2(tokens=0)

    results = ec2.tried([query for name, n in LARGE.items() for query in of_tables(n, name)])

    assert verdicts(results) == {ALLOWED}
    assert ec2.refused <= 2 * len(LARGE)
    assert ec2.took < SECOND * 200 / (REFILL * SHARE) + 3 * SECOND


def test_a_client_that_uses_nearly_all_makes_it_slow_and_not_unknown():
    """As long as there is time, what is throttled is sent again, less often than it is taken."""
    ec2 = Ec2(tokens=0, refill=0.5)

    results = ec2.tried(of_tables(50))

    assert verdicts(results) == {ALLOWED}
    assert ec2.refused < 100


def test_an_operation_that_ec2_never_takes_is_unknown_in_the_end():
    """Its dry runs end within the limit, and are few; the others are decided long before."""
    ec2 = Ec2()
    ec2.aws.answers[DISABLE] = [THROTTLED]

    *others, throttled, never_sent = ec2.tried([*of_tables(20, ENABLE), *of_tables(2)])

    assert verdicts(tuple(others)) == {ALLOWED}
    for result in (throttled, never_sent):
        assert result.verdict is UNKNOWN
        assert "RequestLimitExceeded" in result.why
        assert result.why.endswith("after 4 min of waiting for EC2's request limits")
    assert LONGEST_WAIT - LONGEST_BACKOFF <= ec2.took <= LONGEST_WAIT + SECOND
    assert ec2.aws.operations.count(DISABLE) < 40


def test_the_progress_is_reported_for_each_tenth():
    """What the operator sees changes ten times, and ends with the dry runs."""
    allowance = Allowance(timedelta(hours=1), timedelta(hours=1))
    seen: list[str] = []
    ec2 = Ec2(on_call=lambda: seen.append(allowance.progress))
    with within(allowance):
        ec2.tried(of_tables(100))

    shown = [text for text in dict.fromkeys(seen) if text]
    end = "% of 100 dry runs are answered; half of EC2's request limits is left free"
    assert shown == [f"{tenth} {end}" for tenth in range(0, 100, 10)]
    assert allowance.progress == ""


def test_the_progress_says_that_ec2_throttles():
    """Why it takes longer than usual is shown as soon as it is known."""
    allowance = Allowance(timedelta(hours=1), timedelta(hours=1))
    seen: list[str] = []
    ec2 = Ec2(tokens=0, on_call=lambda: seen.append(allowance.progress))
    with within(allowance):
        ec2.tried(of_tables(4))

    assert seen[1] == "0 % of 4 dry runs are answered; EC2 throttles some, which are sent again"


def test_an_abandoned_proof_ends():
    """After an order or the limit no further dry run is sent, and the thread does not wait on."""
    allowance = Allowance(timedelta(hours=1), timedelta(hours=1))
    ec2 = Ec2(tokens=0)
    ec2.on_call = allowance.leave

    with within(allowance), pytest.raises(AwsUnreadableError, match="dry runs ended: not sent"):
        ec2.tried(of_tables(100))

    assert ec2.aws.operations == ["DescribeVpnGateways", DISABLE]
    assert ec2.took <= SECOND


def test_operations_take_turns():
    """One of each operation is sent first, and each keeps its order."""
    ec2 = Ec2()

    ec2.tried([*of_tables(60), *of_tables(60, ENABLE)])

    _probe, *sent = ec2.aws.operations
    assert sent == [DISABLE, ENABLE] * 60
    assert [params["RouteTableId"] for _, params in ec2.aws.asked[1::2]] == [
        f"rtb-{n}" for n in range(60)
    ]


def test_few_dry_runs_wait_for_nothing():
    """A gateway with some route tables is tried at once."""
    ec2 = Ec2(latency=lambda: 0)

    ec2.tried(of_tables(22))

    assert ec2.took == timedelta(0)


def test_what_is_not_sent_takes_no_token():
    """Calls that have no dry run, or whose resources do not exist yet, are not waited for."""
    ec2 = Ec2(latency=lambda: 0)
    untried = [
        PermissionQuery(DISABLE, {"GatewayId": "gateway"}, (), complete=False) for _ in range(100)
    ]

    ec2.tried([*untried, *of_tables(22)])

    assert ec2.took == timedelta(0)


def test_a_throttled_dry_run_comes_after_the_others():
    """The others of its operation may be taken; another operation goes first."""
    queue = DryRunQueue([DISABLE, DISABLE, ENABLE], NOON)

    queue.throttled(0, NOON)

    assert queue.next(NOON) == (2, timedelta(0))
    queue.answered(2, NOON)
    later = queue.next(NOON)
    assert later is not None
    number, wait = later
    assert (number, queue.waiting) == (1, [1, 0])
    assert wait == SECOND / (REFILL * SHARE)


def test_the_wait_grows_while_ec2_takes_none():
    """Each throttle doubles it, up to eight seconds; after an answer the pace is as before."""
    pace, waits = DryRunPace(NOON), []
    for _ in range(7):
        pace = pace.after_throttle(NOON)
        waits.append(pace.wait(NOON) * REFILL * SHARE / SECOND)

    assert waits[:5] == pytest.approx([1, 2, 4, 8, 16], rel=1e-4)
    assert pace.wait(NOON) == LONGEST_BACKOFF
    later = NOON + LONGEST_BACKOFF
    assert pace.wait(later) == timedelta(0)
    assert pace.after_answer(later).wait(later) == SECOND / (REFILL * SHARE)


def test_an_unreadable_answer_slows_nothing_else_down():
    """The dry run comes again after a short wait; the tokens of its operation are still there."""
    pace = DryRunPace(NOON).after_error(NOON)
    assert pace.wait(NOON) > timedelta(0)

    assert pace.after_answer(NOON + SECOND).wait(NOON + SECOND) == timedelta(0)
