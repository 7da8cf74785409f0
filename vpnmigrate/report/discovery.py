"""Discovery as text and JSON: gateways of several accounts, by whether they can be migrated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from vpnmigrate.model.discovery import UnreadPlace
from vpnmigrate.model.ec2 import NAME_TAG
from vpnmigrate.model.errors.commands import Command, Invocation, cli, one_line
from vpnmigrate.model.plan import Severity
from vpnmigrate.planning.discovery import (
    DeviceUse,
    DiscoveredConnection,
    DiscoveredGateway,
    DiscoveryGroup,
    DiscoveryResult,
    Place,
    direct_connect,
    tables_of,
)
from vpnmigrate.report.findings import findings_json
from vpnmigrate.report.inventory import named, site_name
from vpnmigrate.report.names import NO_NAMES, names_in
from vpnmigrate.report.text import advised, columns, command, count, safe, wrapped

SCHEMA = "vpnmigrate/discover/1"

TITLES = {
    DiscoveryGroup.CAN: "Can be migrated",
    DiscoveryGroup.CANNOT: "CANNOT be migrated",
    DiscoveryGroup.UNDER_WAY: "A migration is under way",
    DiscoveryGroup.NOT_NEEDED: "Nothing to migrate",
    DiscoveryGroup.ELSEWHERE: "Not on a virtual private gateway",
}
_COUNTED = {
    DiscoveryGroup.CAN: "can be migrated",
    DiscoveryGroup.CANNOT: "cannot",
    DiscoveryGroup.UNDER_WAY: "under way",
    DiscoveryGroup.NOT_NEEDED: "with nothing to migrate",
}
MOST_USES = 3
"""Other users of a device that the text lists; the other forms list all."""


def text(found: DiscoveryResult, invocation: Invocation) -> str:
    """Return what can be migrated, what cannot and why, and what could not be read."""
    parts = [_group(group, gateways) for group in DiscoveryGroup if (gateways := found.of(group))]
    if found.closed:
        rows = ((each.account, f"{each.status} {each.name}".strip()) for each in found.closed)
        parts.append(f"CLOSED BY AWS ({len(found.closed)})\n{columns(rows)}")
    if found.unread:
        parts.append(_unread(found.unread, invocation))
    # At the end of a long output, where it is seen without scrolling.
    parts.append(wrapped(summary(found)))
    if possible := found.of(DiscoveryGroup.CAN):
        plan = next_command(possible[0], invocation)
        line = command(plan, first="  ")
        parts.append(f"next, with credentials of account {possible[0].place.account}:\n{line}")
    return "\n\n".join(parts)


def summary(found: DiscoveryResult) -> str:
    """Return the numbers of what was found and read."""
    gateways = [each for each in found.gateways if each.candidate is not None]
    connections = sum(len(each.connections) for each in found.gateways)
    accounts = len({place.account for place in found.places})
    regions = len({place.region for place in found.places})
    lost = f"; {count(len(found.unread), 'place')} could NOT BE READ" if found.unread else ""
    groups = ", ".join(
        f"{len(each)} {words}"
        for group, words in _COUNTED.items()
        if (each := [g for g in gateways if g.group is group])
    )
    return (
        f"{count(len(gateways), 'virtual private gateway')}{f' ({groups})' if groups else ''} and "
        f"{count(connections, 'connection')} in {count(accounts, 'account')} and "
        f"{count(regions, 'Region')}{lost}"
    )


def next_command(gateway: DiscoveredGateway, invocation: Invocation) -> Command:
    """Return the command that plans *gateway*."""
    assert gateway.candidate is not None  # noqa: S101  only gateways can be migrated
    id_ = gateway.candidate.survey.gateway.id
    return invocation.complete(cli("plan", "--vpn-gateway", id_, "--region", gateway.place.region))


def group_title(group: DiscoveryGroup, gateways: Sequence[DiscoveredGateway]) -> str:
    """Return the title of *group* with its numbers."""
    connections = sum(len(each.connections) for each in gateways)
    counted = count(connections, "connection")
    if group is not DiscoveryGroup.ELSEWHERE:
        counted = f"{count(len(gateways), 'gateway')}, {counted}"
    return f"{TITLES[group]} ({counted})"


def _group(group: DiscoveryGroup, gateways: Sequence[DiscoveredGateway]) -> str:
    lines = [group_title(group, gateways).upper()]
    place: Place | None = None
    for each in gateways:
        if each.place != place:
            place = each.place
            name = f' "{safe(place.name)}"' if place.name else ""
            lines.append(f"\n{place.account}{name} {place.region}")
        lines.append(_gateway(each))
    return "\n".join(lines)


def _gateway(each: DiscoveredGateway) -> str:
    lines = []
    if each.candidate is not None:
        gateway = each.candidate.survey.gateway
        lines.append(wrapped(f"{named(gateway.id, gateway.tags)} on {vpc_text(each)}", first="  "))
    lines += _table(each.connections)
    lines += [wrapped(line, first="    ", rest="      ") for line in _notes(each)]
    return "\n".join(lines)


def _notes(each: DiscoveredGateway) -> Iterator[str]:
    names = NO_NAMES if each.candidate is None else names_in(each.candidate.survey)
    yield from map(names.text, each.why)
    if each.group is DiscoveryGroup.CAN and each.candidate is not None:
        warnings = sum(f.severity is Severity.WARNS for f in each.candidate.findings)
        if warnings:
            yield f"{count(warnings, 'warning')}: plan shows them"
    if tables := tables_text(each):
        yield f"tables: {tables}"
    if found := direct_connect(each):
        yield f"Direct Connect: {', '.join(found)}"
    for connection in each.connections:
        if connection.also:
            more = len(connection.also) - MOST_USES
            rest = f" and {more} more" if more > 0 else ""
            uses = ", ".join(use_text(use, each.place) for use in connection.also[:MOST_USES])
            yield f"the device of {connection.record.id} is also that of {uses}{rest}"


def _table(connections: Iterable[DiscoveredConnection]) -> list[str]:
    """Return a line for each connection: id, category, routing, tunnels, device and its name."""
    rows = [
        (
            each.record.id,
            (each.record.category or "?") + _state(each),
            routing(each),
            tunnels(each),
            each.device.ip if each.device else (each.record.customer_gateway or "-"),
            safe(connection_name(each)),
        )
        for each in connections
    ]
    if not rows:
        return ["    no connections"]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return [
        "    "
        + "  ".join([f"{c:<{w}}" for c, w in zip(row, widths, strict=False)] + [row[5]]).rstrip()
        for row in rows
    ]


def _state(each: DiscoveredConnection) -> str:
    return "" if each.record.state == "available" else f" {each.record.state}"


def connection_name(each: DiscoveredConnection) -> str:
    """Return the most likely name of the site behind a connection; empty without any."""
    found = site_name(each.record, each.device)
    return "" if found.startswith(("vpn-", "cgw-")) else found


def routing(each: DiscoveredConnection) -> str:
    """Return the routing type."""
    return "static" if each.record.static_only else "BGP"


def tunnels(each: DiscoveredConnection) -> str:
    """Return how many tunnels are up, of how many."""
    readings = each.record.telemetry
    return f"{sum(r.up for r in readings)}/{len(readings)} up" if readings else "no telemetry"


def vpc_text(each: DiscoveredGateway) -> str:
    """Return the VPC of a gateway, or its attachments if it is on none."""
    if each.candidate is None:
        return ""
    survey = each.candidate.survey
    if survey.vpc is not None:
        return named(survey.vpc.id, survey.vpc.tags)
    held = [a for a in survey.gateway.attachments if a.state != "detached"]
    return ", ".join(f"{a.vpc} ({a.state})" for a in held) or "no VPC"


def tables_text(each: DiscoveredGateway) -> str:
    """Return how many tables refer to a gateway, by how."""
    found = tables_of(each)
    kinds = (
        (found.propagating, "with propagation"),
        (found.static, "with static routes"),
        (found.edge, "edge"),
    )
    return ", ".join(f"{len(ids)} {kind}" for ids, kind in kinds if ids)


def use_text(use: DeviceUse, here: Place) -> str:
    """Return another user of a device, with its place if it differs from *here*."""
    where = (
        ""
        if (use.account, use.region) == (here.account, here.region)
        else (f" in {use.account} {use.region}")
    )
    return f"{use.connection} ({use.gateway or 'no gateway'}){where}"


def place_text(unread: UnreadPlace) -> str:
    """Return which account or Region could not be read."""
    who = unread.account or unread.label or "the account"
    name = f' "{safe(unread.name)}"' if unread.name else ""
    return f"{who}{name} {unread.region or 'in every Region'}"


def _unread(unread: Sequence[UnreadPlace], invocation: Invocation) -> str:
    lines = [f"COULD NOT BE READ ({len(unread)}): contents unknown"]
    for each in unread:
        lines.append(wrapped(place_text(each), first="  "))
        lines.append(wrapped(each.why, first="    "))
        if each.advice:
            lines.append(advised(invocation.advise(each.advice), first="    "))
    return "\n".join(lines)


def as_json(found: DiscoveryResult, invocation: Invocation) -> dict[str, Any]:
    """Return everything as a JSON document."""
    return {
        "schema": SCHEMA,
        "complete": not found.unread,
        "summary": {
            group.value: {
                "gateways": sum(g.candidate is not None for g in found.of(group)),
                "connections": sum(len(g.connections) for g in found.of(group)),
            }
            for group in DiscoveryGroup
        },
        "places": [
            {"account": p.account, "name": p.name, "region": p.region} for p in found.places
        ],
        "gateways": [
            _gateway_json(each, invocation) for each in found.gateways if each.candidate is not None
        ],
        "elsewhere": [
            {**_place_json(each.place), **_connection_json(connection)}
            for each in found.of(DiscoveryGroup.ELSEWHERE)
            for connection in each.connections
        ],
        "unread": [
            {
                "account": each.account,
                "name": each.name,
                "region": each.region,
                "label": each.label,
                "why": each.why,
                "advice": one_line(invocation.advise(each.advice)),
            }
            for each in found.unread
        ],
        "closed": [
            {"account": each.account, "name": each.name, "status": each.status}
            for each in found.closed
        ],
    }


def _place_json(place: Place) -> dict[str, Any]:
    return {"account": place.account, "account_name": place.name, "region": place.region}


def _gateway_json(each: DiscoveredGateway, invocation: Invocation) -> dict[str, Any]:
    candidate = each.candidate
    assert candidate is not None  # noqa: S101  see the caller
    survey, tables = candidate.survey, tables_of(each)
    can = each.group is DiscoveryGroup.CAN
    return {
        **_place_json(each.place),
        "gateway": survey.gateway.id,
        "name": survey.gateway.tags.get(NAME_TAG, ""),
        "asn": survey.gateway.asn,
        "tags": dict(survey.gateway.tags),
        "vpc": survey.vpc.id if survey.vpc else None,
        "vpc_name": survey.vpc.tags.get(NAME_TAG, "") if survey.vpc else "",
        "connections": [_connection_json(connection) for connection in each.connections],
        "tables": {
            "propagating": list(tables.propagating),
            "static": list(tables.static),
            "edge": list(tables.edge),
            "others": tables.others,
        },
        "direct_connect": {
            "virtual_interfaces": [i.id for i in survey.virtual_interfaces],
            "associations": [a.id for a in survey.associations],
            "unread": [u.why for u in survey.unread if u.what == "direct_connect"],
        },
        "group": each.group.value,
        "can_be_migrated": can,
        "why": list(each.why),
        "findings": findings_json(candidate.findings),
        "next": str(next_command(each, invocation)) if can else "",
    }


def _connection_json(each: DiscoveredConnection) -> dict[str, Any]:
    record, device = each.record, each.device
    return {
        "connection": record.id,
        "name": record.tags.get(NAME_TAG, ""),
        "category": record.category,
        "state": record.state,
        "routing": "static" if record.static_only else "BGP",
        "static_prefixes": [prefix.cidr for prefix in record.prefixes],
        "ends_on": record.vpn_gateway or record.elsewhere,
        "tunnels": [
            {"outside_ip": reading.outside_ip, "up": reading.up, "message": reading.message}
            for reading in record.telemetry
        ],
        "customer_gateway": record.customer_gateway,
        "device": None
        if device is None
        else {
            "name": device.tags.get(NAME_TAG) or device.device_name,
            "ip": device.ip,
            "asn": device.asn,
        },
        "device_also_used_by": [
            {
                "account": use.account,
                "region": use.region,
                "gateway": use.gateway,
                "connection": use.connection,
                "customer_gateway": use.customer_gateway,
            }
            for use in each.also
        ],
        "tags": dict(record.tags),
    }
