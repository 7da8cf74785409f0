"""Authorization: what each call needs to be allowed, and a world that refuses the rest.

Written from AWS's Service Authorization Reference (domain.md 11), independently of the policies
that this program generates, so that the two can be tried against each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from vpnmigrate.model.clock import Clock
from vpnmigrate.model.ec2 import partition_of
from vpnmigrate.sandbox.ec2.dispatch import NOBODY_IN_PARTICULAR
from vpnmigrate.sandbox.ec2.ids import ApiError, kind_of
from vpnmigrate.sandbox.ec2.request import Params
from vpnmigrate.sandbox.policy import AuthorizedAction, Context, Denial, Policy
from vpnmigrate.sandbox.state import WorldState

if TYPE_CHECKING:
    from vpnmigrate.sandbox.world import World

_NEW: Final = ""
"""In place of a parameter: the resource that the call creates."""

RESOURCES: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "AssociateRouteTable": (
        ("route-table", "RouteTableId"),
        ("subnet", "SubnetId"),
        ("vpn-gateway", "GatewayId"),
    ),
    "AttachVpnGateway": (("vpc", "VpcId"), ("vpn-gateway", "VpnGatewayId")),
    "CreateCustomerGateway": (("customer-gateway", _NEW),),
    "CreateRoute": (("route-table", "RouteTableId"),),
    "CreateRouteTable": (("route-table", _NEW), ("vpc", "VpcId")),
    "CreateSubnet": (("subnet", _NEW), ("vpc", "VpcId")),
    "CreateVpc": (("vpc", _NEW),),
    "CreateVpnConnection": (
        ("vpn-connection", _NEW),
        ("customer-gateway", "CustomerGatewayId"),
        ("vpn-gateway", "VpnGatewayId"),
    ),
    "CreateVpnConnectionRoute": (("vpn-connection", "VpnConnectionId"),),
    "CreateVpnGateway": (("vpn-gateway", _NEW),),
    "DeleteCustomerGateway": (("customer-gateway", "CustomerGatewayId"),),
    "DeleteRoute": (("route-table", "RouteTableId"),),
    "DeleteRouteTable": (("route-table", "RouteTableId"),),
    "DeleteSubnet": (("subnet", "SubnetId"),),
    "DeleteVpc": (("vpc", "VpcId"),),
    "DeleteVpnConnection": (("vpn-connection", "VpnConnectionId"),),
    "DeleteVpnConnectionRoute": (("vpn-connection", "VpnConnectionId"),),
    "DeleteVpnGateway": (("vpn-gateway", "VpnGatewayId"),),
    "DetachVpnGateway": (("vpc", "VpcId"), ("vpn-gateway", "VpnGatewayId")),
    "DisableVgwRoutePropagation": (("route-table", "RouteTableId"), ("vpn-gateway", "GatewayId")),
    "EnableVgwRoutePropagation": (("route-table", "RouteTableId"), ("vpn-gateway", "GatewayId")),
    "GetActiveVpnTunnelStatus": (("vpn-connection", "VpnConnectionId"),),
    "GetVpnConnectionDeviceSampleConfiguration": (
        ("vpn-connection", "VpnConnectionId"),
        ("vpn-connection-device-type", "VpnConnectionDeviceTypeId"),
    ),
    "GetVpnTunnelReplacementStatus": (("vpn-connection", "VpnConnectionId"),),
    "ModifyVpnTunnelOptions": (("vpn-connection", "VpnConnectionId"),),
    "ReplaceRoute": (("route-table", "RouteTableId"),),
}
"""Operation to the types of resource that it is authorized on, each with the parameter of its id.

CreateTags, DeleteTags and DisassociateRouteTable are resolved below; reads have no resource.
"""

_MONITORED: Final = {"DescribeAlarms": "alarm:*", "GetDashboard": "dashboard/{}"}
"""Operations of CloudWatch that are authorized on a resource, with the last part of its ARN."""

_IAM_NAMES: Final = {"service-quotas": "servicequotas"}
"""Services whose prefix in IAM differs from boto3's name."""

_NEEDS_NO_PERMISSION: Final = ("sts", "GetCallerIdentity")


def authorized_actions(
    state: WorldState, service: str, operation: str, params: Params
) -> Iterator[AuthorizedAction]:
    """Yield what the caller of *operation* must be allowed to do."""
    action = f"{_IAM_NAMES.get(service, service)}:{operation}"
    if operation == "AssumeRole":
        yield AuthorizedAction(action, str(params.get("RoleArn", "*")))
        return
    if service == "cloudwatch" and operation in _MONITORED:
        partition, part = partition_of(state.region), _MONITORED[operation]
        region = "" if operation == "GetDashboard" else state.region
        arn = f"arn:{partition}:cloudwatch:{region}:{state.account}:{part}"
        yield AuthorizedAction(action, arn.format(params.get("DashboardName", "*")))
        return
    asked = tuple(_on_resources(state, action, operation, params)) if service == "ec2" else ()
    yield from asked or (AuthorizedAction(action, "*"),)
    for specification in params.get("TagSpecifications") or () if asked else ():
        requested = _requested(specification.get("Tags") or ())
        created = {"ec2:createaction": (operation,), **requested}
        arn = _arn(state, str(specification.get("ResourceType", "*")), "*")
        yield AuthorizedAction("ec2:CreateTags", arn, created)


def _on_resources(
    state: WorldState, action: str, operation: str, params: Params
) -> Iterator[AuthorizedAction]:
    if operation in ("CreateTags", "DeleteTags"):
        requested = _requested(params.get("Tags") or ())
        for identifier in params.get("Resources") or ():
            type_ = kind_of(identifier).type
            yield _existing(state, action, type_, identifier, requested)
    elif operation == "DisassociateRouteTable":
        yield from _of_association(state, action, str(params.get("AssociationId", "")))
    for type_, parameter in RESOURCES.get(operation, ()):
        if parameter == _NEW:
            tags = [
                tag
                for each in params.get("TagSpecifications") or ()
                if each.get("ResourceType") == type_
                for tag in each.get("Tags") or ()
            ]
            yield AuthorizedAction(action, _arn(state, type_, "*"), _requested(tags))
        elif identifier := params.get(parameter):
            yield _existing(state, action, type_, str(identifier))


def _of_association(state: WorldState, action: str, identifier: str) -> Iterator[AuthorizedAction]:
    for table in state.tables.values():
        for tie in table.associations:
            if tie.id == identifier:
                yield _existing(state, action, "route-table", table.id)
                if tie.subnet:
                    yield _existing(state, action, "subnet", tie.subnet)
                if tie.gateway:
                    yield _existing(state, action, "vpn-gateway", tie.gateway)


def _existing(
    state: WorldState, action: str, type_: str, identifier: str, requested: Context | None = None
) -> AuthorizedAction:
    context = {
        f"{source}:resourcetag/{key.lower()}": (value,)
        for key, value in state.tags.get(identifier, {}).items()
        for source in ("aws", "ec2")
    }
    if type_ == "route-table" and identifier in state.tables:
        context["ec2:vpc"] = (_arn(state, "vpc", state.tables[identifier].vpc),)
    return AuthorizedAction(
        action, _arn(state, type_, identifier), {**context, **(requested or {})}
    )


def _requested(tags: Any) -> Context:
    """Return the condition keys of the tags in a request; without tags they are absent."""
    keys = tuple(tag["Key"] for tag in tags)
    values = {f"aws:requesttag/{tag['Key'].lower()}": (tag.get("Value") or "",) for tag in tags}
    return {**values, "aws:tagkeys": keys} if keys else {}


def _arn(state: WorldState, type_: str, identifier: str) -> str:
    # Device types are AWS's: their ARN has no account here, the strictest reading (domain.md 11).
    account = "" if type_ == "vpn-connection-device-type" else state.account
    region = state.region
    return f"arn:{partition_of(region)}:ec2:{region}:{account}:{type_}/{identifier}"


class CalledWorld(Protocol):
    """What a client needs of a world (``world.World``)."""

    @property
    def account(self) -> str:
        """The only account."""
        ...

    @property
    def region(self) -> str:
        """The Region of the world."""
        ...

    @property
    def clock(self) -> Clock:
        """The clock of the world."""
        ...

    def handles(self, service: str, action: str) -> bool:
        """Return whether the world answers *action* of *service*, named as in boto3."""
        ...

    def execute(self, service: str, action: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Execute *action* and return its answer."""
        ...


class AuthorizedWorld:
    """A world whose callers may do only what *policy* allows.

    Calls are passed to *through*, which is the world itself unless something stands in front of it.
    A call that the world does not know is refused as well, unless the policy allows it.
    """

    def __init__(self, world: World, policy: Policy, through: CalledWorld | None = None) -> None:
        self.account = world.account
        self.region = world.region
        self.clock = world.clock
        self._world = world
        self._policy = policy
        self._through = through or world

    def handles(self, service: str, action: str) -> bool:
        """Return whether the call is answered here: by the world, or with a refusal."""
        return (
            self._through.handles(service, action) or self._denial(service, action, {}) is not None
        )

    def execute(self, service: str, action: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Execute *action* if the policy allows it, and return its answer.

        Raises:
            ApiError: The error that AWS would return; a refusal comes before any other.
        """
        if denial := self._denial(service, action, params):
            raise _refusal(service, denial, self.account)
        return self._through.execute(service, action, params)

    def _denial(self, service: str, action: str, params: Params) -> Denial | None:
        if (service, action) == _NEEDS_NO_PERMISSION:
            return None
        with self._world.to_be_read() as state:
            return self._policy.denial(authorized_actions(state, service, action, params))


def _refusal(service: str, denial: Denial, account: str) -> ApiError:
    caller = f"arn:aws:iam::{account}:user/{NOBODY_IN_PARTICULAR}"
    why = (
        "with an explicit deny in an identity-based policy"
        if denial.explicit
        else f"because no identity-based policy allows the {denial.action} action"
    )
    words = (
        f"User: {caller} is not authorized to perform: {denial.action} "
        f"on resource: {denial.resource} {why}"
    )
    if service == "ec2":
        return ApiError(
            "UnauthorizedOperation",
            f"You are not authorized to perform this operation. {words}",
            403,
        )
    return ApiError("AccessDeniedException", words)
