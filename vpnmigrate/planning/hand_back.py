"""Hand-back to code: changes to Terraform and CloudFormation code after a migration.

Terraform forgets an old resource (``removed``), adopts its successor under a second name
(``import``), and gives it the old name back (``moved``): a ``removed`` block needs the name to be
free.  An instance with a key cannot be named in ``removed``, so ``terraform state rm`` forgets it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from msgspec import Struct

from vpnmigrate.model.discovery import TerraformResource
from vpnmigrate.model.ec2 import ConnectionRecord, GatewayRecord, Role
from vpnmigrate.model.errors.commands import Command
from vpnmigrate.model.plan import GATEWAY_ROLE, Plan, connection_role

SUFFIX: Final = "_migrated"
"""Of the second name, between the two stages."""
_REPLACED: Final = frozenset({"aws_vpn_gateway", "aws_vpn_connection"})
_BOUND: Final = frozenset(
    {
        "aws_vpn_gateway_attachment",
        "aws_vpn_gateway_route_propagation",
        "aws_vpn_connection_route",
    }
)
"""Resources without an import in the AWS provider; their ids are made of the old ones."""
_STACK: Final = "aws:cloudformation:stack-name"
_LOGICAL: Final = "aws:cloudformation:logical-id"


class StackImport(Struct, frozen=True):
    """A resource that a CloudFormation stack has to adopt in place of another."""

    stack: str
    logical_id: str
    type: str
    identifier: str
    """The property that names it in an import."""
    old: str
    new: str


class HandBack(Struct, frozen=True):
    """Blocks and tasks, in the order in which they are done."""

    first: tuple[str, ...] = ()
    """Terraform blocks of the first stage: forget and adopt."""
    before_first: tuple[str | Command, ...] = ()
    second: tuple[str, ...] = ()
    """Terraform blocks of the second stage: the old names."""
    before_second: tuple[str, ...] = ()
    afterwards: tuple[str, ...] = ()
    stacks: tuple[StackImport, ...] = ()


def successors(plan: Plan, made: Mapping[Role, str]) -> dict[str, str]:
    """Return the new id of each old gateway and connection that a run has replaced."""
    roles: dict[str, Role] = {plan.old_gateway: GATEWAY_ROLE}
    roles |= {str(each.id): connection_role(each.id) for each in plan.before.living}
    return {old: made[role] for old, role in roles.items() if role in made}


def hand_back(
    plan: Plan, made: Mapping[Role, str], resources: Iterable[TerraformResource]
) -> HandBack:
    """Return the changes to the code that owns *resources*; *made* are a run's new ids."""
    new_ids = successors(plan, made)
    parts = [part for resource in resources if (part := _terraform(resource, new_ids)) is not None]
    return HandBack(
        first=tuple(block for part in parts for block in part.first),
        before_first=tuple(task for part in parts for task in part.before_first),
        second=tuple(block for part in parts for block in part.second),
        before_second=tuple(task for part in parts for task in part.before_second),
        afterwards=tuple(task for part in parts for task in part.afterwards),
        stacks=tuple(_stacks(plan, new_ids)),
    )


def _terraform(resource: TerraformResource, new_ids: Mapping[str, str]) -> HandBack | None:
    held = [value for value in resource.values if value in new_ids]
    if resource.type in _REPLACED and resource.id in new_ids:
        return _replaced(resource, new_ids[resource.id])
    if not held:
        return None
    if resource.type in _BOUND:
        return _bound(resource)
    literal = ", ".join(f"{old} is {new_ids[old]}" for old in held)
    return HandBack(
        afterwards=(f"{resource.address} held old ids: where the code writes them, {literal}",)
    )


def _replaced(resource: TerraformResource, new: str) -> HandBack:
    address = resource.address
    if resource.keyed:
        return HandBack(first=(_import(address, new),), before_first=(_forget(address),))
    second_name = f"{address}{SUFFIX}"
    return HandBack(
        first=(_removed(address), _import(second_name, new)),
        before_first=(f"rename the block {address} to {second_name}, with all references to it",),
        second=(_moved(second_name, address),),
        before_second=(f"rename {second_name} back to {address}",),
    )


def _bound(resource: TerraformResource) -> HandBack:
    address = resource.address
    again = (
        f"{address}: plan shows it as to be created, because the provider cannot import it; EC2 "
        "has it already and accepts a repeated attach and propagation"
    )
    if resource.keyed:
        return HandBack(before_first=(_forget(address),), afterwards=(again,))
    return HandBack(
        first=(_removed(address),),
        before_first=(f"take the block {address} out of the configuration",),
        before_second=(f"put {address} back",),
        afterwards=(again,),
    )


def _forget(address: str) -> Command:
    return Command(("terraform", "state", "rm", address))


def _removed(address: str) -> str:
    return f"removed {{\n  from = {address}\n  lifecycle {{\n    destroy = false\n  }}\n}}\n"


def _import(address: str, new: str) -> str:
    return f'import {{\n  to = {address}\n  id = "{new}"\n}}\n'


def _moved(old: str, new: str) -> str:
    return f"moved {{\n  from = {old}\n  to   = {new}\n}}\n"


def _stacks(plan: Plan, new_ids: Mapping[str, str]) -> Iterator[StackImport]:
    """Yield the imports of stacks, by the tags of the survey."""
    records: tuple[GatewayRecord | ConnectionRecord, ...] = (
        plan.before.gateway,
        *plan.before.living,
    )
    for record in records:
        stack = record.tags.get(_STACK)
        if stack and record.id in new_ids:
            is_gateway = isinstance(record, GatewayRecord)
            yield StackImport(
                stack,
                record.tags.get(_LOGICAL, ""),
                "AWS::EC2::VPNGateway" if is_gateway else "AWS::EC2::VPNConnection",
                "VPNGatewayId" if is_gateway else "VpnConnectionId",
                record.id,
                new_ids[record.id],
            )
