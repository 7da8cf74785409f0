"""Permissions: every AWS call that a plan can lead to, with the IAM actions that it needs.

The calls of the steps are not listed by hand: the production steps are predicted forward, back from
each step and through finalize, and each change they propose becomes the call that the program would
send.  Only the IAM actions of a change (``required_actions``) and the reads are written here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from vpnmigrate.model.changes import (
    AddStaticPrefix,
    Alteration,
    ArchiveConfiguration,
    AssociateEdge,
    AttachVpnGateway,
    Change,
    CreateRoute,
    CreateTestSubnet,
    CreateTestVpc,
    CreateVpnConnection,
    CreateVpnGateway,
    Creation,
    DeleteTestSubnet,
    DeleteTestVpc,
    DeleteVpnConnection,
    DeleteVpnGateway,
    Deletion,
    DetachVpnGateway,
    DisablePropagation,
    DisassociateEdge,
    EnablePropagation,
    MutatingChange,
    PlaceClaim,
    RemoveClaim,
    ReplaceRoute,
)
from vpnmigrate.model.changes.base import CallTags
from vpnmigrate.model.ec2 import WITHOUT_DRY_RUN, Role
from vpnmigrate.model.plan import (
    FIRST_OF_CUTOVER,
    LAST_OF_PREPARE,
    Direction,
    Phase,
    Plan,
    connection_role,
)
from vpnmigrate.planning.predicted_aws import PredictedMoment
from vpnmigrate.planning.prediction import HOLDER, initial_state, proposals
from vpnmigrate.steps.base import Step
from vpnmigrate.steps.sequences import (
    CLAIM,
    CLEAN_UP,
    CUTOVER,
    FINALIZE,
    FORWARD,
    RETIRE_WITH_GATEWAY,
)

DELETE_OLD_GATEWAY: Final = "--delete-old-gateway"
"""The option of ``finalize`` that deletes the old gateway as well."""


class RunPhase(StrEnum):
    """Part of a migration that may have a role of its own in AWS."""

    DISCOVER = "discover"
    """``plan``, ``status`` and drift: reads."""
    STAGE = "stage"
    """Steps 1 to 6."""
    CUTOVER = "cutover"
    """Steps 7 to 10."""
    ROLLBACK = "rollback"
    """Steps 7 to 10 with the gateways exchanged, and the clean-up."""
    FINALIZE = "finalize"
    """Step 11."""


class ResourceOrigin(StrEnum):
    """How a policy can name a resource."""

    SURVEYED = "surveyed"
    """By its id: it is in the plan's survey."""
    TAGGED = "tagged"
    """By the migration's tag: the run created it."""
    NEW = "new"
    """By the tag in the request: the call creates it."""
    UNTAGGED = "untagged"
    """Only by its type: it belongs to AWS, or AWS makes it with the test VPC."""


class CallResource(Struct, frozen=True):
    """A resource that EC2 authorizes an action on."""

    type: str
    """The resource type in its ARN: ``vpn-gateway``."""
    id: str
    """Its id; a role's name while the resource does not exist, or ``*``."""
    origin: ResourceOrigin


class RequiredAction(Struct, frozen=True):
    """An IAM action and the resources that it must be allowed on; none means ``*``."""

    action: str
    resources: tuple[CallResource, ...] = ()


class CallUse(Struct, frozen=True):
    """A use of a call: by which step, in which phase."""

    phase: RunPhase
    step: int
    removes: bool = False
    """Whether the step only removes what is no longer needed: clean-up and finalize."""
    option: str = ""
    """The option without which the program never makes the call."""


class PlannedCall(Struct, frozen=True):
    """A call that the program may make for a plan."""

    operation: str
    parameters: dict[str, Any]
    """What the program would send, without keys; empty for a read."""
    actions: tuple[RequiredAction, ...]
    uses: tuple[CallUse, ...]
    has_dry_run: bool
    """Whether the operation has the parameter ``DryRun``."""
    unknown_ids: tuple[str, ...] = ()
    """Values in *parameters* that stand for the ids of resources that do not exist yet."""

    @property
    def phases(self) -> frozenset[RunPhase]:
        """The phases in which the call is made."""
        return frozenset(use.phase for use in self.uses)

    @property
    def only_removes(self) -> bool:
        """Whether only clean-up and finalize need the call: traffic flows without it."""
        return all(use.removes for use in self.uses)

    @property
    def optional(self) -> bool:
        """Whether the call is made only with an option of the command line."""
        return all(use.option for use in self.uses)


PredictedUse = tuple[Change, CallUse]
"""A change that a step can propose, and the use of its call."""


def every_planned_call(plan: Plan) -> tuple[PlannedCall, ...]:
    """Return the reads of *plan*, then its other calls (``planned_calls``).

    Raises:
        RefusedError: A step can never reach its goal.
    """
    predicted = tuple(_predicted_uses(plan, {}))
    return (*_reads(plan, predicted), *_calls(plan, predicted, {}, 1))


def planned_calls(
    plan: Plan, made: Mapping[Role, str] = MappingProxyType({}), *, attempt: int = 1
) -> tuple[PlannedCall, ...]:
    """Return every mutating call that the program can make for *plan*, in the order of the steps.

    *made* has the ids of the resources that the run has created already.

    Raises:
        RefusedError: A step can never reach its goal.
    """
    return _calls(plan, _predicted_uses(plan, made), made, attempt)


def _calls(
    plan: Plan, predicted: Iterable[PredictedUse], made: Mapping[Role, str], attempt: int
) -> tuple[PlannedCall, ...]:
    uses: dict[bytes, list[CallUse]] = {}
    changes: dict[bytes, MutatingChange] = {}
    for change, use in predicted:
        if isinstance(change, MutatingChange):
            key = msgspec.json.encode(change)
            changes[key] = change
            uses.setdefault(key, []).append(use)
    tags = CallTags(plan.migration, attempt, 0, plan.decisions.change)
    known = frozenset((*_surveyed_ids(plan), *made.values()))
    return tuple(
        _call(change, tuple(dict.fromkeys(uses[key])), plan, known, tags)
        for key, change in changes.items()
    )


def _call(
    change: MutatingChange,
    uses: tuple[CallUse, ...],
    plan: Plan,
    known: frozenset[str],
    tags: CallTags,
) -> PlannedCall:
    """Return the call for *change*; *known* has the ids of the resources that exist."""
    request = change.request(tags)
    return PlannedCall(
        operation=request.operation,
        parameters=request.parameters,
        actions=required_actions(change, plan),
        uses=uses,
        has_dry_run=request.operation not in WITHOUT_DRY_RUN,
        unknown_ids=tuple(sorted({id_ for id_ in _ids_in(request.parameters) if id_ not in known})),
    )


def _surveyed_ids(plan: Plan) -> Iterator[str]:
    yield from plan.surveyed
    yield from (device.id for device in plan.before.customer_gateways)
    for table in plan.before.route_tables:
        yield table.id
        yield from (association.id for association in table.associations)


def _ids_in(parameters: Mapping[str, Any]) -> Iterator[str]:
    for name, value in parameters.items():
        if name == "Resources":
            yield from value
        elif name.endswith("Id") and name != "DestinationPrefixListId":
            yield value


def _reads(plan: Plan, predicted: Iterable[PredictedUse]) -> tuple[PlannedCall, ...]:
    """Return every read; AWS requires no permission for ``sts:GetCallerIdentity``."""
    every = tuple(CallUse(phase, 0) for phase in RunPhase)
    reads = [_read(service, operation, every) for service, operation in SURVEY_READS]
    if plan.decisions.test_vpc is not None:
        reads.append(
            _read(
                "ec2",
                "DescribeSubnets",
                tuple(use for use in every if use.phase is not RunPhase.DISCOVER),
            )
        )
    cutover = (CallUse(RunPhase.CUTOVER, 0),)
    old = tuple(_tagged("vpn-connection", id_, plan) for id_ in plan.old_connections)
    new = tuple(
        _tagged("vpn-connection", connection_role(id_), plan) for id_ in plan.old_connections
    )
    reads.append(_read("ec2", "GetActiveVpnTunnelStatus", cutover, new))
    reads.append(_read("ec2", "GetVpnTunnelReplacementStatus", cutover, (*old, *new)))
    samples = [
        (change.connection, use)
        for change, use in predicted
        if isinstance(change, ArchiveConfiguration) and change.device_type is not None
    ]
    if samples:
        uses = tuple(dict.fromkeys(use for _, use in samples))
        connections = dict.fromkeys(_tagged("vpn-connection", id_, plan) for id_, _ in samples)
        device_type = CallResource("vpn-connection-device-type", "*", ResourceOrigin.UNTAGGED)
        sample = "GetVpnConnectionDeviceSampleConfiguration"
        reads.append(_read("ec2", "GetVpnConnectionDeviceTypes", uses))
        reads.append(_read("ec2", sample, uses, (*connections, device_type)))
    return tuple(reads)


SURVEY_READS: Final = (
    ("ec2", "DescribeAccountVpcEncryptionControl"),
    ("ec2", "DescribeCustomerGateways"),
    ("ec2", "DescribeRouteTables"),
    ("ec2", "DescribeVpcEncryptionControls"),
    ("ec2", "DescribeVpcs"),
    ("ec2", "DescribeVpnConnections"),
    ("ec2", "DescribeVpnGateways"),
    ("directconnect", "DescribeDirectConnectGatewayAssociations"),
    ("directconnect", "DescribeVirtualInterfaces"),
    ("service-quotas", "GetServiceQuota"),
)
"""The reads of a survey, which every phase makes: to plan, or to compare AWS with the plan."""

MONITORING_ACTIONS: Final = (
    "cloudwatch:DescribeAlarms",
    "cloudwatch:GetDashboard",
    "cloudwatch:ListDashboards",
    "events:ListEventBuses",
    "events:ListRules",
    "logs:DescribeLogGroups",
)
"""What ``discover --gateway`` reads beside the survey."""

MONITORED_TYPES: Final = {
    "cloudwatch:DescribeAlarms": "alarm:",
    "cloudwatch:GetDashboard": "dashboard/",
}
"""Those that IAM authorizes on a type of resource, with the beginning of its ARN's last part."""

DISCOVERY_ACTIONS: Final = ("ec2:DescribeRegions", *MONITORING_ACTIONS)
"""What ``discover`` reads of an account beside the surveys."""

ORGANIZATION_ACTION: Final = "organizations:ListAccounts"

ASSUME_ROLE_ACTION: Final = "sts:AssumeRole"

_IAM_NAMES: Final = {"service-quotas": "servicequotas"}
"""Services whose prefix in IAM differs from botocore's name."""


def _read(
    service: str,
    operation: str,
    uses: tuple[CallUse, ...],
    resources: tuple[CallResource, ...] = (),
) -> PlannedCall:
    action = f"{_IAM_NAMES.get(service, service)}:{operation}"
    return PlannedCall(
        operation=operation,
        parameters={},
        actions=(RequiredAction(action, resources),),
        uses=uses,
        has_dry_run=service == "ec2",
    )


def required_actions(change: MutatingChange, plan: Plan) -> tuple[RequiredAction, ...]:
    """Return the IAM actions that the call for *change* needs (domain.md 11).

    A call with tags for the resource that it creates also needs ``ec2:CreateTags`` on it.
    """
    match change:
        case CreateVpnGateway() | CreateVpnConnection() | CreateTestVpc() | CreateTestSubnet():
            created, *others = _created(change, plan)
            return (
                RequiredAction(f"ec2:{change.call}", (created, *others)),
                RequiredAction("ec2:CreateTags", (created,)),
            )
        case _:
            return (RequiredAction(f"ec2:{change.call}", _altered(change, plan)),)


def _created(change: Creation, plan: Plan) -> tuple[CallResource, ...]:
    """Return the new resource and those that it is made from."""
    match change:
        case CreateVpnGateway():
            return (_new("vpn-gateway"),)
        case CreateVpnConnection():
            return (
                _new("vpn-connection"),
                CallResource("customer-gateway", change.customer_gateway, ResourceOrigin.SURVEYED),
                _tagged("vpn-gateway", change.gateway, plan),
            )
        case CreateTestVpc():
            return (_new("vpc"),)
        case CreateTestSubnet():
            return (_new("subnet"), _tagged("vpc", change.vpc, plan))


def _altered(change: Alteration | Deletion, plan: Plan) -> tuple[CallResource, ...]:
    match change:
        case AddStaticPrefix(connection):
            return (_tagged("vpn-connection", connection, plan),)
        case AttachVpnGateway(gateway, vpc) | DetachVpnGateway(gateway, vpc):
            return (_tagged("vpc", vpc, plan), _tagged("vpn-gateway", gateway, plan))
        case EnablePropagation(table, gateway) | DisablePropagation(table, gateway):
            return (_table(table, plan), _tagged("vpn-gateway", gateway, plan))
        case AssociateEdge(table, gateway) | DisassociateEdge(table, gateway):
            return (_table(table, plan), _tagged("vpn-gateway", gateway, plan))
        case ReplaceRoute(table) | CreateRoute(table):
            return (_table(table, plan),)
        case PlaceClaim(gateway) | RemoveClaim(gateway):
            return (_tagged("vpn-gateway", gateway, plan),)
        case DeleteVpnConnection(id=id_):
            return (_tagged("vpn-connection", id_, plan),)
        case DeleteVpnGateway(id=id_):
            return (_tagged("vpn-gateway", id_, plan),)
        case DeleteTestSubnet(id=id_):
            return (_tagged("subnet", id_, plan),)
        case DeleteTestVpc(id=id_):
            return (_tagged("vpc", id_, plan),)


def _new(type_: str) -> CallResource:
    return CallResource(type_, "*", ResourceOrigin.NEW)


def _tagged(type_: str, id_: str, plan: Plan) -> CallResource:
    """Return a resource of the survey, or else one with the migration's tags."""
    origin = ResourceOrigin.SURVEYED if id_ in plan.surveyed else ResourceOrigin.TAGGED
    return CallResource(type_, id_, origin)


def _table(id_: str, plan: Plan) -> CallResource:
    """Return a route table; AWS makes the test VPC's, which has no tags."""
    if any(table.id == id_ for table in plan.before.route_tables):
        return CallResource("route-table", id_, ResourceOrigin.SURVEYED)
    return CallResource("route-table", id_, ResourceOrigin.UNTAGGED)


def _predicted_uses(plan: Plan, made: Mapping[Role, str]) -> Iterator[PredictedUse]:
    """Yield every change that the steps can propose, with its use."""
    scene = _unclaimed(initial_state(plan, made), plan)
    for step in FORWARD:
        phase = RunPhase.STAGE if step.number <= LAST_OF_PREPARE else RunPhase.CUTOVER
        if step.number == FIRST_OF_CUTOVER:
            yield from _walk(_unclaimed(scene, plan), CLAIM, Direction.FORWARD, phase)
        for turn in proposals(scene, step, Direction.FORWARD):
            yield from _used(turn.changes, step, phase)
            scene = turn.after(turn.changes)
            # Step 6 removes what it creates, so its rollback differs from one proposal to the next.
            if step.number == LAST_OF_PREPARE:
                yield from _rollback(scene, plan, step)
        yield from _rollback(scene, plan, step)
    start = _unclaimed(scene, plan)
    for steps, option in ((FINALIZE, ""), (RETIRE_WITH_GATEWAY, DELETE_OLD_GATEWAY)):
        yield from _walk(start, steps, Direction.FINALIZE, RunPhase.FINALIZE, option)


def _rollback(scene: PredictedMoment, plan: Plan, after: Step) -> Iterator[PredictedUse]:
    """Yield the rollback from *scene*, in which *after* is done or has begun."""
    cutover = CUTOVER if after.number >= FIRST_OF_CUTOVER else ()
    steps = (*CLAIM, *cutover, *CLEAN_UP)
    yield from _walk(_unclaimed(scene, plan), steps, Direction.ROLLBACK, RunPhase.ROLLBACK)


def _walk(
    scene: PredictedMoment,
    steps: Iterable[Step],
    direction: Direction,
    phase: RunPhase,
    option: str = "",
) -> Iterator[PredictedUse]:
    for step in steps:
        for turn in proposals(scene, step, direction):
            yield from _used(turn.changes, step, phase, option)
            scene = turn.after(turn.changes)


def _used(
    changes: Sequence[Change], step: Step, phase: RunPhase, option: str = ""
) -> Iterator[PredictedUse]:
    removes = step.phase in (Phase.CLEAN_UP, Phase.FINALIZE)
    use = CallUse(phase, step.number, removes, option)
    for change in changes:
        yield change, use
        if isinstance(change, ReplaceRoute):
            # Step 9 creates a route that was deleted outside the run; no prediction shows that.
            yield CreateRoute(change.table, change.destination, change.gateway), use


def _unclaimed(scene: PredictedMoment, plan: Plan) -> PredictedMoment:
    """Return *scene* as a later process may find it: without its claim, and traffic unverified."""
    world = scene.world.after([RemoveClaim(plan.old_gateway, HOLDER)])
    return replace(scene, world=world, journal_facts=replace(scene.journal_facts, verified=None))
