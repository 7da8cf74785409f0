"""Runbook impact: sites, networks, durations, contacts and announcements."""

from __future__ import annotations

from collections.abc import Iterator

from vpnmigrate.model.clock import moment, span
from vpnmigrate.model.ec2 import ConnectionRecord, RouteTableRecord
from vpnmigrate.model.errors import UsageError
from vpnmigrate.model.plan import Plan
from vpnmigrate.rehearsal.rehearse import Rehearsal
from vpnmigrate.report.inventory import device_of, named, site_name
from vpnmigrate.report.names import names_of
from vpnmigrate.report.runbook.content import (
    Fact,
    FailureMode,
    FilledIn,
    Impact,
    PeopleMessage,
    RouteTableImpact,
    Site,
)
from vpnmigrate.report.runbook.schedule import expected_durations
from vpnmigrate.report.text import count


def impact_of(plan: Plan, rehearsal: Rehearsal) -> Impact:
    """Return which sites lose connectivity, to what, and for how long."""
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
    """Return the longest rollback, from its start until traffic flows on the old side."""
    return span(expected_durations(rehearsal).rollback)


def _summary(plan: Plan, rehearsal: Rehearsal) -> Iterator[str]:
    vpc = plan.before.vpc
    name = named(vpc.id, vpc.tags) if vpc else plan.vpc
    sites = count(len(plan.before.living), "site")
    yield (
        f"While the cutover runs, {name} and {sites} on premises cannot reach each other. "
        f"In the rehearsal of this plan that took {span(rehearsal.forward.outage)}, with 20 "
        "seconds for each task at a device; people may need longer."
    )
    worst = max(rehearsal_run.outage for rehearsal_run in rehearsal.back)
    yield (
        f"If the change is rolled back, traffic is down again: in the rehearsal up to "
        f"{longest_return(rehearsal)} from the start of the rollback, {span(worst)} in total. On "
        "a slow day at AWS the gateway swap alone may take 45 minutes, in either direction."
    )
    yield (
        "Staging (steps 1 to 6) interrupts no traffic. Traffic inside the VPC, to the internet "
        "and through other gateways is not affected. Sessions over the VPN break in the cutover: "
        "applications must reconnect."
    )


def _site(connection: ConnectionRecord, plan: Plan) -> Site:
    device = device_of(connection, plan.before)
    up = sum(tunnel.up for tunnel in connection.telemetry)
    text = f"{device.id} at {device.ip}" if device else "not listed"
    if (driver := plan.driver_of(connection.id)).automatic:
        text = f"{text}; driver: {driver}"
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
        yield count(len(table.propagated_from(plan.old_gateway)), "propagated route")
    if static := table.static_routes_to(plan.old_gateway):
        yield f"static {', '.join(route.destination for route in static)}"
    if table.edge_of(plan.old_gateway):
        yield "edge route table: inspects incoming traffic"


BRIDGE = "conference bridge: number or channel"
"""The role of the call on which everyone speaks."""


def people(plan: Plan, filled: FilledIn) -> tuple[Fact, ...]:
    """Return the roles with the names that are *filled* in, with one device engineer per site.

    Raises:
        UsageError: A name is given for a role that the document does not have, or that is not
            the only one with such a beginning.
    """
    roles = tuple(_roles(plan))
    names = {_role(roles, given): name for given, name in filled.people}
    return tuple((role, names.get(role, "")) for role in roles)


def _role(roles: tuple[str, ...], given: str) -> str:
    """Return the role that begins with *given*, whatever its case."""
    words = given.strip().lower().replace("-", " ")
    found = [role for role in roles if role.lower().replace("-", " ").startswith(words)]
    exact = [role for role in found if role.lower().replace("-", " ").partition(" (")[0] == words]
    match exact or found:
        case [role] if words:
            return role
        case _:
            known = ", ".join(role.partition(" (")[0] for role in roles)
            raise UsageError(
                f"{given!r} is not one role of this runbook", advice=f"name one of: {known}"
            )


def _roles(plan: Plan) -> Iterator[str]:
    yield "change owner (decides go or no-go)"
    yield "operator (runs the commands)"
    yield "second operator (has a copy of the plan file)"
    yield "approver"
    for connection in plan.before.living:
        device = device_of(connection, plan.before)
        yield engineer_role(site_name(connection, device), connection.id)
    yield "application owners (confirm their application works)"
    yield BRIDGE
    yield "AWS Support: plan and severity"


def engineer_role(site: str, connection: str) -> str:
    """Return the role of the engineer of the device of *connection*."""
    return f"device engineer of {site} ({connection})"


def messages(plan: Plan, outage: str, back: str) -> tuple[PeopleMessage, ...]:
    """Return the announcements, with placeholders in square brackets."""
    window = plan.decisions.window
    when = window.written if window else "[date, from, to, time zone]"
    vpc = names_of(plan).named(plan.vpc)
    return (
        PeopleMessage(
            "a week before, and a day before",
            "all users of the VPN",
            f"On {when} the VPN between [site] and AWS ({vpc}) is replaced. It is down once, for "
            f"about {outage} and at most [minutes]; sessions break and must be reopened. If the "
            "change is rolled back, it is down a second time. Questions: [name, channel].",
        ),
        PeopleMessage(
            "cutover begins",
            "bridge, application owners, device engineers",
            f"[time] UTC: the cutover of {vpc} starts; traffic over the VPN is down from now. "
            "Decision deadline [time] UTC. Device engineers: stand by for step 10.",
        ),
        PeopleMessage(
            "traffic flows",
            "bridge, application owners",
            "[time] UTC: tunnels are up and routes are back. Please test now and report by "
            "[time]: [applications].",
        ),
        PeopleMessage(
            "done",
            "all",
            "[time] UTC: migrated. Outage [from] to [to]. The old side is kept until finalize, a "
            "separate change on [date].",
        ),
        PeopleMessage(
            "rolled back",
            "all",
            f"[time] UTC: the change is being rolled back because [reason]. Traffic is down again "
            f"for about {back}; then the previous state is restored. Next attempt: [date].",
        ),
        PeopleMessage(
            "stuck",
            "bridge, management, AWS Support",
            f"[time] UTC: {vpc} has no path to [sites] since [time]. Status: [output of status]. "
            "Case [number]. Next update at [time].",
        ),
    )


def deadline(plan: Plan, cutover: str, rollback: str) -> tuple[Fact, ...]:
    """Return by when an unverified cutover must be rolled back, with the calculation."""
    margin = span(plan.decisions.waits.margin)
    window = plan.decisions.window
    rows: list[Fact] = [
        ("rehearsed cutover", cutover),
        ("longest rehearsed rollback", rollback),
        ("margin", f"{margin}: time of a detach on a slow day at AWS"),
    ]
    if window is None:
        return (
            *rows,
            ("window end, UTC (the plan has no window)", ""),
            ("decision deadline", f"window end - {rollback} - {margin} ="),
            ("latest start", f"decision deadline - {cutover} ="),
        )
    return (*rows, ("window", f"{window.written}: {moment(window.start)} to {moment(window.end)}"))


FAILURES: tuple[FailureMode, ...] = (
    FailureMode(
        "tunnel DOWN, message IPSEC IS UP",
        "BGP: the neighbour has another ASN now, is shut down, or is filtered",
        "correct the neighbour on the device; the run continues to check",
    ),
    FailureMode(
        "tunnel UP, no route accepted",
        "the device advertises nothing",
        "redistribute or announce the prefixes",
    ),
    FailureMode(
        "no tunnel up, IPSEC IS DOWN",
        "the firewall blocks the new AWS addresses, or neither side initiates the tunnel",
        "allow UDP 500 and 4500, and ESP; send a ping through the tunnel",
    ),
    FailureMode(
        "one of two tunnels up",
        "as many as before are required",
        "fix the second, or accept it by name: see Stuck; a device that runs only one tunnel had "
        "one up before, which is enough",
    ),
    FailureMode(
        "traffic one way only",
        "old tunnels still enabled, or a firewall that requires both directions on one tunnel",
        "disable the old tunnels; prefer one tunnel on the device",
    ),
    FailureMode(
        "InvalidParameterValue: pending VPNs or Virtual Interfaces",
        "a connection of the gateway is still changing",
        "nothing: the run waits for it",
    ),
    FailureMode(
        "VpnConnectionLimitExceeded, VpnGatewayLimitExceeded",
        "the quota, or too many changing at once",
        "raise the quota, or wait; then run the same command again",
    ),
    FailureMode(
        "InvalidVpcState at the attach",
        "another gateway is attached to the VPC",
        "see Stuck: a third gateway",
    ),
    FailureMode(
        "RequestExpired, ExpiredToken",
        "credentials have expired",
        "renew them in the same profile: the run loads them again",
    ),
    FailureMode(
        "a route table is gone",
        "deleted outside this run",
        "it is reported as lost; both directions continue",
    ),
    FailureMode(
        "the terminal is gone",
        "it was connected through this VPN, or a laptop slept",
        "in the cutover the process continues: run status in any terminal",
    ),
    FailureMode(
        "traffic is stable, an application fails",
        "it uses the old addresses, or kept its sessions",
        "restart it; search for the old addresses; else roll back by the deadline",
    ),
)
