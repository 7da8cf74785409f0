"""IAM policies: the least that a role needs for the calls of a plan, by phase.

A policy is derived from ``permissions``.  It has one statement for each type of resource and each
way to name it, for example one with the actions on the gateways of the migration.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec import Struct

from vpnmigrate.model.carry_over import successor_options, uses_secrets_manager
from vpnmigrate.model.ec2 import Tag, partition_of
from vpnmigrate.model.plan import Plan
from vpnmigrate.planning.permissions import (
    ASSUME_ROLE_ACTION,
    DISCOVERY_ACTIONS,
    MONITORED_TYPES,
    ORGANIZATION_ACTION,
    CallResource,
    ResourceOrigin,
    RunPhase,
    every_planned_call,
)
from vpnmigrate.planning.reference_plan import plan_with_everything

LARGEST: Final = 6144
"""Characters of a managed policy, without white space (IAM's quota)."""

Conditions = Mapping[str, Mapping[str, tuple[str, ...]]]
"""Operator to condition key to values, as in a policy."""

NO_CONDITIONS: Final[Conditions] = MappingProxyType({})


class IamStatement(Struct, frozen=True):
    """A statement that allows *actions* on *resources*."""

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Conditions = NO_CONDITIONS

    def document(self) -> dict[str, Any]:
        """Return the statement as it is written in a policy."""
        conditions = {
            operator: {key: _one_or_list(values) for key, values in keys.items()}
            for operator, keys in self.conditions.items()
        }
        return {
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": _one_or_list(self.actions),
            "Resource": _one_or_list(self.resources),
            **({"Condition": conditions} if conditions else {}),
        }


def _one_or_list(values: tuple[str, ...]) -> str | list[str]:
    return values[0] if len(values) == 1 else list(values)


class IamPolicy(Struct, frozen=True):
    """A policy that allows what its statements allow."""

    statements: tuple[IamStatement, ...]

    def document(self) -> dict[str, Any]:
        """Return the policy as IAM reads it."""
        return {
            "Version": "2012-10-17",
            "Statement": [statement.document() for statement in self.statements],
        }

    @property
    def size(self) -> int:
        """Number of characters that IAM counts: all but white space."""
        return len("".join(msgspec.json.encode(self.document()).decode().split()))


@dataclass(frozen=True)
class PolicyScope:
    """The account and the resources that a policy is for; ``*`` stands for any."""

    region: str = "*"
    account: str = "*"
    migration: str = "*"
    vpc: str = "*"
    tables_by_vpc: bool = False
    """Whether route tables are named by their VPC instead of their ids."""

    @property
    def any_plan(self) -> bool:
        """Whether the policy is for every plan, so that it contains no ids."""
        return self.migration == "*"

    def arn(self, type_: str, id_: str) -> str:
        """Return the ARN of an EC2 resource."""
        return f"arn:{partition_of(self.region)}:ec2:{self.region}:{self.account}:{type_}/{id_}"

    def tagged(self, source: str) -> Conditions:
        """Return the condition that *source*, such as ``aws:RequestTag``, has the tag."""
        operator = "StringLike" if self.any_plan else "StringEquals"
        return {operator: {f"{source}/{Tag.MIGRATION.value}": (self.migration,)}}

    def in_vpc(self, operator: str) -> Conditions:
        """Return the condition that a route table is in the plan's VPC, or is not."""
        return {operator: {"ec2:Vpc": (self.arn("vpc", self.vpc),)}}


def policy_of(plan: Plan, phases: Collection[RunPhase], options: Collection[str] = ()) -> IamPolicy:
    """Return the policy for *phases* of *plan*; *options* are those given to its commands.

    Route tables are listed by id, or as those of the plan's VPC if the policy would be too large.

    Raises:
        RefusedError: A step of the plan can never reach its goal.
    """
    scope = PolicyScope(plan.region, plan.account, plan.migration, plan.vpc)
    grants = tuple(_grants(plan, phases, options))
    staging = (*_service_role(plan, scope), *_tunnel_logs(plan))
    role = staging if RunPhase.STAGE in phases else ()
    listed = IamPolicy((*_statements(grants, scope), *role))
    if listed.size <= LARGEST:
        return listed
    compact = replace(scope, tables_by_vpc=True)
    return IamPolicy((*_statements(grants, compact), *role))


class OtherAccounts(Struct, frozen=True):
    """How a role reaches the accounts that it discovers."""

    roles: tuple[str, ...] = ()
    """ARNs of the roles that it assumes; an account may be ``*``."""
    organization: bool = False
    """Whether it lists the accounts of the organization."""


NO_OTHERS: Final = OtherAccounts()


def policy_for_any_plan(
    phases: Collection[RunPhase],
    region: str = "*",
    options: Collection[str] = (),
    others: OtherAccounts = NO_OTHERS,
) -> IamPolicy:
    """Return the policy for *phases* of every plan of an account, in *region* or in all Regions.

    It names old resources by their type alone, so it allows more than the policy of a plan.  With
    *others* it also allows to reach the other accounts of a discovery.
    """
    grants = list(_grants(plan_with_everything(), phases, options))
    if RunPhase.DISCOVER in phases:
        listing = (ORGANIZATION_ACTION,) if others.organization else ()
        plain = (a for a in DISCOVERY_ACTIONS if a not in MONITORED_TYPES)
        grants += (_read_grant(action) for action in (*plain, *listing))
    discovering = _discovering(PolicyScope(region), others) if RunPhase.DISCOVER in phases else ()
    return IamPolicy((*_statements(grants, PolicyScope(region)), *discovering))


def _discovering(scope: PolicyScope, others: OtherAccounts) -> Iterator[IamStatement]:
    """Yield the actions of a discovery besides describe calls of EC2."""
    for action, type_ in MONITORED_TYPES.items():
        # A dashboard belongs to no Region.
        region = "" if type_.startswith("dashboard") else scope.region
        arn = f"arn:{partition_of(scope.region)}:cloudwatch:{region}:{scope.account}:{type_}*"
        name = action.partition(":")[2]
        yield IamStatement(f"Vpnmigrate{name}", (action,), (arn,))
    if others.roles:
        yield IamStatement("VpnmigrateAssumeRole", (ASSUME_ROLE_ACTION,), others.roles)


def _read_grant(action: str) -> _Grant:
    return _Grant(action.partition(":")[2], action, None)


class _Grant(Struct, frozen=True):
    operation: str
    action: str
    resource: CallResource | None


def _grants(plan: Plan, phases: Collection[RunPhase], options: Collection[str]) -> Iterator[_Grant]:
    """Yield each action on each resource, in the order of the steps."""
    for call in every_planned_call(plan):
        if any(
            use.phase in phases and (not use.option or use.option in options) for use in call.uses
        ):
            for needed in call.actions:
                for resource in needed.resources or (None,):
                    yield _Grant(call.operation, needed.action, resource)


class _Group(Struct, frozen=True):
    """Grants with one condition, which become one statement."""

    rank: int
    sid: str
    conditions: Conditions = NO_CONDITIONS


def _statements(grants: Sequence[_Grant], scope: PolicyScope) -> Iterator[IamStatement]:
    actions: dict[str, set[str]] = {}
    resources: dict[str, set[str]] = {}
    groups: dict[str, _Group] = {}
    creating = sorted({g.operation for g in grants if _tags_new(g)})
    for grant in grants:
        group = _group_of(grant, scope, creating)
        groups[group.sid] = group
        actions.setdefault(group.sid, set()).add(grant.action)
        resources.setdefault(group.sid, set()).add(_resource(grant, scope))
    for group in sorted(groups.values(), key=lambda group: (group.rank, group.sid)):
        left = actions[group.sid]
        if scope.any_plan and group.sid.startswith(_NEW):
            # The statement for old resources of the type has no condition, so it covers new ones.
            left = left - actions.get(group.sid.replace(_NEW, _OLD), set())
        if left:
            yield IamStatement(
                group.sid,
                tuple(sorted(left)),
                tuple(sorted(resources[group.sid])),
                group.conditions,
            )


_NEW: Final = "VpnmigrateNew"

_OLD: Final = "VpnmigrateOld"

_TAGGING: Final = frozenset({"ec2:CreateTags", "ec2:DeleteTags"})

_CLAIM_KEYS: Final[Conditions] = {
    "ForAllValues:StringEquals": {"aws:TagKeys": (Tag.CLAIM.value, Tag.CHANGE.value)},
    # Without keys DeleteTags removes every tag, and ForAllValues holds for none.
    "Null": {"aws:TagKeys": ("false",)},
}

_OWN_TAG_KEY: Final = frozenset({"GetActiveVpnTunnelStatus"})
"""Operations that know a resource's tags by EC2's own condition key only (domain.md 11)."""

_TOPICS: Final = {
    "AssociateRouteTable": "Edge",
    "DisassociateRouteTable": "Edge",
    "DisableVgwRoutePropagation": "Propagation",
    "EnableVgwRoutePropagation": "Propagation",
}
"""Operations on a route table by topic; each topic has its own tables.  Others change routes."""


def _tags_new(grant: _Grant) -> bool:
    """Return whether *grant* is for the tags that a call sets on the resource it creates."""
    new = grant.resource is not None and grant.resource.origin is ResourceOrigin.NEW
    return new and grant.action == "ec2:CreateTags"


def _group_of(grant: _Grant, scope: PolicyScope, creating: Sequence[str]) -> _Group:
    resource = grant.resource
    if resource is None:
        return _Group(0, "VpnmigrateRead")
    if _tags_new(grant):
        created = {"ec2:CreateAction": tuple(creating)}
        return _Group(2, "VpnmigrateTagOnCreate", _both({"StringEquals": created}, _request(scope)))
    kind = "".join(word.capitalize() for word in resource.type.split("-"))
    match resource.origin:
        case ResourceOrigin.NEW:
            return _Group(1, f"VpnmigrateCreate{kind}", _request(scope))
        case ResourceOrigin.TAGGED if grant.operation in _OWN_TAG_KEY:
            return _Group(0, f"VpnmigrateReadNew{kind}", scope.tagged("ec2:ResourceTag"))
        case ResourceOrigin.TAGGED:
            return _Group(4, f"{_NEW}{kind}", scope.tagged("aws:ResourceTag"))
        case _ if resource.type == "route-table":
            return _table_group(grant.operation, resource.origin, scope)
        case ResourceOrigin.SURVEYED if grant.action in _TAGGING:
            return _Group(3, "VpnmigrateClaim", _CLAIM_KEYS)
        case ResourceOrigin.SURVEYED:
            return _Group(5, f"{_OLD}{kind}")
        case ResourceOrigin.UNTAGGED:
            return _Group(0, f"VpnmigrateRead{kind}")


def _request(scope: PolicyScope) -> Conditions:
    return scope.tagged("aws:RequestTag")


def _both(one: Conditions, other: Conditions) -> Conditions:
    return {name: {**one.get(name, {}), **other.get(name, {})} for name in {**one, **other}}


def _table_group(operation: str, origin: ResourceOrigin, scope: PolicyScope) -> _Group:
    if origin is ResourceOrigin.UNTAGGED and not scope.any_plan:
        return _Group(7, "VpnmigrateTestVpcRouteTable", scope.in_vpc("ArnNotEquals"))
    conditions = scope.in_vpc("ArnEquals") if scope.tables_by_vpc else NO_CONDITIONS
    return _Group(6, f"VpnmigrateRouteTables{_TOPICS.get(operation, 'Routes')}", conditions)


def _resource(grant: _Grant, scope: PolicyScope) -> str:
    resource = grant.resource
    if resource is None:
        return "*"
    if resource.type == "vpn-connection-device-type":
        # Whose account the ARN of a device type has is not documented (domain.md 11).
        return replace(scope, account="*").arn(resource.type, "*")
    by_vpc = resource.type == "route-table" and scope.tables_by_vpc
    known = resource.origin is ResourceOrigin.SURVEYED and not scope.any_plan and not by_vpc
    return scope.arn(resource.type, resource.id if known else "*")


_SERVICE: Final = "s2svpn.amazonaws.com"


_LOG_ACTIONS: Final = (
    *("logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups"),
    *("logs:DescribeResourcePolicies", "logs:GetLogDelivery", "logs:ListLogDeliveries"),
    *("logs:PutResourcePolicy", "logs:UpdateLogDelivery"),
)
"""What a caller who creates a connection with tunnel logs needs (domain.md 11)."""


def _tunnel_logs(plan: Plan) -> tuple[IamStatement, ...]:
    """Return the permission to deliver the logs that successors have."""
    logged = any(
        options.logs is not None
        for old in plan.before.living
        for options in successor_options(plan.decisions, old)
    )
    return (IamStatement("VpnmigrateTunnelLogs", _LOG_ACTIONS, ("*",)),) if logged else ()


def _service_role(plan: Plan, scope: PolicyScope) -> tuple[IamStatement, ...]:
    """Return the permission that the first connection with secrets or certificates may need.

    AWS manages the secrets of connections with a role of its own, which it creates on first use
    (domain.md 11).
    """
    secrets = any(uses_secrets_manager(plan.decisions, old) for old in plan.before.living)
    if not secrets and not any(device.certificate for device in plan.before.customer_gateways):
        return ()
    role = f"role/aws-service-role/{_SERVICE}/AWSServiceRoleForVPCS2SVPN"
    arn = f"arn:{partition_of(scope.region)}:iam::{scope.account}:{role}"
    return (
        IamStatement(
            "VpnmigrateServiceLinkedRole",
            ("iam:CreateServiceLinkedRole",),
            (arn,),
            {"StringEquals": {"iam:AWSServiceName": (_SERVICE,)}},
        ),
    )
