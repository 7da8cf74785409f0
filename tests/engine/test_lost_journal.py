"""Lost journals: a run killed at any call is resumed from its plan and tags on another host."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.builders import (
    OLD,
    VPC,
    a_connection,
    a_customer_gateway,
    a_survey,
    a_table,
    ordinary_tables,
)
from tests.support.counts import share
from tests.support.shapes import Shape, shape_left
from tests.support.stage import Stage
from vpnmigrate.engine.runner import Runner
from vpnmigrate.journal.exit_code import exit_code
from vpnmigrate.journal.records import Answered, Intended, Noted
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.changes import AskOperator
from vpnmigrate.model.decisions import Decisions, OldTunnels, TestVpc
from vpnmigrate.model.errors import Exit, HeldError, StepError
from vpnmigrate.model.snapshot import Confirmation
from vpnmigrate.model.survey import Survey
from vpnmigrate.sandbox.behaviour import Behaviour
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults, Killed

READS = ("Describe", "Get", "List")
LAG = timedelta(minutes=2)
"""The consistency delay: tag searches and describes may lag by this much."""

TWO = a_survey(
    connections=(
        a_connection(),
        a_connection("vpn-fixed", customer_gateway="cgw-2", prefixes=("10.2.0.0/16",)),
    ),
    customer_gateways=(a_customer_gateway(), a_customer_gateway("cgw-2")),
    route_tables=(*ordinary_tables(), a_table("rtb-edge", edge_of=OLD)),
)
WORLDS: dict[str, tuple[Survey, Decisions]] = {
    "one connection": (a_survey(), Decisions()),
    "two connections and an edge table": (TWO, Decisions()),
    "a test VPC": (a_survey(), Decisions(test_vpc=TestVpc("172.31.0.0/24"))),
}
ACTIONS: dict[str, Callable[[Runner], object]] = {
    "apply": Runner.apply,
    "rollback": Runner.rollback,
}
ENDS = {"apply": RunStatus.CUT_OVER, "rollback": RunStatus.ROLLED_BACK}


@dataclass
class Fuse:
    """Kills the process around its *nth* mutating call."""

    nth: int
    after_effect: bool
    sent: int = 0

    def before(self, service: str, action: str, nth: int) -> None:
        self.sent += not action.startswith(READS)
        self._burn(action, after_effect=False)

    def after(self, service: str, action: str, nth: int) -> None:
        self._burn(action, after_effect=True)

    def _burn(self, action: str, *, after_effect: bool) -> None:
        mutating = not action.startswith(READS)
        if mutating and self.sent == self.nth and self.after_effect is after_effect:
            raise Killed(action)


def a_stage(tmp_path: Path, world: str, began: str) -> Stage:
    """Return a world at the start of *began*: for a rollback, after a full migration."""
    survey, decisions = WORLDS[world]
    lagging = Behaviour(read_lag=LAG)
    stage = Stage(tmp_path, survey, decisions=decisions, behaviour=lagging)
    if began == "rollback":
        stage.forward()
    return stage


def dies(stage: Stage, direction: str) -> bool:
    """Run *way*; return whether the process was killed."""
    try:
        stage.run(ACTIONS[direction])
    except Killed:
        return True
    return False


@dataclass(frozen=True)
class Undisturbed:
    """The number of mutating calls of each direction, and its end state."""

    calls: dict[str, int]
    shapes: dict[str, Shape]


@pytest.fixture(scope="module", params=WORLDS)
def world(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def undisturbed(world: str, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Return the results of each direction with its journal and without faults."""
    gone = Undisturbed({}, {})
    for direction, action in ACTIONS.items():
        stage = a_stage(tmp_path_factory.mktemp("undisturbed"), world, direction)
        stage.faults = counted = Fuse(0, after_effect=False)
        stage.run(action)
        gone.calls[direction] = counted.sent
        gone.shapes[direction] = shape_left(stage)
    return gone


@pytest.mark.no_cover
@pytest.mark.parametrize("resumed", ACTIONS)
@pytest.mark.parametrize("began", ACTIONS)
def test_killed_at_any_call_and_robbed_of_its_journal(
    tmp_path: Path, world: str, undisturbed: Undisturbed, began: str, resumed: str
) -> None:
    """Plan and tags are enough for the end of an undisturbed run, in both directions.

    This is tested before and after the effect of every mutating call, while describes and tag
    searches lag by the consistency delay.
    """
    points = [(n, after) for n in range(1, undisturbed.calls[began] + 1) for after in (False, True)]
    for nth, after_effect in share(points, one_in=17):
        stage = a_stage(tmp_path / f"{nth}-{after_effect}", world, began)
        stage.faults = Fuse(nth, after_effect)
        if not dies(stage, began):
            assert after_effect, "only a call that EC2 refuses has no effect to die after"
            continue
        stage.faults = None

        state = stage.run(
            ACTIONS[resumed], journal_lost=True, holder="bob@spare/1", takes_over_from="ann@desk"
        )

        assert state.status is ENDS[resumed], (nth, after_effect)
        assert shape_left(stage) == undisturbed.shapes[resumed], (nth, after_effect)


@pytest.mark.parametrize("action", ["CreateTags", "ReplaceRoute"])
def test_an_unknown_refusal_in_a_blind_cutover_is_retried(tmp_path: Path, action: str) -> None:
    """Without the journal of its outage traffic may be down: no unknown code ends steps 1 and 9."""
    stage = Stage(tmp_path)
    with pytest.raises(HeldError):
        stage.run(lambda runner: runner.apply(until=8))
    unknown = Fault(action, FaultKind.REFUSED, 1, 2, "SomethingNew", "Not now")
    stage.faults = Faults([unknown])

    stage.run(Runner.apply, journal_lost=True, holder="bob@desk", takes_over_from="ann@desk")

    assert stage.state.status is RunStatus.CUT_OVER
    assert any("SomethingNew" in str(answer.outcome) for answer in stage.records(Answered))


def test_an_unread_account_does_not_end_a_blind_cutover(tmp_path: Path) -> None:
    """Without the journal of its outage traffic may be down, so no run waits for STS to start."""
    stage = Stage(tmp_path)
    with pytest.raises(HeldError):
        stage.run(lambda runner: runner.apply(until=8))
    stage.faults = Faults([Fault("sts:GetCallerIdentity", FaultKind.UNAVAILABLE, 1)])

    stage.run(Runner.apply, journal_lost=True, holder="bob@desk", takes_over_from="ann@desk")

    assert stage.state.status is RunStatus.CUT_OVER
    assert any("the account could not be checked" in each.what for each in stage.records(Noted))


def test_a_blind_rollback_asks_for_devices_that_may_use_new_tunnels(tmp_path: Path) -> None:
    """AWS shows complete traffic at once, but no journal says whether new tunnels are enabled."""
    always_up = Behaviour(tunnels_up_while_detached=True)
    decisions = Decisions(old_tunnels=OldTunnels.LEAVE)
    stage = Stage(tmp_path, decisions=decisions, behaviour=always_up)
    stage.forward()

    stage.run(Runner.rollback, journal_lost=True, holder="bob@desk", takes_over_from="ann@desk")
    asked = [i.change for i in stage.records(Intended) if isinstance(i.change, AskOperator)]

    assert stage.state.status is RunStatus.ROLLED_BACK
    assert [task.confirmation for task in asked] == [Confirmation.TUNNELS_RETURNED]


def test_a_step_that_is_blocked_may_leave_traffic_down(tmp_path: Path) -> None:
    """Without the journal of the outage, a third gateway in the VPC ends the run with code 5."""
    stage = Stage(tmp_path)
    stage.faults = Faults([Fault("AttachVpnGateway", FaultKind.KILL_BEFORE)])
    assert dies(stage, "apply")
    stage.faults = Faults()
    made = stage.do("CreateVpnGateway", Type="ipsec.1")["VpnGateway"]
    stage.clock.sleep(LAG)
    stage.do("AttachVpnGateway", VpnGatewayId=made["VpnGatewayId"], VpcId=VPC)  # type: ignore[index]
    stage.clock.sleep(LAG)

    with pytest.raises(StepError) as stopped:
        stage.run(Runner.apply, journal_lost=True, holder="bob@desk", takes_over_from="ann@desk")

    assert "is attached to vpc" in stopped.value.message
    assert exit_code(stopped.value, stage.state) is Exit.STUCK
    assert stage.state.outage.open
