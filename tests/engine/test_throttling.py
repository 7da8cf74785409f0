"""Throttling in a cutover: changes wait for tokens; a refused change delays no other."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.builders import minutes
from tests.support.large import Size, large_survey
from tests.support.stage import Stage
from tests.support.token_bucket import TokenBucket
from vpnmigrate.journal.records import Answered, Intended, StepBegun
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.changes import ReplaceRoute
from vpnmigrate.model.changes.base import Later, Outcome, Performed
from vpnmigrate.model.decisions import Decisions, Waits
from vpnmigrate.model.errors import ResidueError
from vpnmigrate.sandbox.ec2.ids import ApiError
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults

ROUTES = "ReplaceRoute"
MANY = Size(connections=1, tables=1, propagated=2, static=60, others=0)


class LimitedRoutes:
    """EC2 with a small bucket for replacing routes."""

    def __init__(self, bucket: TokenBucket) -> None:
        self._bucket = bucket

    def before(self, service: str, action: str, nth: int) -> None:
        """Refuse a call for which there is no token."""
        if action == ROUTES and not self._bucket.take():
            raise ApiError("RequestLimitExceeded", "Request limit exceeded.", 503)

    def after(self, service: str, action: str, nth: int) -> None:
        """Let the answer through."""


def routes_of(stage: Stage) -> list[tuple[ReplaceRoute, Outcome]]:
    """Return each route that was to be replaced, with AWS's answer."""
    records = [entry.record for entry in stage.entries]
    outcomes = {each.intent: each.outcome for each in records if isinstance(each, Answered)}
    return [
        (each.change, outcomes[each.intent])
        for each in records
        if isinstance(each, Intended) and isinstance(each.change, ReplaceRoute)
    ]


def throttled(stage: Stage) -> int:
    """Return how many calls to replace a route AWS has refused."""
    return sum(isinstance(o, Later) and o.throttled for _, o in routes_of(stage))


def test_each_route_is_replaced_once_there_is_a_token(tmp_path):
    """No route is sent again that AWS has taken, and few calls are refused."""
    stage = Stage(tmp_path, before=large_survey(MANY))
    stage.faults = LimitedRoutes(TokenBucket(stage.clock, burst=20, refill=2))

    assert stage.forward().status is RunStatus.CUT_OVER

    made = [change for change, outcome in routes_of(stage) if isinstance(outcome, Performed)]
    assert len(made) == len(set(made)) == 60
    assert 0 < throttled(stage) <= 10
    assert stage.state.deviations.external_changes == ()


def test_an_operation_that_aws_never_takes_leaves_the_rest(tmp_path):
    """The tunnels are switched and propagation is restored, and every route is named."""
    faults = Faults([Fault(ROUTES, FaultKind.THROTTLE, times=0)])
    brief = Decisions(waits=Waits(tunnels=minutes(3)))
    stage = Stage(tmp_path, before=large_survey(MANY), faults=faults, decisions=brief)

    with pytest.raises(ResidueError):
        stage.forward()

    left = [each.change for each in stage.state.residue.changes]
    assert len(left) == 60
    assert throttled(stage) < 120
    began = {e.record.number: e.at for e in stage.entries if isinstance(e.record, StepBegun)}
    assert began[10] - began[9] < timedelta(seconds=30)
