"""A migration predicted with the production steps."""

from __future__ import annotations

import pytest

from tests.support.builders import (
    BOTH,
    MAIN,
    MIGRATION,
    NOON,
    OLD,
    VPC,
    a_connection,
    a_gateway,
    a_plan,
    a_survey,
)
from vpnmigrate.model.changes import (
    AttachVpnGateway,
    CreateVpnGateway,
    DetachVpnGateway,
    EnablePropagation,
    ReplaceRoute,
)
from vpnmigrate.model.decisions import Decisions, TestVpc
from vpnmigrate.model.ec2 import Attachment, ResourceState, Role, Tag, VpnConnectionId, VpnGatewayId
from vpnmigrate.model.errors import RefusedError
from vpnmigrate.model.facts import Switch
from vpnmigrate.model.plan import GATEWAY_ROLE, Direction, Phase, connection_role
from vpnmigrate.planning.predicted_aws import PredictedMoment
from vpnmigrate.planning.prediction import initial_state, predict_steps
from vpnmigrate.steps.base import Blocked, MissingChanges, NotYet, Step, StepInput, Verdict
from vpnmigrate.steps.sequences import CLEAN_UP, CUTOVER, FORWARD

NEW = VpnGatewayId("gateway")
PLAN = a_plan()


def there(decisions: Decisions | None = None) -> PredictedMoment:
    """Return the moment after step 10."""
    _, scene = predict_steps(
        initial_state(a_plan(decisions=decisions), {}), FORWARD, Direction.FORWARD
    )
    return scene


class TestForward:
    """End of a predicted migration forward."""

    def test_the_new_gateway_is_on_the_vpc(self) -> None:
        """After step 10 the new gateway is attached instead of the old one."""
        now = there().observe()

        assert now.attachment(NEW, VPC) is Attachment.ATTACHED
        assert now.attachment(OLD, VPC) is Attachment.DETACHED

    def test_every_table_follows(self) -> None:
        """After step 10 propagation and static routes use the new gateway, and carry traffic."""
        now = there().observe()

        assert now.propagates(MAIN, NEW) is now.propagates(BOTH, NEW) is Switch.ON
        assert now.propagates(MAIN, OLD) is Switch.OFF
        assert now.route(BOTH, "192.168.0.0/16") == NEW
        assert now.tables[MAIN].propagated_from(NEW) == {"10.1.0.0/16"}
        assert "192.168.0.0/16" in now.active_routes(BOTH)

    def test_what_is_made_is_ours(self) -> None:
        """Resources that the predicted run creates have the migration's tags and their role."""
        now = there().observe()

        assert now.ours == {
            GATEWAY_ROLE: "gateway",
            connection_role(VpnConnectionId("vpn-old")): "connection/vpn-old",
        }

    def test_a_test_vpc_leaves_nothing(self) -> None:
        """Step 6 creates a test VPC and deletes it again."""
        scene = there(Decisions(test_vpc=TestVpc("10.255.0.0/24")))

        assert set(scene.world.vpcs) == {VPC}
        assert not scene.world.subnets
        assert {t.vpc for t in scene.world.tables.values()} == {VPC}

    def test_a_claim_of_yesterday_is_no_hindrance(self) -> None:
        """An existing claim at planning does not change the plan."""
        before = a_survey(gateway=a_gateway(tags={Tag.CLAIM: "ann"}))

        planned, _ = predict_steps(
            initial_state(a_plan(before=before), {}), FORWARD, Direction.FORWARD
        )

        assert [str(change) for change in planned[0].changes] == [
            "set the claim tag on vgw-old for the run that applies this plan"
        ]

    def test_real_ids_may_be_given(self) -> None:
        """Resources already created are named by id."""
        made = {GATEWAY_ROLE: "vgw-9", Role("connection/vpn-old"): "vpn-9"}

        _, scene = predict_steps(initial_state(PLAN, made), FORWARD, Direction.FORWARD)

        assert set(scene.world.gateways) == {OLD, "vgw-9"}
        assert scene.observe().route(BOTH, "192.168.0.0/16") == "vgw-9"


class TestBack:
    """End of a predicted rollback."""

    def test_the_world_is_as_it_was(self) -> None:
        """After the rollback and the clean-up, only association ids differ."""
        _, scene = predict_steps(there(), (*CUTOVER, *CLEAN_UP), Direction.ROLLBACK)

        start = initial_state(PLAN, {}).world
        assert scene.world.connections == start.connections
        assert set(scene.world.gateways) == {OLD}
        assert scene.observe().attachment(OLD, VPC) is Attachment.ATTACHED
        for id_, table in start.tables.items():
            assert scene.observe().tables[id_].propagating == table.propagating
            assert set(scene.observe().tables[id_].routes) == set(table.routes)


class TestWorld:
    """Effects of single changes on the predicted AWS."""

    def test_a_detached_gateway_leaves_black_holes(self) -> None:
        """A static route to a detached gateway carries no traffic."""
        scene = initial_state(PLAN, {})

        world = scene.world.after([DetachVpnGateway(OLD, VPC)])

        now = PredictedMoment(PLAN, world, NOON).observe()
        assert "192.168.0.0/16" not in now.active_routes(BOTH)
        assert now.tables[BOTH].propagated_from(OLD) == frozenset()

    def test_new_tunnels_wait_for_their_word(self) -> None:
        """Routes of a gateway appear only after its tunnels are enabled."""
        world = initial_state(PLAN, {}).world
        for change in (
            CreateVpnGateway(GATEWAY_ROLE),
            DetachVpnGateway(OLD, VPC),
            AttachVpnGateway(NEW, VPC),
            EnablePropagation(MAIN, NEW),
            ReplaceRoute(BOTH, "192.168.0.0/16", NEW),
        ):
            world = world.after([change])

        now = PredictedMoment(PLAN, world, NOON).observe()

        assert now.state(GATEWAY_ROLE) is ResourceState.AVAILABLE
        assert "192.168.0.0/16" in now.active_routes(BOTH)
        assert now.tables[MAIN].propagated_from(NEW) == frozenset()

    def test_the_start_is_left_alone(self) -> None:
        """A change returns a new value; the one before is not modified."""
        start = initial_state(PLAN, {}).world

        start.after([DetachVpnGateway(OLD, VPC)])

        assert start == initial_state(PLAN, {}).world


class _Stuck(Step):
    number = 5
    title = "Wait for Godot"
    phase = Phase.PREPARE

    def missing_changes(self, view: StepInput) -> MissingChanges:
        yield from ()

    def verify(self, view: StepInput) -> Verdict:
        return NotYet("he has not come")


class _Restless(_Stuck):
    def missing_changes(self, view: StepInput) -> MissingChanges:
        yield DetachVpnGateway(OLD, VPC)


class _Hopeless(_Stuck):
    def verify(self, view: StepInput) -> Verdict:
        return Blocked("he is dead", "go home")


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (_Stuck(), "he has not come"),
        (_Restless(), "he has not come"),
        (_Hopeless(), "he is dead"),
    ],
)
def test_a_step_without_an_end_is_named(step: Step, text: str) -> None:
    """If a step can never reach its goal the plan is refused, with its number and the reason."""
    with pytest.raises(RefusedError, match=f"step 5 .Wait for Godot.*{text}"):
        predict_steps(initial_state(PLAN, {}), [step], Direction.FORWARD)


def test_two_connections_at_a_time() -> None:
    """With many connections the prediction ends, and all of them are created."""
    many = tuple(a_connection(f"vpn-{n}", customer_gateway=f"cgw-{n}") for n in range(7))
    plan = a_plan(before=a_survey(connections=many))

    _, scene = predict_steps(initial_state(plan, {}), FORWARD, Direction.FORWARD)

    assert len(scene.observe().ours) == 8
    assert all(
        r.tags[Tag.MIGRATION] == MIGRATION
        for r in scene.world.connections.values()
        if r.vpn_gateway == NEW
    )
