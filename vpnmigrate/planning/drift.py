"""Drift: the configuration as flat facts, compared field by field.

Values that AWS changes are not configuration: telemetry, propagated routes, whether a route carries
traffic, the state of a Direct Connect circuit.  Resources that only count against a quota, and this
program's claim and tags, are not included either.  Deleted resources and the ids of associations
are left out: EC2 lists the former for a while, and gives each new association a new id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import starmap
from typing import Final

from msgspec import Struct

from vpnmigrate.model.derived import derived
from vpnmigrate.model.ec2 import (
    WRITTEN_ROUTES,
    ConnectionRecord,
    CustomerGatewayRecord,
    GatewayRecord,
    KeyVisibility,
    RouteTableRecord,
    VpcRecord,
)
from vpnmigrate.model.survey import Survey
from vpnmigrate.model.tunnel_options import ANY_NETWORK, NOT_CHOSEN, chosen_texts
from vpnmigrate.planning.preflight.base import network, on_premises, overlap

Facts = Iterator[tuple[str, str]]

OUR_TAGS = "vpnmigrate:"
_GONE = frozenset({"deleted", "deleting", "rejected", "disassociated", "detached"})
_SET = "set"
"""Value of a fact that has no value of its own."""


def configuration(survey: Survey) -> dict[str, str]:
    """Return every configuration fact as ``subject/field`` or ``subject/field/detail`` to value."""
    facts = dict(_gateway(survey.gateway))
    if survey.vpc:
        facts.update(_vpc(survey.vpc))
    for connection in survey.living:
        facts.update(_facts_of_connection(connection))
    for device in survey.customer_gateways:
        if device.state != "deleted":
            facts.update(_customer_gateway(device))
    for table in survey.route_tables:
        facts.update(_facts_of_table(table))
    for interface in survey.virtual_interfaces:
        if interface.state not in _GONE:
            facts[f"{interface.id}/virtual interface on {interface.gateway}"] = _SET
    for association in survey.associations:
        if association.state not in _GONE:
            facts[f"{association.id}/Direct Connect gateway"] = association.gateway
    return facts


def differences(before: Survey, now: Survey) -> tuple[str, ...]:
    """Return how the configuration of *now* differs from *before*, one sentence per field."""
    return compared(configuration(before), configuration(now))


class Drift(Struct, frozen=True):
    """How a configuration differs from the plan's survey, one sentence per field."""

    breaking: tuple[str, ...] = ()
    """What a step forward or back may depend on."""
    independent: tuple[str, ...] = ()
    """What no step depends on: a controller's route to a node, a cluster's tag."""


NO_DRIFT: Final = Drift()


def drift(before: Survey, now: Survey) -> Drift:
    """Return how the configuration of *now* differs from *before*, by whether it matters."""
    changed = tuple(_changed(configuration(before), configuration(now)))
    if not changed:
        return NO_DRIFT
    independence = _Independence(before, now)
    breaking: list[str] = []
    independent: list[str] = []
    for path, was, is_ in changed:
        kind = independent if independence.holds(path, was, is_) else breaking
        kind.append(_sentence(path, was, is_))
    return Drift(tuple(breaking), tuple(independent))


class _Independence:
    """Decides whether a step may depend on a fact.

    Steps copy the tags of the gateway and the connections, and no others.  They compare the next
    hop of every destination behind the gateway, so a route matters if it is to the gateway or
    overlaps such a destination; of a prefix list the networks are unknown, so it matters.
    """

    def __init__(self, before: Survey, now: Survey) -> None:
        self._gateways = {before.gateway.id, *(g.id for g in now.other_gateways)}
        self._copied: set[str] = {before.gateway.id, now.gateway.id}
        self._copied.update(c.id for each in (before, now) for c in each.connections)
        behind = {text for each in (before, now) for text, _ in on_premises(each)}
        self._behind = tuple(net for text in sorted(behind) if (net := network(text)))

    def holds(self, path: str, before: str | None, now: str | None) -> bool:
        """Return whether no step depends on the fact at *path*."""
        subject, field, *rest = path.split("/", 2)
        if field == "tag":
            return subject not in self._copied
        if field != "route" or {before, now} & self._gateways:
            return False
        destination = network(rest[0]) if rest else None
        return destination is not None and not any(
            overlap(destination, net) for net in self._behind
        )


def compared(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """Return how two configurations differ, one sentence per field, sorted by path."""
    return tuple(starmap(_sentence, _changed(before, now)))


def _changed(
    before: Mapping[str, str], now: Mapping[str, str]
) -> Iterator[tuple[str, str | None, str | None]]:
    """Yield the path of each fact that differs, with both values, sorted by path."""
    paths = before.keys() | now.keys()
    for path in sorted(path for path in paths if before.get(path) != now.get(path)):
        yield path, before.get(path), now.get(path)


def _gateway(gateway: GatewayRecord) -> Facts:
    if gateway.state == "deleted":
        return
    yield f"{gateway.id}/state", gateway.state
    yield f"{gateway.id}/type", gateway.type
    yield f"{gateway.id}/Amazon-side ASN", str(gateway.asn)
    if gateway.availability_zone:
        yield f"{gateway.id}/Availability Zone", gateway.availability_zone
    for attached in gateway.attachments:
        if attached.state != "detached":
            yield f"{gateway.id}/attachment/{attached.vpc}", attached.state
    yield from _tags(gateway.id, gateway.tags)


def _vpc(vpc: VpcRecord) -> Facts:
    yield f"{vpc.id}/state", vpc.state
    yield f"{vpc.id}/owner", vpc.owner
    for cidr in vpc.cidrs:
        yield f"{vpc.id}/network/{cidr}", _SET
    yield from _tags(vpc.id, vpc.tags)


@derived
def _facts_of_connection(connection: ConnectionRecord) -> Mapping[str, str]:
    return dict(_connection(connection))


def _connection(connection: ConnectionRecord) -> Facts:
    yield f"{connection.id}/state", connection.state
    yield f"{connection.id}/category", str(connection.category)
    yield f"{connection.id}/customer gateway", str(connection.customer_gateway)
    yield f"{connection.id}/ends on", str(connection.elsewhere or connection.vpn_gateway)
    yield f"{connection.id}/routing", "static" if connection.static_only else "BGP"
    for prefix in connection.prefixes:
        if prefix.state not in _GONE:
            yield f"{connection.id}/static prefix/{prefix.cidr}", _SET
    yield f"{connection.id}/local network", connection.local_network or ANY_NETWORK
    yield f"{connection.id}/remote network", connection.remote_network or ANY_NETWORK
    for tunnel in connection.tunnels:
        yield f"{connection.id}/tunnel/{tunnel.outside_ip}", tunnel.inside_cidr
        if tunnel.key is KeyVisibility.REDACTED:
            yield f"{connection.id}/tunnel key/{tunnel.outside_ip}", "in Secrets Manager"
        for label, text in chosen_texts(tunnel.options or NOT_CHOSEN):
            yield f"{connection.id}/tunnel option/{tunnel.outside_ip} {label}", text
    yield from _tags(connection.id, connection.tags)


def _customer_gateway(device: CustomerGatewayRecord) -> Facts:
    yield f"{device.id}/state", device.state
    yield f"{device.id}/ASN", str(device.asn)
    yield f"{device.id}/address", device.ip
    yield f"{device.id}/device name", device.device_name
    yield f"{device.id}/certificate", device.certificate
    yield from _tags(device.id, device.tags)


@derived
def _facts_of_table(table: RouteTableRecord) -> Mapping[str, str]:
    return dict(_table(table))


def _table(table: RouteTableRecord) -> Facts:
    yield f"{table.id}/VPC", table.vpc
    yield f"{table.id}/owner", table.owner
    for association in table.associations:
        if association.main:
            yield f"{table.id}/main table", _SET
        if association.subnet:
            yield f"{table.id}/association/{association.subnet}", _SET
        if association.gateway:
            yield f"{table.id}/edge association/{association.gateway}", _SET
    for gateway in table.propagating:
        yield f"{table.id}/propagation/{gateway}", _SET
    for route in table.routes:
        if route.origin in WRITTEN_ROUTES:
            yield f"{table.id}/route/{route.destination}", route.target
    yield from _tags(table.id, table.tags)


def _tags(subject: str, tags: Mapping[str, str]) -> Facts:
    for key, value in tags.items():
        if not key.startswith(OUR_TAGS):
            yield f"{subject}/tag/{key}", value


def _sentence(path: str, before: str | None, now: str | None) -> str:
    subject, _, rest = path.partition("/")
    field, _, detail = rest.partition("/")
    name = f"{field} {detail}".rstrip()
    if before is None:
        return f"{subject}: {name}{_value_text(field, now)} is new"
    if now is None:
        return f"{subject}: {name}{_value_text(field, before)} is gone"
    if field == "route":
        return f"{subject}: {name} pointed at {before}, now at {now}"
    return f"{subject}: {name} was {before or 'empty'}, now {now or 'empty'}"


def _value_text(field: str, value: str | None) -> str:
    if value in {None, "", _SET}:
        return ""
    return f" to {value}" if field == "route" else f" ({value})"
