"""Unknown error codes: an outage outlasts them, and elsewhere they cause no wait."""

from __future__ import annotations

import pytest

from tests.faults.branching import Leg, abandoned, legs
from tests.faults.cells import Ending, end_state, run_action
from tests.support.stage import Stage
from vpnmigrate.journal import Traffic
from vpnmigrate.journal.records import Intended
from vpnmigrate.model.errors import (
    ChangeRefusedError,
    DidNotSettleError,
    Exit,
    IncompleteRemovalError,
    ResidueError,
)
from vpnmigrate.sandbox.ec2.dispatch import WRITES
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults

CODE, MESSAGE = "OperationNotPermitted", "This operation is not permitted at this time"
PASSING = {
    "in progress": ("OperationInProgress", "Another operation on it is in progress"),
    "being modified": ("IncorrectState", "The resource is being modified"),
    "never seen": (CODE, MESSAGE),
}
MINUTES, FOR_EVER = 16, 0
"""With the pauses between them, sixteen refusals of one change take two minutes."""

IN_THE_OUTAGE = (
    ("outage", "DetachVpnGateway"),
    ("outage", "AttachVpnGateway"),
    ("outage", "EnableVgwRoutePropagation"),
    ("outage", "ReplaceRoute"),
    ("outage", "DisassociateRouteTable"),
    ("outage", "AssociateRouteTable"),
    ("recreate", "CreateRoute"),
)
IN_THE_CLEAN_UP = (
    ("back", "DeleteVpnConnection"),
    ("back", "DeleteVpnGateway"),
    ("back", "DeleteTags"),
    ("abandoned", "DetachVpnGateway"),
    ("abandoned", "DeleteSubnet"),
    ("abandoned", "DeleteVpc"),
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
    """Run one migration, its rollback, its finalize, and another that is given up."""
    folder = tmp_path_factory.mktemp("unknown")
    return {**legs(folder), "abandoned": abandoned(folder)}


def refuse(
    leg: Leg, operation: str, times: int, *, nth: int = 1, by: tuple[str, str] = (CODE, MESSAGE)
) -> Ending:
    """Run *leg* with calls of *operation* refused by the code and message *by*."""
    stage = leg.start.branch()
    fault = Fault(operation, FaultKind.REFUSED, nth, times, *by)
    stage.faults = Faults([fault], stage.clock.sleep)
    return Ending(stage, run_action(stage, leg.go))


def tries_of(stage: Stage, operation: str) -> int:
    """Return the highest number of intents of the same change of *operation*."""
    changes = [e.record.change for e in stage.entries if isinstance(e.record, Intended)]
    calls = [c for c in changes if getattr(c, "call", "") == operation]
    return max(map(calls.count, calls), default=0)


@pytest.mark.parametrize("refused", PASSING)
@pytest.mark.parametrize(("leg", "operation"), [*IN_THE_OUTAGE, *IN_THE_CLEAN_UP])
def test_it_is_waited_for(leg, operation, refused, played):
    """The run finishes without an operator, for each call of the outage and of the clean-up."""
    ending = refuse(played[leg], operation, MINUTES, by=PASSING[refused])

    assert ending.verdict == "continue", ending.error and ending.error.message
    assert set(end_state(ending.stage)) == set(end_state(played[leg].end.branch()))


@pytest.mark.parametrize("refused", PASSING)
def test_so_is_the_last_table_of_step_7(refused, played):
    """Once propagation is off in one table, traffic is down, and a refusal ends nothing."""
    last = played["begin"].calls["DisableVgwRoutePropagation"]

    ending = refuse(
        played["begin"], "DisableVgwRoutePropagation", MINUTES, nth=last, by=PASSING[refused]
    )

    assert ending.verdict == "continue", ending.error and ending.error.message


@pytest.mark.parametrize("refused", ["in progress", "being modified"])
def test_what_is_known_to_pass_is_waited_for_before_the_outage(refused, played):
    """The first call that interrupts traffic is retried if its refusal is known to pass."""
    ending = refuse(played["begin"], "DisableVgwRoutePropagation", MINUTES, by=PASSING[refused])

    assert ending.verdict == "continue", ending.error and ending.error.message


def test_every_call_of_the_outage_and_of_the_clean_up_has_a_row(played):
    """No change that a run makes in steps 7 to 10, either way, or in a clean-up is left out."""
    rows = {operation for _, operation in (*IN_THE_OUTAGE, *IN_THE_CLEAN_UP)}
    legs_of = ("begin", "outage", "recreate", "back", "abandoned")
    made = {call for leg in legs_of for call in played[leg].calls if ("ec2", call) in WRITES}

    assert made - rows == {"DisableVgwRoutePropagation"}


@pytest.mark.parametrize(("leg", "operation"), IN_THE_OUTAGE)
def test_the_steps_own_limit_ends_the_wait(leg, operation, played):
    """The message has the code, and the call was retried less and less often."""
    ending = refuse(played[leg], operation, FOR_EVER)

    swap = operation in {"DetachVpnGateway", "AttachVpnGateway"}
    assert isinstance(ending.error, DidNotSettleError if swap else ResidueError)
    assert ending.exit is Exit.STUCK
    assert f"{CODE}: {MESSAGE}" in ending.error.message
    assert ending.stage.state.traffic is (Traffic.NONE if swap else Traffic.NEW)
    waited = ending.stage.clock.now() - ending.stage.entries[0].at
    assert tries_of(ending.stage, operation) < waited.total_seconds() / 5


@pytest.mark.parametrize(("leg", "operation"), WHILE_TRAFFIC_FLOWS)
def test_it_stops_a_run_while_traffic_flows(leg, operation, played):
    """An error that is not known to pass ends it, and traffic is not interrupted.

    Finalize deletes the rest first.
    """
    ending = refuse(played[leg], operation, FOR_EVER)

    ends = IncompleteRemovalError if leg == "finalize" else ChangeRefusedError
    assert isinstance(ending.error, ends)
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
