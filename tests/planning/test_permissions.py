"""Permissions: every call that a plan can lead to is in the catalogue, and no other."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import get_args

import botocore.session
import pytest
from botocore.model import StructureShape
from botocore.validate import ParamValidator

import vpnmigrate.aws
from tests.support.builders import (
    BOTH,
    NEW,
    OLD,
    OLD_VPN,
    PREFIX,
    a_connection,
    a_plan,
    a_survey,
    a_table,
)
from vpnmigrate.model.changes import ArchiveConfiguration, AwsChange, MutatingChange
from vpnmigrate.model.ec2 import Role
from vpnmigrate.model.plan import GATEWAY_ROLE, Plan
from vpnmigrate.planning.permissions import (
    ASSUME_ROLE_ACTION,
    DELETE_OLD_GATEWAY,
    DISCOVERY_ACTIONS,
    ORGANIZATION_ACTION,
    CallResource,
    ResourceOrigin,
    RunPhase,
    every_planned_call,
    planned_calls,
    required_actions,
)
from vpnmigrate.planning.reference_plan import plan_with_everything
from vpnmigrate.planning.rollback_proof import BACK, prove
from vpnmigrate.steps.base import Step
from vpnmigrate.steps.sequences import FORWARD


def only_static_routes() -> Plan:
    """Return a plan without propagation, edge tables, static prefixes or a test VPC."""
    survey = a_survey(
        connections=(a_connection(prefixes=[]),),
        route_tables=(a_table(BOTH, static={PREFIX: OLD}),),
    )
    return a_plan(before=survey)


PLANS = {"everything": plan_with_everything(), "only-static-routes": only_static_routes()}


def recording(steps: tuple[Step, ...], seen: list[object]) -> tuple[Step, ...]:
    """Return *steps* that add every change they propose to *seen*."""

    def recorded(step: Step) -> Step:
        class Recorded(type(step)):  # type: ignore[misc]
            def missing_changes(self, view):
                for change in super().missing_changes(view):
                    seen.append(change)
                    yield change

        made: Step = Recorded()
        return made

    return tuple(map(recorded, steps))


@pytest.mark.parametrize("name", PLANS)
def test_every_reachable_state_is_covered(name: str) -> None:
    """Whatever a step proposes in any state of the rollback proof is in the catalogue."""
    plan, seen = PLANS[name], list[object]()
    assert prove(plan, recording(FORWARD, seen), recording(BACK, seen)).holds

    known = {(call.operation, call.actions) for call in planned_calls(plan)}
    assert {
        (change.call, required_actions(change, plan))
        for change in seen
        if isinstance(change, MutatingChange)
    } <= known


def test_every_kind_of_change_is_covered() -> None:
    """Each class of the union that calls EC2 is a call of a plan that needs all of them."""
    calls = {call.operation for call in planned_calls(plan_with_everything())}
    classes = [kind for kind in get_args(AwsChange) if kind is not ArchiveConfiguration]
    assert {_operation(kind) for kind in classes} == calls


def _operation(kind: type) -> str:
    call = kind.__dict__.get("call")
    return call.fget(None) if call else kind.__name__


def test_what_a_plan_does_not_need_is_left_out() -> None:
    """Without test VPC, propagation, edge tables and prefixes their calls are left out."""
    plan = PLANS["only-static-routes"]
    assert {call.operation for call in planned_calls(plan)} == {
        "AttachVpnGateway",
        "CreateRoute",
        "CreateTags",
        "CreateVpnConnection",
        "CreateVpnGateway",
        "DeleteTags",
        "DeleteVpnConnection",
        "DeleteVpnGateway",
        "DetachVpnGateway",
        "ReplaceRoute",
    }
    assert "DescribeSubnets" not in {call.operation for call in every_planned_call(plan)}


def test_calls_are_those_that_the_program_sends() -> None:
    """Each call is valid for EC2's model, and says truly whether EC2 has a dry run of it."""
    ec2 = botocore.session.Session().get_service_model("ec2")
    for call in planned_calls(plan_with_everything()):
        shape = ec2.operation_model(call.operation).input_shape
        assert isinstance(shape, StructureShape)
        assert not ParamValidator().validate(call.parameters, shape).has_errors()
        assert call.has_dry_run == ("DryRun" in shape.members)


class TestUses:
    def test_the_swap_belongs_to_cutover_and_rollback(self) -> None:
        """The old gateway is detached in a cutover and attached in a rollback."""
        plan = plan_with_everything()
        swap = {"VpnGatewayId": plan.old_gateway, "VpcId": plan.vpc}
        phases = {
            call.operation: call.phases
            for call in planned_calls(plan_with_everything())
            if call.parameters == swap
        }
        assert phases == {
            "DetachVpnGateway": {RunPhase.CUTOVER},
            "AttachVpnGateway": {RunPhase.ROLLBACK},
        }

    def test_a_claim_may_be_placed_in_every_phase(self) -> None:
        """Another process may continue a run in any phase, and places its own claim."""
        claim = next(
            c for c in planned_calls(plan_with_everything()) if c.operation == "CreateTags"
        )
        assert claim.phases == frozenset(RunPhase) - {RunPhase.DISCOVER}

    def test_deletions_outside_step_6_only_remove(self) -> None:
        """Deleting is clean-up or finalize, except for the test VPC, which step 6 removes."""
        removing = {c.operation for c in planned_calls(plan_with_everything()) if c.only_removes}
        assert removing == {"DeleteTags", "DeleteVpnConnection", "DeleteVpnGateway"}

    def test_the_old_gateway_is_deleted_on_request_only(self) -> None:
        """Only finalize with its option deletes the old gateway."""
        optional = [c for c in planned_calls(plan_with_everything()) if c.optional]
        assert [(c.operation, c.parameters) for c in optional] == [
            ("DeleteVpnGateway", {"VpnGatewayId": "vgw-old"})
        ]
        assert {use.option for use in optional[0].uses} == {DELETE_OLD_GATEWAY}


class TestResources:
    def test_old_and_new_are_told_apart(self) -> None:
        """Surveyed resources are named by id; those of the run are recognised by their tags."""
        plan = plan_with_everything()
        attach = next(
            call
            for call in planned_calls(plan_with_everything())
            if call.operation == "AttachVpnGateway" and call.parameters["VpcId"] == plan.vpc
        )
        assert attach.actions[0].resources == (
            CallResource("vpc", plan.vpc, ResourceOrigin.SURVEYED),
            CallResource("vpn-gateway", GATEWAY_ROLE, ResourceOrigin.TAGGED),
        )
        assert attach.unknown_ids == (GATEWAY_ROLE,)

    def test_a_creation_also_needs_create_tags(self) -> None:
        """A call with tags for the new resource needs the permission to create tags."""
        creating = [
            c for c in planned_calls(plan_with_everything()) if "TagSpecifications" in c.parameters
        ]
        assert creating
        for call in creating:
            assert [needed.action for needed in call.actions] == [
                f"ec2:{call.operation}",
                "ec2:CreateTags",
            ]
            kind = call.parameters["TagSpecifications"][0]["ResourceType"]
            assert call.actions[1].resources == (CallResource(kind, "*", ResourceOrigin.NEW),)

    def test_ids_of_the_run_take_the_place_of_roles(self) -> None:
        """With the ids that a run has created, its calls can be tried as they are."""
        calls = planned_calls(PLANS["only-static-routes"], {GATEWAY_ROLE: NEW})
        attached = {
            call.parameters["VpnGatewayId"]: call.unknown_ids
            for call in calls
            if call.operation == "AttachVpnGateway"
        }
        assert attached == {OLD: (), NEW: ()}
        deleted = [c for c in calls if c.operation == "DeleteVpnConnection" and c.unknown_ids]
        assert {c.unknown_ids for c in deleted} == {(Role(f"connection/{OLD_VPN}"),)}

    def test_the_table_of_the_test_vpc_has_no_tags(self) -> None:
        """AWS makes the test VPC's table, so no tag identifies it."""
        changes = [
            c for c in planned_calls(plan_with_everything()) if "RouteTableId" in c.parameters
        ]
        origins = {
            resource.origin
            for call in changes
            for resource in call.actions[0].resources
            if resource.type == "route-table"
        }
        assert origins == {ResourceOrigin.SURVEYED, ResourceOrigin.UNTAGGED}


WITHOUT_A_POLICY = {"sts:GetCallerIdentity", "iam:GetRole", "iam:SimulatePrincipalPolicy"}
"""What AWS always allows, and what a run can do without: IAM's answer where a dry run has none."""


class TestReads:
    def test_reads_are_those_of_the_adapter(self) -> None:
        """The reads are the actions that the AWS adapter names in its errors."""
        reads = (call for call in every_planned_call(plan_with_everything()) if not call.parameters)
        listed = {needed.action for read in reads for needed in read.actions}
        discovery = {*DISCOVERY_ACTIONS, ORGANIZATION_ACTION, ASSUME_ROLE_ACTION}
        assert listed | discovery | WITHOUT_A_POLICY == set(_named_in_the_adapter())

    def test_a_sample_is_read_of_the_new_connections(self) -> None:
        """A device type in the playbook needs the sample configuration in step 4."""
        plan = plan_with_everything()
        sample = next(r for r in every_planned_call(plan) if "Sample" in r.operation)
        assert sample.phases == {RunPhase.STAGE}
        assert {r.type for r in sample.actions[0].resources} == {
            "vpn-connection",
            "vpn-connection-device-type",
        }


def _named_in_the_adapter() -> list[str]:
    folder = Path(vpnmigrate.aws.__file__).parent
    calls = (
        node
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    )
    return [
        name
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "translate_errors"
        for name in (ast.literal_eval(argument) for argument in call.args[:1])
    ]
