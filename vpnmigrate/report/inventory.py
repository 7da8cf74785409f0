"""Inventory: the gateway, VPC, connections and tables of a survey."""

from __future__ import annotations

from collections.abc import Iterator

from vpnmigrate.model.ec2 import (
    NAME_TAG,
    ConnectionRecord,
    CustomerGatewayRecord,
    RouteTableRecord,
    VpnGatewayId,
)
from vpnmigrate.model.survey import Survey
from vpnmigrate.report.text import columns, count, item, safe, wrapped


def text(survey: Survey) -> str:
    """Return the gateway, its VPC, its connections and the tables that refer to it."""
    return "\n".join(
        [
            columns(_cover(survey)),
            "",
            *(_connection(connection, survey) for connection in survey.living),
            "",
            f"  Route tables of the VPC that refer to {survey.gateway.id}:",
            *tables(survey),
        ]
    )


def sites(survey: Survey) -> list[str]:
    """Return each connection by its Name tag, or that of its device, with its tunnels."""
    return [f"{_site(connection, survey)}, {_tunnels(connection)}" for connection in survey.living]


def _site(connection: ConnectionRecord, survey: Survey) -> str:
    device = device_of(connection, survey)
    name = connection.tags.get(NAME_TAG) or (
        device and (device.tags.get(NAME_TAG) or device.device_name)
    )
    return f'{connection.id} "{safe(name)}"' if name else connection.id


def tables(survey: Survey) -> list[str]:
    """Return one item for each table that refers to the gateway, and one for the rest."""
    gateway = survey.gateway.id
    lines = [
        item(f"{_titled(table)}: {'; '.join(uses)}", indent=4)
        for table in survey.route_tables
        if (uses := list(_uses(table, gateway)))
    ]
    untouched = len(survey.route_tables) - len(lines)
    if untouched:
        lines.append(item(f"{count(untouched, 'other table')}, not touched", indent=4))
    return lines or [item("none", indent=4)]


def named(resource_id: str, tags: dict[str, str]) -> str:
    """Return an id with its Name tag, if it has one."""
    name = tags.get(NAME_TAG, "")
    return f'{resource_id} "{safe(name)}"' if name else resource_id


def _cover(survey: Survey) -> Iterator[tuple[str, str]]:
    yield "account", survey.account
    yield "Region", survey.region
    vpc = survey.vpc
    if vpc is not None:
        yield "VPC", f"{named(vpc.id, vpc.tags)} ({', '.join(vpc.cidrs)})"
    asn = survey.gateway.asn
    text = "Amazon-side ASN unknown" if asn is None else f"Amazon-side ASN {asn}"
    yield "gateway", f"{named(survey.gateway.id, survey.gateway.tags)} ({text})"


def connection_line(connection: ConnectionRecord, survey: Survey) -> str:
    """Return the site, category, routing and tunnels of *connection*, and its state if unusual."""
    state = "" if connection.state == "available" else f", {connection.state}"
    return (
        f"{_site(connection, survey)}: {connection.category or 'category unknown'}, "
        f"{'static' if connection.static_only else 'BGP'}, {_tunnels(connection)}{state}"
    )


def _connection(connection: ConnectionRecord, survey: Survey) -> str:
    device = device_of(connection, survey)
    lines = [
        wrapped(
            f"connection {named(connection.id, connection.tags)}: "
            f"{connection.category or 'category unknown'}, "
            f"{'static' if connection.static_only else 'BGP'}, {_tunnels(connection)}",
            first="  ",
            rest="    ",
        )
    ]
    if device is not None:
        asn = "" if device.asn is None else f", ASN {device.asn}"
        lines.append(
            wrapped(f"to {named(device.id, device.tags)} at {device.ip}{asn}", first="    ")
        )
    if connection.prefixes:
        prefixes = ", ".join(prefix.cidr for prefix in connection.prefixes)
        lines.append(wrapped(f"static prefixes {prefixes}", first="    "))
    return "\n".join(lines)


def _tunnels(connection: ConnectionRecord) -> str:
    if not connection.telemetry:
        return "no telemetry"
    up = sum(tunnel.up for tunnel in connection.telemetry)
    return f"{up} of {count(len(connection.telemetry), 'tunnel')} up"


def _titled(table: RouteTableRecord) -> str:
    return f"{named(table.id, table.tags)}{' (main)' if table.main else ''}"


def _uses(table: RouteTableRecord, gateway: VpnGatewayId) -> Iterator[str]:
    if gateway in table.propagating:
        taken = len(table.propagated_from(gateway))
        yield f"propagation on, {count(taken, 'propagated route')}"
    static = table.static_routes_to(gateway)
    if static:
        yield f"static {', '.join(route.destination for route in static)}"
    if table.edge_of(gateway) is not None:
        yield "edge table of the gateway"


def site_name(connection: ConnectionRecord, device: CustomerGatewayRecord | None) -> str:
    """Return the most likely name of the site behind *connection*."""
    found = device.tags.get(NAME_TAG) or device.device_name if device else ""
    return found or connection.tags.get(NAME_TAG) or (device.id if device else connection.id)


def device_of(connection: ConnectionRecord, survey: Survey) -> CustomerGatewayRecord | None:
    """Return the record of the device behind *connection*."""
    return next((c for c in survey.customer_gateways if c.id == connection.customer_gateway), None)
