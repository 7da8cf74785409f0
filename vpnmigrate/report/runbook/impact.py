"""What the change means to those who do not read route tables: sites, networks, minutes."""

from __future__ import annotations

from collections.abc import Iterator

from vpnmigrate.model.clock import span
from vpnmigrate.model.ec2 import ConnectionRecord, CustomerGatewayRecord, RouteTableRecord
from vpnmigrate.model.plan import Plan
from vpnmigrate.rehearsal.rehearse import Rehearsal
from vpnmigrate.report.inventory import NAME, named
from vpnmigrate.report.runbook.book import Impact, Site, Table
from vpnmigrate.report.words import count


def impact_of(plan: Plan, rehearsal: Rehearsal) -> Impact:
    """Say who is cut off, from what, and for how long."""
    return Impact(
        tuple(_summary(plan, rehearsal)),
        tuple(_site(connection, plan) for connection in plan.before.living),
        tuple(_tables(plan)),
        on_premises(plan),
    )


def on_premises(plan: Plan) -> tuple[str, ...]:
    """Give every destination that the VPC reaches through the gateway, sorted."""
    gateway = plan.old_gateway
    reached = {p for t in plan.before.route_tables for p in t.propagated_from(gateway)}
    written = {r.destination for t in plan.before.route_tables for r in t.static_routes_to(gateway)}
    static = {p.cidr for c in plan.before.living for p in c.prefixes}
    return tuple(sorted(reached | written | static))


def longest_return(rehearsal: Rehearsal) -> str:
    """Give the longest way back, from turning round until traffic flows on the old side."""
    return span(max(passage.restored for passage in rehearsal.back))


def site_name(connection: ConnectionRecord, device: CustomerGatewayRecord | None) -> str:
    """Give what people are likely to call the place behind *connection*."""
    told = device.tags.get(NAME) or device.device_name if device else ""
    return told or connection.tags.get(NAME) or (device.id if device else connection.id)


def device_of(connection: ConnectionRecord, plan: Plan) -> CustomerGatewayRecord | None:
    """Give the record of the device behind *connection*."""
    return next(
        (c for c in plan.before.customer_gateways if c.id == connection.customer_gateway), None
    )


def _summary(plan: Plan, rehearsal: Rehearsal) -> Iterator[str]:
    vpc = plan.before.vpc
    name = named(vpc.id, vpc.tags) if vpc else plan.vpc
    sites = count(len(plan.before.living), "site")
    yield (
        f"While the cutover runs, {name} and {sites} on premises cannot reach each other. "
        f"In the rehearsal of this very plan that took {span(rehearsal.forward.outage)}; it "
        "counts 20 seconds for each task at a device, and people may need longer."
    )
    worst = max(passage.outage for passage in rehearsal.back)
    yield (
        f"If the change is taken back, traffic is down again: in the rehearsal up to "
        f"{longest_return(rehearsal)} from turning round, {span(worst)} in all. On a slow day at "
        "AWS the swap of the gateways alone may take 45 minutes, either way."
    )
    yield (
        "Staging (steps 1 to 6) interrupts nothing. Traffic inside the VPC, to the internet and "
        "through other gateways is not touched. Sessions over the VPN do not survive the cutover: "
        "applications have to connect again."
    )


def _site(connection: ConnectionRecord, plan: Plan) -> Site:
    device = device_of(connection, plan)
    up = sum(tunnel.up for tunnel in connection.telemetry)
    told = f"{device.id} at {device.ip}" if device else "not listed"
    return Site(
        site_name(connection, device),
        told,
        named(connection.id, connection.tags),
        "static" if connection.static_only else "BGP",
        tuple(prefix.cidr for prefix in connection.prefixes),
        f"{up} of {len(connection.telemetry)} UP",
    )


def _tables(plan: Plan) -> Iterator[Table]:
    for table in plan.before.route_tables:
        if part := "; ".join(_parts(table, plan)):
            subnets = sum(bool(association.subnet) for association in table.associations)
            title = f"{named(table.id, table.tags)}{' (main)' if table.main else ''}"
            yield Table(title, subnets, part)


def _parts(table: RouteTableRecord, plan: Plan) -> Iterator[str]:
    if plan.old_gateway in table.propagating:
        yield f"takes up {count(len(table.propagated_from(plan.old_gateway)), 'route')}"
    if static := table.static_routes_to(plan.old_gateway):
        yield f"static {', '.join(route.destination for route in static)}"
    if table.edge_of(plan.old_gateway):
        yield "edge table: inspects what comes in"
