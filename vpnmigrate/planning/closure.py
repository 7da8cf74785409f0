"""Closure of a gateway: all that its migration changes, and all that it may disturb.

It is computed from the survey alone, so a gateway that cannot be planned yet has one too.  A test
checks it against the calls of real plans: no id that a call names is missing here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final

from msgspec import Struct

from vpnmigrate.model.discovery import NamingResource, TerraformResource
from vpnmigrate.model.ec2 import (
    NAME_TAG,
    ConnectionRecord,
    CustomerGatewayRecord,
    GatewayRecord,
    RouteTableRecord,
    VpcRecord,
)
from vpnmigrate.model.survey import Survey, Unread


class ClosureEffect(StrEnum):
    """What a migration does to a resource."""

    CHANGED = "changed"
    """``apply`` or ``finalize`` changes it."""
    USED = "used"
    """It stays as it is, and something that the migration creates refers to it."""
    DISTURBED = "may be disturbed"
    """It depends on what is changed."""


class ClosureItem(Struct, frozen=True):
    """A resource that a migration changes or may disturb."""

    kind: str
    id: str
    effect: ClosureEffect
    why: str
    name: str = ""


class Closure(Struct, frozen=True):
    """Everything that a migration of *gateway* concerns."""

    account: str
    region: str
    gateway: str
    items: tuple[ClosureItem, ...]
    unread: tuple[Unread, ...] = ()
    """What could not be read: whether it names something old is unknown."""


_STACK: Final = "aws:cloudformation:stack-name"
_LOGICAL: Final = "aws:cloudformation:logical-id"
_ROUTING: Final = ("aws_vpn_", "aws_route", "aws_default_route_table", "awscc_ec2_vpn_")
"""Beginnings of the Terraform types that make gateways, connections and routes."""
_KINDS: Final = {
    "alarm": "alarm",
    "dashboard": "dashboard",
    "rule": "EventBridge rule",
}


def closure(
    survey: Survey,
    naming: Iterable[NamingResource] = (),
    unread: Iterable[Unread] = (),
    terraform: Iterable[TerraformResource] = (),
    devices: Iterable[CustomerGatewayRecord] = (),
) -> Closure:
    """Return the closure of the gateway of *survey*.

    *naming* are the alarms, dashboards, rules and log groups of the Region, *devices* its customer
    gateways; *terraform* are the resources of state files.
    """
    items = (
        *_changed(survey),
        *_devices(survey),
        *_direct_connect(survey),
        *_partners(survey, {device.id: device.ip for device in devices}),
        *_spokes(survey),
        *_stacks(survey),
        *_log_groups(survey, naming),
        *_named(survey, naming),
        *_terraform(survey, terraform),
    )
    missing = (*(u for u in survey.unread if u.what == "direct_connect"), *unread)
    unique = {(item.kind, item.id, item.effect, item.why): item for item in items}
    return Closure(
        survey.account, survey.region, survey.gateway.id, tuple(unique.values()), missing
    )


def _item(
    kind: str,
    record: GatewayRecord | ConnectionRecord | RouteTableRecord | VpcRecord,
    why: str,
    effect: ClosureEffect = ClosureEffect.CHANGED,
) -> ClosureItem:
    return ClosureItem(kind, record.id, effect, why, record.tags.get(NAME_TAG, ""))


def _changed(survey: Survey) -> Iterator[ClosureItem]:
    gateway = survey.gateway
    yield _item("gateway", gateway, "detached from the VPC, then replaced")
    for attached in gateway.attachments:
        vpc = next((v for v in survey.vpcs if v.id == attached.vpc), VpcRecord(attached.vpc))
        if attached.state != "detached":
            yield _item("VPC", vpc, "its gateway is replaced; no VPN traffic in between")
    for connection in survey.living:
        yield _item("connection", connection, "replaced; finalize deletes it")
    for table in survey.route_tables:
        yield from _table(table, gateway)


def _table(table: RouteTableRecord, gateway: GatewayRecord) -> Iterator[ClosureItem]:
    if gateway.id in table.propagating:
        yield _item("route table", table, "propagation is switched to the new gateway")
    if static := table.static_routes_to(gateway.id):
        networks = ", ".join(route.destination for route in static)
        yield _item("route table", table, f"static routes lead to the new gateway: {networks}")
    if (edge := table.edge_of(gateway.id)) is not None:
        yield _item("route table", table, "edge table of the gateway; associated again")
        yield ClosureItem(
            "association", edge.id, ClosureEffect.CHANGED, f"of {table.id} with the gateway"
        )


def _devices(survey: Survey) -> Iterator[ClosureItem]:
    known = {device.id: device for device in survey.customer_gateways}
    for id_ in dict.fromkeys(c.customer_gateway for c in survey.living if c.customer_gateway):
        device = known.get(id_, CustomerGatewayRecord(id_, ""))
        name = device.tags.get(NAME_TAG) or device.device_name
        why = "its device gets new tunnels" + (f", at {device.ip}" if device.ip else "")
        yield ClosureItem("customer gateway", id_, ClosureEffect.USED, why, name)


def _direct_connect(survey: Survey) -> Iterator[ClosureItem]:
    for interface in survey.virtual_interfaces:
        yield ClosureItem(
            "Direct Connect interface",
            interface.id,
            ClosureEffect.DISTURBED,
            "ends on the gateway: a migration is refused",
        )
    for association in survey.associations:
        yield ClosureItem(
            "Direct Connect association",
            association.id or association.gateway,
            ClosureEffect.DISTURBED,
            f"of Direct Connect gateway {association.gateway}: a migration is refused",
        )


def _partners(survey: Survey, addresses: Mapping[str, str]) -> Iterator[ClosureItem]:
    """Yield what carries the same traffic, or the same device, and stays as it is.

    A device may have several customer gateways; *addresses* has that of each.
    """
    mine = {c.customer_gateway for c in survey.living if c.customer_gateway}
    mine_at = {device.ip for device in survey.customer_gateways if device.ip}
    prefixes = {p.cidr for c in survey.living for p in c.prefixes}
    for other in survey.other_connections:
        end = other.vpn_gateway or other.elsewhere or "nothing"
        if other.customer_gateway in mine:
            why = f"shares the device of {other.customer_gateway}; ends on {end}"
            yield _item("redundancy partner", other, why, ClosureEffect.DISTURBED)
        elif (address := addresses.get(other.customer_gateway or "", "")) in mine_at:
            why = f"has the device at {address} too, by {other.customer_gateway}; ends on {end}"
            yield _item("redundancy partner", other, why, ClosureEffect.DISTURBED)
        elif same := prefixes & {p.cidr for p in other.prefixes}:
            why = f"has the prefix {', '.join(sorted(same))} too; ends on {end}"
            yield _item("redundancy partner", other, why, ClosureEffect.DISTURBED)
    holders: dict[str, list[str]] = {}
    for connection in survey.living:
        for prefix in connection.prefixes:
            holders.setdefault(prefix.cidr, []).append(connection.id)
    for cidr, ids in holders.items():
        for connection in survey.living:
            if len(ids) > 1 and connection.id in ids:
                others = ", ".join(id_ for id_ in ids if id_ != connection.id)
                why = f"{cidr} is a prefix of {others} too: both are replaced at once"
                yield _item("redundancy partner", connection, why, ClosureEffect.DISTURBED)


def _spokes(survey: Survey) -> Iterator[ClosureItem]:
    """Yield the sites that reach each other through the gateway (VPN CloudHub)."""
    spokes = [c for c in survey.living if not c.static_only]
    if len({c.customer_gateway for c in spokes}) > 1:
        for each in spokes:
            why = "traffic to the other sites of the gateway stops as well"
            yield _item("CloudHub spoke", each, why, ClosureEffect.DISTURBED)


def _stacks(survey: Survey) -> Iterator[ClosureItem]:
    changed = {item.id for item in _changed(survey)}
    records: tuple[
        GatewayRecord | VpcRecord | ConnectionRecord | RouteTableRecord | CustomerGatewayRecord, ...
    ] = (
        survey.gateway,
        *survey.vpcs,
        *survey.living,
        *survey.route_tables,
        *survey.customer_gateways,
    )
    for record in records:
        stack = record.tags.get(_STACK)
        if stack and (record.id in changed or isinstance(record, CustomerGatewayRecord)):
            logical = record.tags.get(_LOGICAL, "")
            what = f"{record.id}, as {logical}" if logical else record.id
            yield ClosureItem(
                "CloudFormation stack",
                stack,
                ClosureEffect.DISTURBED,
                f"owns {what}: its next update would undo the migration",
            )


def old_names(survey: Survey) -> tuple[str, ...]:
    """Return the ids and outside addresses that do not exist any more after finalize."""
    addresses = [
        address
        for connection in survey.living
        for address in (
            *(reading.outside_ip for reading in connection.telemetry),
            *(tunnel.outside_ip for tunnel in connection.tunnels),
        )
    ]
    ids = (survey.gateway.id, *(connection.id for connection in survey.living))
    return tuple(dict.fromkeys(name for name in (*ids, *addresses) if name))


def _log_groups(survey: Survey, naming: Iterable[NamingResource]) -> Iterator[ClosureItem]:
    for connection in survey.living:
        for tunnel in connection.tunnels:
            logs = tunnel.options.logs if tunnel.options else None
            for arn in (logs.group, logs.bgp_group) if logs else ():
                if arn:
                    name = arn.partition(":log-group:")[2].removesuffix(":*") or arn
                    yield ClosureItem(
                        "log group",
                        name,
                        ClosureEffect.DISTURBED,
                        f"has the logs of {connection.id}, which end",
                    )
    for each in naming:
        if each.kind == "log group" and (found := _found(old_names(survey), each.name)):
            yield ClosureItem(
                each.kind, each.name, ClosureEffect.DISTURBED, f"is named after {found[0]}"
            )


def _named(survey: Survey, naming: Iterable[NamingResource]) -> Iterator[ClosureItem]:
    names = old_names(survey)
    for each in naming:
        if each.kind in _KINDS and (found := _found(names, each.text)):
            yield ClosureItem(
                _KINDS[each.kind],
                each.name,
                ClosureEffect.DISTURBED,
                f"names {', '.join(found)}, which will not exist any more",
            )


def _found(names: Sequence[str], text: str) -> tuple[str, ...]:
    """Return which of *names* are in *text* as whole words."""
    return tuple(name for name in names if re.search(_word(name), text))


def _word(name: str) -> str:
    """Return the pattern of an id or address that is not part of a longer one."""
    return rf"(?<![\w.]){re.escape(name)}(?![\w]|\.\d)"


def _terraform(survey: Survey, resources: Iterable[TerraformResource]) -> Iterator[ClosureItem]:
    names = set(old_names(survey))
    for each in resources:
        if held := [name for name in each.values if name in names]:
            then = ", which will not exist any more"
            if each.type.startswith(_ROUTING):
                then = ": its next apply would undo the migration"
            yield ClosureItem(
                "Terraform resource",
                each.address,
                ClosureEffect.DISTURBED,
                f"holds {', '.join(held)}{then}",
            )
