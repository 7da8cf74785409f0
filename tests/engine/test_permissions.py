"""Permissions in whole runs: no interruption before every later call is proven allowed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.builders import (
    BOTH,
    OLD,
    PREFIX,
    a_survey,
    a_table,
    minutes,
)
from tests.support.restricted_world import RestrictedWorld
from tests.support.stage import Lookout, Stage
from vpnmigrate.aws.account import Account
from vpnmigrate.engine.gate_runner import GateInputs
from vpnmigrate.engine.gates import GateContext, forced
from vpnmigrate.engine.gates.permissions import calls_allowed
from vpnmigrate.journal import Traffic, replay
from vpnmigrate.journal.exit_code import exit_code
from vpnmigrate.journal.records import Entry, Forced, GatesSeen, StepBegun
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.decisions import Decisions, TestVpc
from vpnmigrate.model.errors import Exit, HeldError
from vpnmigrate.model.errors.commands import one_line
from vpnmigrate.model.gates import Force, Gate, GateResult, GateVerdict
from vpnmigrate.model.permissions import (
    MissingPermission,
    PermissionQuery,
    PermissionResult,
    PermissionVerdict,
)
from vpnmigrate.sandbox.client.direct import DirectClients
from vpnmigrate.sandbox.faults import FaultSource
from vpnmigrate.sandbox.world import World

NEEDED = (
    "AssociateRouteTable",
    "AttachVpnGateway",
    "CreateRoute",
    "DetachVpnGateway",
    "DisableVgwRoutePropagation",
    "DisassociateRouteTable",
    "EnableVgwRoutePropagation",
    "ReplaceRoute",
)
"""The calls of the cutover and of its rollback."""
REMOVING = ("DeleteTags", "DeleteVpnConnection", "DeleteVpnGateway")
"""The calls of clean-up and finalize."""
WITH_EVERYTHING = a_survey(
    route_tables=(
        a_table(BOTH, propagates=OLD, learned=[PREFIX], static={"192.168.0.0/16": OLD}),
        a_table("rtb-edge", edge_of=OLD),
    )
)


class RestrictedStage(Stage):
    """A stage whose runs try every call before the cutover, with a role that lacks *denied*."""

    def __init__(self, vault: Path, *denied: str, decisions: Decisions | None = None) -> None:
        def clients_of(world: World, *, faults: FaultSource | None = None) -> DirectClients:
            restricted: Any = RestrictedWorld(world, denied)
            return DirectClients(restricted, faults=faults)

        super().__init__(vault, WITH_EVERYTHING, decisions=decisions, clients_of=clients_of)

    def tried(self, *forces: Force) -> GateInputs:
        account: Account = self.plain
        return GateInputs("ann", permissions=account, forces=forces)

    def gate(self) -> GateResult:
        """Return the last result of the gate."""
        seen = self.records(GatesSeen)[-1].gates
        return next(each for each in seen if each.gate is Gate.PERMISSIONS)


def test_with_every_permission_the_gate_passes(tmp_path):
    """Where every call is allowed, the run continues without a question."""
    stage = RestrictedStage(tmp_path)
    state = stage.forward(gate_inputs=stage.tried())

    assert state.status is RunStatus.CUT_OVER
    assert stage.gate().verdict is GateVerdict.PASS


@pytest.mark.parametrize("denied", NEEDED)
def test_a_denied_call_is_named_before_anything_is_interrupted(tmp_path, denied):
    """Whatever the cutover or its rollback needs is refused before step 7, and cannot be forced."""
    stage = RestrictedStage(tmp_path, denied)
    force = Force(Gate.PERMISSIONS, "the board agreed")
    with pytest.raises(HeldError, match=f"permissions: ec2:{denied}") as held:
        stage.forward(gate_inputs=stage.tried(force))

    assert exit_code(held.value, stage.state) is Exit.HELD
    assert stage.state.traffic is Traffic.OLD
    assert not {*stage.calls} & {"DisablePropagation", "DetachVpnGateway", "DisassociateEdge"}
    gate = stage.gate()
    assert (gate.verdict, gate.forced) == (GateVerdict.FAIL, "")
    assert "traffic could stay down" in gate.unforceable
    assert "vpnmigrate iam-policy PLAN --phase cutover" in one_line(gate.advice)
    assert stage.differences() == ()


@pytest.mark.parametrize("denied", REMOVING)
def test_a_denied_removal_can_be_forced(tmp_path, denied):
    """Traffic flows without clean-up and finalize, so an operator may go on with a reason."""
    stage = RestrictedStage(tmp_path, denied)
    with pytest.raises(HeldError, match=f"permissions: ec2:{denied}"):
        stage.forward(gate_inputs=stage.tried())
    assert "only clean-up needs it" in stage.gate().observed

    state = stage.forward(gate_inputs=stage.tried(Force(Gate.PERMISSIONS, "CHG1")))

    assert state.status is RunStatus.CUT_OVER
    assert [each.reason for each in stage.records(Forced)] == ["CHG1"]


def test_a_permission_that_is_granted_lets_the_run_go_on(tmp_path):
    """The calls are tried again each time the run comes to the gates."""
    stage = RestrictedStage(tmp_path, "AttachVpnGateway")
    with pytest.raises(HeldError):
        stage.forward(gate_inputs=stage.tried())
    granted = Account(DirectClients(stage.world), stage.clock, stage._vault)

    stage._clients_of = DirectClients
    state = stage.forward(gate_inputs=GateInputs("ann", permissions=granted))

    assert state.status is RunStatus.CUT_OVER


def test_a_test_vpc_that_is_gone_is_not_asked_about(tmp_path):
    """Step 6 has removed its test VPC, so the calls for it prove nothing any more."""
    trial = Decisions(test_vpc=TestVpc("10.250.0.0/24"))
    stage = RestrictedStage(tmp_path, decisions=trial)
    state = stage.forward(gate_inputs=stage.tried())

    assert (state.status, stage.gate().verdict) == (RunStatus.CUT_OVER, GateVerdict.PASS)


def test_the_dry_runs_change_nothing(tmp_path):
    """A run that is held at the gates has made the changes of steps 1 to 6 and no other."""
    stage = RestrictedStage(tmp_path, "ReplaceRoute")
    with pytest.raises(HeldError):
        stage.forward(gate_inputs=stage.tried())
    stage.clock.sleep(minutes(10))

    assert stage.differences() == ()


class Witness:
    """Tries calls with *account*, and keeps the state of the traffic each time."""

    def __init__(self, stage: RestrictedStage) -> None:
        self._stage = stage
        self.traffic: list[Traffic] = []

    def permissions(self, queries: Sequence[PermissionQuery]) -> Sequence[PermissionResult]:
        """Return the results of *queries* (``PermissionReader``)."""
        self.traffic.append(replay(self._stage.journal.entries).traffic)
        account: Account = self._stage.plain
        return account.permissions(queries)


@pytest.mark.parametrize("step", [8, 9, 10])
def test_no_dry_run_is_sent_in_an_outage(tmp_path, step):
    """They wait for tokens, so they come before the cutover, and not when another process goes on.

    Neither the rest of the cutover nor a rollback is tried again.
    """
    stage = RestrictedStage(tmp_path)
    witness = Witness(stage)
    inputs = GateInputs("ann", permissions=witness)

    class Ended(BaseException):
        pass

    def end(entry: Entry) -> None:
        if isinstance(entry.record, StepBegun) and entry.record.number == step:
            raise Ended

    with pytest.raises(Ended):
        stage.forward(gate_inputs=inputs, lookout=Lookout(end))
    assert witness.traffic == [Traffic.OLD]
    other = stage.branch()
    other.back(gate_inputs=inputs)
    assert stage.forward(gate_inputs=inputs).status is RunStatus.CUT_OVER

    assert witness.traffic == [Traffic.OLD]


MISSING = MissingPermission("ec2:CreateTags", PermissionVerdict.UNPROVEN, "no proof", ("vgw-1",))


def test_what_is_not_proven_holds_and_can_be_forced():
    """An endpoint that proves nothing is UNKNOWN, with the reason and the command to go on."""
    result = calls_allowed((MISSING,))

    assert (result.verdict, result.unforceable) == (GateVerdict.UNKNOWN, "")
    assert result.observed == "ec2:CreateTags on vgw-1 unproven: no proof"
    command = "vpnmigrate apply RUN --force permissions --reason TEXT"
    assert one_line(result.advice).endswith(command)
    (open_,) = forced([result], [Force(Gate.PERMISSIONS, "known")])
    assert open_.lets_through


def test_what_only_finalize_needs_holds_no_cutover():
    """Finalize is another day's work, perhaps of another role: what it lacks is reported."""
    later = MissingPermission(
        "ec2:DeleteVpnConnection",
        PermissionVerdict.DENIED,
        "no",
        ("vpn-old",),
        only_removes=True,
        phases=("finalize",),
    )
    result = calls_allowed((later,))

    assert result.verdict is GateVerdict.PASS
    assert "ec2:DeleteVpnConnection on vpn-old denied (only finalize needs it)" in result.observed
    both = msgspec.structs.replace(later, phases=("rollback", "finalize"))
    assert calls_allowed((both,)).verdict is GateVerdict.FAIL


def simulated(action, verdict=PermissionVerdict.SIMULATED_ROLE, phases=("cutover",), **fields):
    return MissingPermission(action, verdict, "no dry run", phases=phases, **fields)


@pytest.mark.parametrize("phases", [("cutover",), ("rollback",), ("stage", "rollback"), ()])
def test_a_call_of_the_outage_that_is_simulated_for_a_role_holds_and_can_be_forced(phases):
    """A policy of the session may deny it, and traffic could stay down."""
    result = calls_allowed((simulated("ec2:AttachVpnGateway", phases=phases),))

    assert (result.verdict, result.unforceable) == (GateVerdict.UNKNOWN, "")
    assert result.observed == "ec2:AttachVpnGateway simulated for the role: no dry run"
    (open_,) = forced([result], [Force(Gate.PERMISSIONS, "no session policy")])
    assert open_.lets_through


@pytest.mark.parametrize(
    "named",
    [
        simulated("ec2:X", PermissionVerdict.SIMULATED),
        simulated("ec2:X", phases=("stage",)),
        simulated("ec2:X", phases=("rollback",), only_removes=True),
        simulated("ec2:X", phases=("finalize",), only_removes=True),
    ],
)
def test_what_is_only_simulated_passes_and_is_named(named):
    """A simulation decides a user's calls, and a session's without which traffic flows."""
    result = calls_allowed((named,))

    assert result.verdict is GateVerdict.PASS
    assert "not shown by a dry run: ec2:X simulated" in result.observed
    assert "every call was tried" not in result.observed
    assert calls_allowed((named, MISSING)).verdict is GateVerdict.UNKNOWN


def test_a_denied_removal_beside_a_denied_call_cannot_be_forced():
    """The call that the cutover needs decides."""
    removal = MissingPermission(
        "ec2:DeleteVpnGateway", PermissionVerdict.DENIED, "no", only_removes=True
    )
    needed = MissingPermission("ec2:AttachVpnGateway", PermissionVerdict.DENIED, "no")

    assert calls_allowed((removal, needed)).unforceable
    assert not calls_allowed((removal, MISSING)).unforceable


def test_a_rehearsal_has_no_such_gate(tmp_path):
    """The sandbox of a rehearsal has no policies, so it says nothing about permissions."""
    stage = Stage(tmp_path)
    stage.forward()

    (seen,) = stage.records(GatesSeen)
    assert Gate.PERMISSIONS not in [each.gate for each in seen.gates]
    assert GateContext.missing_permissions is None
