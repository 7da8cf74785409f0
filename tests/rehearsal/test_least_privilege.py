"""Least privilege: a migration needs every statement that is generated for it, and no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.builders import MIGRATION
from tests.support.stage import Lookout, Stage
from vpnmigrate.aws.accounts import enabled_regions
from vpnmigrate.engine.gate_runner import GateInputs
from vpnmigrate.engine.runner import Runner
from vpnmigrate.journal import Traffic
from vpnmigrate.journal.crypto_record import CryptoSeen
from vpnmigrate.journal.records import Entry, GatesSeen, Intended, StepBegun
from vpnmigrate.local.vault import Vault
from vpnmigrate.model.changes import AttachVpnGateway
from vpnmigrate.model.errors import HeldError, VpnMigrateError
from vpnmigrate.model.gates import Gate, GateResult, GateVerdict
from vpnmigrate.planning.iam_policy import IamPolicy, policy_for_any_plan, policy_of
from vpnmigrate.planning.permissions import DELETE_OLD_GATEWAY, MONITORING_ACTIONS, RunPhase
from vpnmigrate.planning.reference_plan import plan_with_everything
from vpnmigrate.sandbox.authorization import AuthorizedWorld, authorized_actions
from vpnmigrate.sandbox.behaviour import Behaviour
from vpnmigrate.sandbox.client.direct import DirectClients
from vpnmigrate.sandbox.policy import Policy, policy_from
from vpnmigrate.sandbox.world import World

DEVICE = "Generic/Generic/Vendor Agnostic"
EVERY = frozenset(RunPhase)
FORWARD = frozenset({RunPhase.STAGE, RunPhase.CUTOVER})
OPTIONS = (DELETE_OLD_GATEWAY,)


class RecordingWorld(AuthorizedWorld):
    """A world that keeps the action and the type of resource of every call it carried out."""

    def __init__(self, world: World, policy: Policy, used: set[tuple[str, str]]) -> None:
        super().__init__(world, policy)
        self._world = world
        self._used = used

    def execute(self, service: str, action: str, params: Mapping[str, Any]) -> dict[str, Any]:
        with self._world.to_be_read() as state:
            needed = tuple(authorized_actions(state, service, action, params))
        answer = super().execute(service, action, params)  # a dry run ends here, with an error
        if service != "sts":
            self._used.update((each.action, type_of(each.resource)) for each in needed)
        return answer


def type_of(resource: str) -> str:
    """Return the type of resource in an ARN, empty for any."""
    return "" if resource == "*" else resource.split(":")[5].partition("/")[0]


class RestrictedStage(Stage):
    """A stage whose runs may do only what ``policy`` allows; the test itself may do anything."""

    policy: Policy | None = None
    used: set[tuple[str, str]]

    def __init__(self, vault: Path) -> None:
        plan = plan_with_everything()
        decisions = replace(plan.decisions, device_types={"default": DEVICE})
        super().__init__(vault, plan.before, decisions=decisions, clients_of=self._clients)

    def _clients(self, world: World, **how: object) -> DirectClients:
        allowed = world if self.policy is None else RecordingWorld(world, self.policy, self.used)
        return DirectClients(allowed, **how)  # type: ignore[arg-type]

    def under(self, policy: Policy, behaviour: Behaviour | None = None) -> RestrictedStage:
        """Return a copy of this stage whose runs are under *policy*."""
        other = self.branch(behaviour=behaviour)
        assert isinstance(other, RestrictedStage)
        other.policy = policy
        other.used = set()
        other._clients_of = other._clients
        return other


def enforced(policy: IamPolicy, without: str = "") -> Policy:
    """Return *policy* as the sandbox reads it, without the statement *without*."""
    document: dict[str, Any] = policy.document()
    document["Statement"] = [s for s in document["Statement"] if s["Sid"] != without]
    return policy_from(document, "policy")


@pytest.fixture(scope="module")
def beginning(tmp_path_factory: pytest.TempPathFactory) -> RestrictedStage:
    """Return a world before the migration of the reference plan."""
    return RestrictedStage(tmp_path_factory.mktemp("vault"))


@pytest.fixture(scope="module")
def migrated(beginning: RestrictedStage) -> RestrictedStage:
    """Return the world after a migration by a role that can do nothing else."""
    stage = beginning.under(enforced(policy_of(beginning.plan, FORWARD)))
    stage.forward()
    return stage


POLICIES = {
    "plan": policy_of(replace(plan_with_everything(), migration=MIGRATION), EVERY, OPTIONS),
    "account": policy_for_any_plan(EVERY, options=OPTIONS),
}
SAMPLE = "VpnmigrateReadVpnConnectionDeviceType"
ALGORITHMS = "VpnmigrateReadNewVpnConnection"
OPTIONAL = {SAMPLE, ALGORITHMS}
"""The statements that a run can do without."""
STATEMENTS = [
    (name, statement.sid)
    for name, policy in POLICIES.items()
    for statement in policy.statements
    if statement.sid not in OPTIONAL and not set(statement.actions) <= set(MONITORING_ACTIONS)
]


class TestSufficient:
    def test_a_phase_needs_its_own_policy_alone(self, migrated: RestrictedStage) -> None:
        """Roles for one phase each complete it: forward, then back, or the old side deleted."""
        plan = migrated.plan
        back = migrated.under(enforced(policy_of(plan, {RunPhase.ROLLBACK})))
        back.back()
        assert back.differences() == ()

        done = migrated.under(enforced(policy_of(plan, {RunPhase.FINALIZE}, OPTIONS)))
        done.run(_finalize)
        with done.world.to_be_read() as state:
            assert state.life(state.gateways[plan.old_gateway]) == "deleted"

    def test_the_policy_of_the_account_is_enough(self, beginning: RestrictedStage) -> None:
        """The policy without a plan is enough for a migration and a rollback."""
        stage = beginning.under(enforced(POLICIES["account"]))
        stage.forward()
        stage.back()
        assert stage.differences() == ()

    def test_a_reader_can_plan(self, beginning: RestrictedStage) -> None:
        """The policy for discovery is enough for a survey, and for nothing that changes AWS."""
        reader = beginning.under(enforced(policy_for_any_plan({RunPhase.DISCOVER})))
        survey = reader._account(None).survey(reader.plan.old_gateway)
        assert survey.unread == ()
        with pytest.raises(VpnMigrateError, match="ec2:CreateTags"):
            reader.forward()


class TestNecessary:
    @pytest.mark.parametrize(("name", "sid"), STATEMENTS)
    def test_each_statement_is_needed(
        self, beginning: RestrictedStage, migrated: RestrictedStage, name: str, sid: str
    ) -> None:
        """Without any one statement, the run is refused an action that the statement allows."""
        (removed,) = (s for s in POLICIES[name].statements if s.sid == sid)
        rest = enforced(POLICIES[name], without=sid)

        def migrate() -> None:
            beginning.under(rest).forward()
            migrated.under(rest).back()
            migrated.under(rest).run(_finalize)

        with pytest.raises(VpnMigrateError) as refused:
            migrate()
        assert [action for action in removed.actions if action.split(":")[1] in str(refused.value)]

    def test_a_sample_that_is_denied_is_noted(
        self, beginning: RestrictedStage, tmp_path: Path
    ) -> None:
        """Without the permission to read AWS's sample configuration a run goes on."""
        stage = beginning.under(enforced(POLICIES["plan"], without=SAMPLE))
        stage._vault = Vault(tmp_path)
        stage.forward()
        sheets = [path.read_text(encoding="utf-8") for path in tmp_path.rglob("sheet.md")]
        assert sheets
        assert all("GetVpnConnectionDeviceSampleConfiguration" in sheet for sheet in sheets)

    def test_algorithms_that_are_denied_are_unknown(self, beginning: RestrictedStage) -> None:
        """Without the permission to read what tunnels have negotiated it is recorded as unknown."""
        stage = beginning.under(enforced(POLICIES["plan"], without=ALGORITHMS))
        stage.forward()

        (seen,) = stage.records(CryptoSeen)
        assert seen.unknown
        assert all("ec2:GetActiveVpnTunnelStatus" in text for text in seen.unknown)

    @pytest.mark.parametrize("name", POLICIES)
    def test_each_action_is_used(self, beginning: RestrictedStage, name: str) -> None:
        """Discovery and a migration with its rollback use each action on each type of resource."""
        policy = POLICIES[name]
        allowed, survives = enforced(policy), Behaviour(edge_association_survives_detach=True)
        stage = beginning.under(allowed, survives)
        stage.forward(lookout=Lookout(_delete_the_route(stage)))
        back = stage.under(allowed)
        back.back()
        stage.run(_finalize)
        monitoring = frozenset[str]()
        if name == "account":
            enabled_regions(stage._clients(stage.world))
            # The model has no monitoring; tests/cli/test_discover.py enforces these over HTTP.
            monitoring = frozenset(MONITORING_ACTIONS)

        granted = {
            (action, type_of(resource))
            for statement in policy.statements
            for action in statement.actions
            for resource in statement.resources
            if action not in monitoring
        }
        assert stage.used | back.used == granted


APPLIED = frozenset({RunPhase.STAGE, RunPhase.CUTOVER, RunPhase.ROLLBACK})
"""The phases whose policies the role of ``apply`` has."""
OF_THE_TEST_VPC = {"VpnmigrateNewSubnet", "VpnmigrateNewVpc", "VpnmigrateTestVpcRouteTable"}
"""The statements for what step 6 has removed before the gate."""


@pytest.fixture(scope="module")
def staged(beginning: RestrictedStage) -> RestrictedStage:
    """A run with everything that is held before step 7."""
    stage = beginning.under(enforced(policy_of(beginning.plan, EVERY, OPTIONS)))
    with pytest.raises(HeldError):
        stage.run(lambda runner: runner.apply(until=6))
    return stage


def _later_statements() -> list[str]:
    """Return the statements of everything that changes something after step 6."""
    later = policy_of(plan_with_everything(), APPLIED - {RunPhase.STAGE}, ())
    changing = (s.sid for s in later.statements if not s.sid.startswith("VpnmigrateRead"))
    return [sid for sid in changing if sid not in OF_THE_TEST_VPC]


class TestGate:
    def test_the_policies_of_apply_pass_it(self, staged: RestrictedStage) -> None:
        """With the policies of stage, cutover and rollback it passes; finalize has its own."""
        stage = staged.under(enforced(policy_of(staged.plan, APPLIED, ())))
        stage.forward(gate_inputs=_tried(stage))

        assert _gate_of(stage).verdict is GateVerdict.PASS
        assert "(only finalize needs it)" in _gate_of(stage).observed

    @pytest.mark.parametrize("sid", _later_statements())
    def test_without_one_statement_nothing_is_interrupted(
        self, staged: RestrictedStage, sid: str
    ) -> None:
        """Whichever statement is missing, the run ends before step 7 and names an action of it."""
        policy = policy_of(staged.plan, APPLIED, ())
        (taken,) = (s for s in policy.statements if s.sid == sid)
        stage = staged.under(enforced(policy, without=sid))
        with pytest.raises(VpnMigrateError) as stopped:
            stage.forward(gate_inputs=_tried(stage))

        assert stage.state.traffic is Traffic.OLD
        assert 7 not in [begun.number for begun in stage.records(StepBegun)]
        assert any(action in str(stopped.value) for action in taken.actions)


def _tried(stage: RestrictedStage) -> GateInputs:
    return GateInputs("ann", permissions=stage._account(None))


def _gate_of(stage: RestrictedStage) -> GateResult:
    seen = stage.records(GatesSeen)[-1].gates
    return next(each for each in seen if each.gate is Gate.PERMISSIONS)


def _finalize(runner: Runner) -> None:
    runner.finalize(delete_old_gateway=True)


def _delete_the_route(stage: RestrictedStage) -> Callable[[Entry], None]:
    """Return an observer that deletes the plan's static route while no gateway is attached."""

    def observe(entry: Entry) -> None:
        match entry.record:
            case Intended(change=AttachVpnGateway(vpc=stage.plan.vpc)):
                for table in stage.plan.before.route_tables:
                    for route in table.static_routes_to(stage.plan.old_gateway):
                        to = {"DestinationCidrBlock": route.destination}
                        stage.do("DeleteRoute", RouteTableId=table.id, **to)
            case _:
                pass

    return observe
