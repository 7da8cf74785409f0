"""Runbook impact: sites, networks, minutes, contacts and announcements."""

from __future__ import annotations

from collections.abc import Iterator

from vpnmigrate.model.clock import moment, span
from vpnmigrate.model.ec2 import ConnectionRecord, CustomerGatewayRecord, RouteTableRecord
from vpnmigrate.model.plan import Plan
from vpnmigrate.rehearsal.rehearse import Rehearsal
from vpnmigrate.report.inventory import NAME, named
from vpnmigrate.report.runbook.content import (
    Fact,
    FailureMode,
    Impact,
    PeopleMessage,
    RouteTableImpact,
    Site,
)
from vpnmigrate.report.text import count


def impact_of(plan: Plan, rehearsal: Rehearsal) -> Impact:
    """Return who is cut off, from what, and for how long."""
    return Impact(
        tuple(_summary(plan, rehearsal)),
        tuple(_site(connection, plan) for connection in plan.before.living),
        tuple(_tables(plan)),
        on_premises(plan),
    )


def on_premises(plan: Plan) -> tuple[str, ...]:
    """Return every destination that the VPC reaches through the gateway, sorted."""
    gateway = plan.old_gateway
    reached = {p for t in plan.before.route_tables for p in t.propagated_from(gateway)}
    written = {r.destination for t in plan.before.route_tables for r in t.static_routes_to(gateway)}
    static = {p.cidr for c in plan.before.living for p in c.prefixes}
    return tuple(sorted(reached | written | static))


def longest_return(rehearsal: Rehearsal) -> str:
    """Return the longest way back, from turning round until traffic flows on the old side."""
    return span(max(rehearsal_run.restored for rehearsal_run in rehearsal.back))


def site_name(connection: ConnectionRecord, device: CustomerGatewayRecord | None) -> str:
    """Return what people are likely to call the place behind *connection*."""
    found = device.tags.get(NAME) or device.device_name if device else ""
    return found or connection.tags.get(NAME) or (device.id if device else connection.id)


def device_of(connection: ConnectionRecord, plan: Plan) -> CustomerGatewayRecord | None:
    """Return the record of the device behind *connection*."""
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
    worst = max(rehearsal_run.outage for rehearsal_run in rehearsal.back)
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
    text = f"{device.id} at {device.ip}" if device else "not listed"
    return Site(
        site_name(connection, device),
        text,
        named(connection.id, connection.tags),
        "static" if connection.static_only else "BGP",
        tuple(prefix.cidr for prefix in connection.prefixes),
        f"{up} of {len(connection.telemetry)} UP",
    )


def _tables(plan: Plan) -> Iterator[RouteTableImpact]:
    for table in plan.before.route_tables:
        if part := "; ".join(_parts(table, plan)):
            subnets = sum(bool(association.subnet) for association in table.associations)
            title = f"{named(table.id, table.tags)}{' (main)' if table.main else ''}"
            yield RouteTableImpact(title, subnets, part)


def _parts(table: RouteTableRecord, plan: Plan) -> Iterator[str]:
    if plan.old_gateway in table.propagating:
        yield f"takes up {count(len(table.propagated_from(plan.old_gateway)), 'route')}"
    if static := table.static_routes_to(plan.old_gateway):
        yield f"static {', '.join(route.destination for route in static)}"
    if table.edge_of(plan.old_gateway):
        yield "edge table: inspects what comes in"


def people(plan: Plan) -> tuple[Fact, ...]:
    """Return the roles to fill in; one at the devices of each site."""
    return tuple(_roles(plan))


def _roles(plan: Plan) -> Iterator[Fact]:
    yield "change owner, decides go and no-go", ""
    yield "operator, types", ""
    yield "second operator, has the plan file too", ""
    yield "approver", ""
    for connection in plan.before.living:
        device = device_of(connection, plan)
        yield f"at the device of {site_name(connection, device)} ({connection.id})", ""
    yield "applications, say whether theirs works", ""
    yield "bridge: number or channel", ""
    yield "AWS Support: plan and severity", ""


def messages(plan: Plan, outage: str, back: str) -> tuple[PeopleMessage, ...]:
    """Return what people are told, with holes in square brackets."""
    window = plan.decisions.window
    when = window.written if window else "[date, from, to, time zone]"
    vpc = plan.vpc
    return (
        PeopleMessage(
            "a week before, and a day before",
            "everybody who uses the VPN",
            f"On {when} the VPN between [site] and AWS ({vpc}) moves to its successor. It is "
            f"down once, for about {outage} and at most [minutes]; sessions break and have to be "
            "opened again. Taken back, it is down a second time. Questions: [name, channel].",
        ),
        PeopleMessage(
            "cutover begins",
            "bridge, applications, devices",
            f"[time] UTC: the cutover of {vpc} begins; traffic over the VPN is down from now. "
            "Decision deadline [time] UTC. Devices: stand by for step 10.",
        ),
        PeopleMessage(
            "traffic flows",
            "bridge, applications",
            "[time] UTC: tunnels are up and routes are back. Please test now and say so by "
            "[time]: [applications].",
        ),
        PeopleMessage(
            "done",
            "everybody",
            "[time] UTC: moved. Outage [from] to [to]. The old side stays until finalize, a "
            "change of its own on [date].",
        ),
        PeopleMessage(
            "turned back",
            "everybody",
            f"[time] UTC: the change is taken back because [reason]. Traffic is down again for "
            f"about {back}; then all is as before. Next attempt: [date].",
        ),
        PeopleMessage(
            "stuck",
            "bridge, management, AWS Support",
            f"[time] UTC: {vpc} has no path to [sites] since [time]. Seen: [what status says]. "
            "Case [number]. Next word at [time].",
        ),
    )


def deadline(plan: Plan, cutover: str, rollback: str) -> tuple[Fact, ...]:
    """Return by when an unverified cutover has to turn round, with how that is reckoned."""
    margin = span(plan.decisions.waits.margin)
    window = plan.decisions.window
    rows: list[Fact] = [
        ("rehearsed cutover", cutover),
        ("rehearsed rollback, the longest", rollback),
        ("margin", f"{margin}: what AWS takes to detach on a slow day, domain.md 3.1"),
    ]
    if window is None:
        return (
            *rows,
            ("the plan has no window; its end, UTC", ""),
            ("decision deadline", f"window end - {rollback} - {margin} ="),
            ("latest start", f"decision deadline - {cutover} ="),
        )
    return (*rows, ("window", f"{window.written}: {moment(window.start)} to {moment(window.end)}"))


FAILURES: tuple[FailureMode, ...] = (
    FailureMode(
        "tunnel DOWN, message IPSEC IS UP",
        "BGP: the neighbour's ASN is another one now, a shut neighbour, a filter",
        "correct the neighbour on the device; the run watches on",
    ),
    FailureMode(
        "tunnel UP, no route accepted",
        "the device advertises nothing",
        "redistribute or announce the prefixes",
    ),
    FailureMode(
        "nothing at all, IPSEC IS DOWN",
        "the firewall before the device does not know AWS's new addresses, or nobody initiates",
        "UDP 500 and 4500, ESP; send a ping through the tunnel",
    ),
    FailureMode(
        "one of two tunnels up",
        "as many as before are asked for",
        "mend the second, or accept it by name: see Stuck; where the device runs one only, one "
        "was up before and is enough",
    ),
    FailureMode(
        "traffic one way only",
        "old tunnels still enabled, or a firewall that wants both ways on one tunnel",
        "disable the old tunnels; prefer one tunnel on the device",
    ),
    FailureMode(
        "InvalidParameterValue: pending VPNs or Virtual Interfaces",
        "a connection of the gateway is still changing",
        "nothing: it is waited for",
    ),
    FailureMode(
        "VpnConnectionLimitExceeded, VpnGatewayLimitExceeded",
        "the quota, or too many changing at once",
        "raise the quota, or wait; then the same command again",
    ),
    FailureMode(
        "InvalidVpcState at the attach",
        "another gateway is on the VPC",
        "see Stuck: a third gateway",
    ),
    FailureMode(
        "RequestExpired, ExpiredToken",
        "credentials have expired",
        "renew them in the same profile: the run looks for them afresh",
    ),
    FailureMode(
        "a route table is gone",
        "deleted outside this run",
        "it is named as lost, and stops neither way",
    ),
    FailureMode(
        "the terminal is gone",
        "it ran through this VPN, or a laptop slept",
        "in the cutover the process continues: status shows it from any terminal",
    ),
    FailureMode(
        "everything is green, an application fails",
        "it names the old addresses, or kept its sessions",
        "restart it; look for the old addresses; else go back by the deadline",
    ),
)
