"""Unknown error codes: an outage outlasts them, and elsewhere they cause no wait."""

from __future__ import annotations

import pytest

from tests.faults.branching import Leg, legs
from tests.faults.cells import Ending, run_action
from tests.support.stage import Stage
from vpnmigrate.errors import ChangeRefusedError, DidNotSettleError, Exit
from vpnmigrate.journal import Traffic
from vpnmigrate.journal.records import Intended
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults

CODE, MESSAGE = "OperationNotPermitted", "This operation is not permitted at this time"
THREE, FOR_EVER = 3, 0

IN_THE_OUTAGE = (
    ("outage", "DetachVpnGateway"),
    ("outage", "AttachVpnGateway"),
    ("outage", "EnableVgwRoutePropagation"),
    ("outage", "ReplaceRoute"),
    ("outage", "DisassociateRouteTable"),
    ("outage", "AssociateRouteTable"),
)
IN_THE_CLEAN_UP = (
    ("back", "DeleteVpnConnection"),
    ("back", "DeleteVpnGateway"),
)
WHILE_TRAFFIC_FLOWS = (
    ("prepare", "CreateVpnGateway"),
    ("prepare", "CreateVpnConnection"),
    ("prepare", "CreateVpnConnectionRoute"),
    ("begin", "DisableVgwRoutePropagation"),
    ("finalize", "DeleteVpnConnection"),
)
READS = ("DescribeVpnGateways", "DescribeVpnConnections", "DescribeRouteTables")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Leg]:
    """Run one migration, its rollback, and its finalize."""
    return legs(tmp_path_factory.mktemp("unknown"))


def refuse(leg: Leg, operation: str, times: int, *, nth: int = 1) -> Ending:
    """Run *leg* with calls of *operation* refused by the unknown code."""
    stage = leg.start.branch()
    fault = Fault(operation, FaultKind.REFUSED, nth, times, CODE, MESSAGE)
    stage.faults = Faults([fault], stage.clock.sleep)
    return Ending(stage, run_action(stage, leg.go))


def tries_of(stage: Stage, operation: str) -> int:
    """Return the highest number of intents of the same change of *operation*."""
    changes = [e.record.change for e in stage.entries if isinstance(e.record, Intended)]
    calls = [c for c in changes if getattr(c, "call", "") == operation]
    return max(map(calls.count, calls), default=0)


@pytest.mark.parametrize(("leg", "operation"), [*IN_THE_OUTAGE, *IN_THE_CLEAN_UP])
def test_it_is_waited_for(leg, operation, played):
    """The run finishes without an operator, for each call of the outage and of the clean-up."""
    ending = refuse(played[leg], operation, THREE)

    assert ending.verdict == "continue", ending.error and ending.error.message


@pytest.mark.parametrize(("leg", "operation"), IN_THE_OUTAGE)
def test_the_steps_own_limit_ends_the_wait(leg, operation, played):
    """The message has the code, and the call was retried less and less often."""
    ending = refuse(played[leg], operation, FOR_EVER)

    assert isinstance(ending.error, DidNotSettleError)
    assert ending.exit is Exit.STUCK
    assert f"{CODE}: {MESSAGE}" in ending.error.message
    assert ending.stage.state.traffic is Traffic.NONE
    waited = ending.stage.clock.now() - ending.stage.entries[0].at
    assert tries_of(ending.stage, operation) < waited.total_seconds() / 5


@pytest.mark.parametrize(("leg", "operation"), WHILE_TRAFFIC_FLOWS)
def test_it_stops_a_run_while_traffic_flows(leg, operation, played):
    """An error that is not known to pass is not retried, and traffic is not interrupted."""
    ending = refuse(played[leg], operation, FOR_EVER)

    assert isinstance(ending.error, ChangeRefusedError)
    assert ending.exit is Exit.FAILED
    assert ending.stage.state.traffic is not Traffic.NONE


@pytest.mark.parametrize("operation", READS)
def test_a_refused_observation_is_retried_in_the_outage(operation, played):
    """An unknown code for a describe call does not end a run that has interrupted traffic."""
    ending = refuse(played["outage"], operation, 30, nth=6)

    assert ending.verdict == "continue", ending.error and ending.error.message


@pytest.mark.parametrize("operation", READS)
def test_a_refused_observation_ends_a_run_before_the_outage(operation, played):
    """While traffic flows the error is reported immediately."""
    ending = refuse(played["prepare"], operation, FOR_EVER, nth=6)

    assert ending.verdict == "stop"
    assert CODE in (ending.error.message if ending.error else "")
