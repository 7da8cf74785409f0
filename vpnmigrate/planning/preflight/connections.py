"""Preflight: the old connections, their devices and tunnel options."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from vpnmigrate.model.clock import span
from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.ec2 import AWS_VPN, CLASSIC, ConnectionRecord, CustomerGatewayId
from vpnmigrate.model.errors.commands import Advice, cli
from vpnmigrate.model.plan import Finding
from vpnmigrate.model.survey import Survey
from vpnmigrate.planning.preflight.base import Findings, listed


@dataclass(frozen=True)
class NothingToMigrate:
    """Why a gateway needs no migration, and what to do if it should be replaced anyway."""

    why: str
    advice: Advice


def nothing_to_migrate(survey: Survey, decisions: Decisions) -> NothingToMigrate | None:
    """Return why there is nothing to migrate, or None if there is.

    A connection of unknown category counts as one to migrate; its own check blocks it.
    """
    gateway = survey.gateway.id
    if not survey.living:
        return NothingToMigrate(
            f"{gateway} has no VPN connection",
            ("name a gateway that has one; to see those of this account and Region:", cli("list")),
        )
    if decisions.recreate_aws_vpn or any(c.category != AWS_VPN for c in survey.living):
        return None
    return NothingToMigrate(
        f"every connection on {gateway} is AWS VPN already: {_ids(survey.living)}",
        "to replace the gateway anyway, set recreate_aws_vpn: true in a playbook",
    )


def category_is_known(survey: Survey, _decisions: Decisions) -> Findings:
    """Check that each connection is Classic or AWS VPN: the result of another is unknown."""
    for connection in survey.living:
        if connection.category not in {CLASSIC, AWS_VPN}:
            said = f"Category {connection.category!r}" if connection.category else "no Category"
            yield Finding(
                "VPM-B101",
                "unknown-category",
                f"{connection.id}: EC2 returns {said}",
                "Plan against the EC2 endpoint of the connection's own Region; an endpoint that "
                "leaves out Category cannot show which connections are Classic.",
            )


def categories_agree(survey: Survey, decisions: Decisions) -> Findings:
    """Check for mixed categories: all connections of a gateway are replaced together."""
    classic = [c for c in survey.living if c.category == CLASSIC]
    modern = [c for c in survey.living if c.category == AWS_VPN]
    if not modern:
        return
    if decisions.recreate_aws_vpn:
        yield Finding(
            "VPM-W101",
            "aws-vpn-recreated",
            f"{_ids(modern)}: AWS VPN already, and re-created because of the playbook",
            "Nothing, if intended: these devices get new tunnel addresses and keys as well.",
        )
    elif classic:
        yield Finding(
            "VPM-B102",
            "mixed-categories",
            f"{_ids(classic)}: VPN-Classic; {_ids(modern)}: VPN, on the same gateway",
            "All connections of the gateway are replaced together.  Set recreate_aws_vpn: true in "
            "a playbook to re-create all of them, or move the AWS VPN ones to another gateway "
            "first.",
        )


def connections_are_available(survey: Survey, _decisions: Decisions) -> Findings:
    """Check that each connection is available; deleted ones are ignored (domain.md 2.3)."""
    for connection in survey.living:
        if connection.state == "deleting":
            yield Finding(
                "VPM-B103",
                "connection-deleting",
                f"{connection.id} is deleting",
                "Wait until it is deleted, at most 30 minutes, and plan again.",
            )
        elif connection.state != "available":
            yield Finding(
                "VPM-B104",
                "connection-not-available",
                f"{connection.id} is {connection.state}",
                "Wait until it is available, at most 40 minutes, and plan again.",
            )


def connections_end_here(survey: Survey, _decisions: Decisions) -> Findings:
    """Check that each connection ends on this gateway, not on a transit gateway or the like."""
    for connection in survey.living:
        if connection.elsewhere or connection.vpn_gateway not in {None, survey.gateway.id}:
            ends = connection.elsewhere or connection.vpn_gateway
            yield Finding(
                "VPM-B105",
                "connection-elsewhere",
                f"{connection.id} ends on {ends}, not on {survey.gateway.id}",
                "Plan with the virtual private gateway that holds the connections to migrate.",
            )
    skipped = [c for c in survey.other_connections if c.elsewhere and c.state != "deleted"]
    if skipped:
        yield Finding(
            "VPM-W102",
            "connection-skipped",
            "not on a virtual private gateway, and not changed: "
            + listed(f"{c.id} (on {c.elsewhere})" for c in skipped),
            "Nothing: Classic VPN exists on virtual private gateways only.",
        )


def devices_are_known(survey: Survey, _decisions: Decisions) -> Findings:
    """Check that each customer gateway is available: the successor needs the same one."""
    known = {g.id: g for g in survey.customer_gateways}
    for connection in survey.living:
        record = known.get(connection.customer_gateway or CustomerGatewayId(""))
        if record is None or record.state != "available":
            state = record.state if record else "not found"
            yield Finding(
                "VPM-B106",
                "customer-gateway-not-available",
                f"{connection.id}: customer gateway {connection.customer_gateway} is {state}",
                "Make the customer gateway available; a successor cannot be created without it.",
            )


def pairs_are_unique(survey: Survey, _decisions: Decisions) -> Findings:
    """Check that no two connections share a customer gateway: EC2 may create only one successor.

    EC2 may answer a second create for the same two gateways with the first connection
    (domain.md 2.3).
    """
    for device, connections in _by_device(survey.living).items():
        if len(connections) > 1:
            yield Finding(
                "VPM-B107",
                "customer-gateway-twice",
                f"{_ids(connections)} share customer gateway {device}",
                "Delete the spare connection, or move one to a customer gateway of its own with "
                "another outside address; then plan again.",
            )


def static_prefixes_are_of_static_connections(survey: Survey, _decisions: Decisions) -> Findings:
    """Check for static prefixes on a BGP connection, which EC2 accepts for no successor."""
    for connection in survey.living:
        cidrs = connection.static_prefixes
        if cidrs and not connection.static_only:
            yield Finding(
                "VPM-W113",
                "prefixes-of-a-bgp-connection",
                f"{connection.id} uses BGP, and EC2 lists static prefixes on it: {listed(cidrs)}",
                "The successor gets none: EC2 refuses them for a BGP connection.  Check that the "
                "device advertises these prefixes.",
            )


def tunnels_are_up(survey: Survey, _decisions: Decisions) -> Findings:
    """Check that each connection has a tunnel UP: step 10 requires one on each successor."""
    for connection in survey.living:
        if not any(reading.up for reading in connection.telemetry):
            yield Finding(
                "VPM-W103",
                "no-tunnel-up",
                f"{connection.id} has no tunnel UP now",
                "Repair it first, or name it under exceptions.connections in a playbook: "
                "step 10 requires at least one tunnel UP on each successor.",
            )


def both_tunnels_are_up(survey: Survey, _decisions: Decisions) -> Findings:
    """Check that each connection with a tunnel UP has both UP: one leaves no redundancy."""
    for connection in survey.living:
        down = [reading for reading in connection.telemetry if not reading.up]
        total = len(connection.telemetry)
        if down and len(down) < total:
            why = listed(
                f"{reading.outside_ip}{f' ({reading.message})' if reading.message else ''}"
                for reading in down
            )
            yield Finding(
                "VPM-W106",
                "one-tunnel-down",
                f"{connection.id} has {total - len(down)} of {total} tunnels UP now; DOWN: {why}",
                "Repair it first and plan again, so that both tunnels of the successor are "
                "required.  Nothing, if the device runs one tunnel only: step 10 requires as many "
                "tunnels UP as now.",
            )


def devices_serve_no_other_connection(survey: Survey, _decisions: Decisions) -> Findings:
    """Check whether a customer gateway also serves connections that stay."""
    mine = {c.customer_gateway for c in survey.living}
    staying = _by_device(c for c in survey.other_connections if c.state != "deleted")
    for device, connections in staying.items():
        if device in mine:
            yield Finding(
                "VPM-W104",
                "customer-gateway-shared",
                f"{device} also serves {_ids(connections)}",
                "Nothing in AWS: customer gateways are never deleted.  Do not change those tunnels "
                "on the device.",
            )


def addresses_differ(survey: Survey, _decisions: Decisions) -> Findings:
    """Check for an outside address that EC2 may refuse a second time (domain.md 2.3)."""
    mine = {c.customer_gateway for c in survey.living}
    by_address: defaultdict[str, list[CustomerGatewayId]] = defaultdict(list)
    for record in survey.customer_gateways:
        if record.id in mine and record.ip:
            by_address[record.ip].append(record.id)
    for address, devices in by_address.items():
        if len(devices) > 1:
            yield Finding(
                "VPM-W105",
                "customer-address-twice",
                f"{listed(devices)} have the same outside address {address}",
                "Step 3 may fail with InvalidCustomerGateway.DuplicateIpAddress, without effect on "
                "traffic: then change the address of one device, or use one connection for both.",
            )


def _by_device(
    connections: Iterable[ConnectionRecord],
) -> dict[CustomerGatewayId, list[ConnectionRecord]]:
    grouped: defaultdict[CustomerGatewayId, list[ConnectionRecord]] = defaultdict(list)
    for connection in connections:
        if connection.customer_gateway:
            grouped[connection.customer_gateway].append(connection)
    return grouped


def _ids(connections: Iterable[ConnectionRecord]) -> str:
    return listed(c.id for c in connections)


FEWEST_READINGS = 2
"""A single reading may be stale (domain.md 6.6)."""


def device_types_are_complete(survey: Survey, decisions: Decisions) -> Findings:
    """Check that device types name existing customer gateways, and all parts that AWS needs."""
    known = {c.customer_gateway for c in survey.living} | {"default"}
    for device, kind in decisions.device_types.items():
        if device not in known:
            yield Finding(
                "VPM-B702",
                "device-type-unused",
                f"device_types names {device}, which no connection of {survey.gateway.id} uses",
                f"Name one of {listed(sorted(d for d in known if d))}.",
            )
        parts = [part.strip() for part in kind.split("/", 2)]
        if len(parts) != 3 or not all(parts):  # noqa: PLR2004
            yield Finding(
                "VPM-B703",
                "device-type-incomplete",
                f"device_types.{device}: {kind}",
                "Write vendor/platform/software as aws ec2 get-vpn-connection-device-types does, "
                "for example Cisco Systems, Inc./ASR 1000/IOS 12.4+.",
            )


def waits_are_possible(_survey: Survey, decisions: Decisions) -> Findings:
    """Check that step 10 can pass: traffic must be stable within the limit, in enough readings."""
    waits = decisions.waits
    if waits.steady < timedelta(0) or waits.tunnels <= waits.steady:
        yield Finding(
            "VPM-B704",
            "waits-impossible",
            f"waits.tunnels is {_signed(waits.tunnels)}, waits.steady is {_signed(waits.steady)}",
            "Set waits.tunnels longer than waits.steady, and both to at least zero.",
        )
    if waits.soak < timedelta(0) or decisions.verification.readings < FEWEST_READINGS:
        yield Finding(
            "VPM-B705",
            "verification-proves-nothing",
            f"waits.soak is {_signed(waits.soak)}, verification.readings is "
            f"{decisions.verification.readings}",
            f"Set waits.soak to at least zero, and readings to at least {FEWEST_READINGS}.",
        )


def _signed(length: timedelta) -> str:
    """Return a duration that may be negative."""
    return f"-{span(-length)}" if length < timedelta(0) else span(length)
