"""Preflight: the old connections, their devices and tunnel options."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from datetime import timedelta

from vpnmigrate.model.clock import span
from vpnmigrate.model.decisions import Decisions, KeyMode
from vpnmigrate.model.ec2 import AWS_VPN, CLASSIC, ConnectionRecord, CustomerGatewayId
from vpnmigrate.model.plan import Finding
from vpnmigrate.model.survey import Survey
from vpnmigrate.planning.preflight.base import Findings, listed


def nothing_to_migrate(survey: Survey, decisions: Decisions) -> str | None:
    """Return why there is nothing to do, or None where there is.

    A connection of unknown category counts as something to do: it has to be looked into, and
    its own check refuses it.
    """
    if not survey.living:
        return f"{survey.gateway.id} has no VPN connection"
    if decisions.recreate_aws_vpn or any(c.category != AWS_VPN for c in survey.living):
        return None
    return f"every connection on {survey.gateway.id} is AWS VPN already: {_ids(survey.living)}"


def category_is_known(survey: Survey, _decisions: Decisions) -> Findings:
    """Refuse what is neither Classic nor AWS VPN: nobody can tell what it would become."""
    for connection in survey.living:
        if connection.category not in {CLASSIC, AWS_VPN}:
            said = f"Category {connection.category!r}" if connection.category else "no Category"
            yield Finding(
                "VPM-B101",
                "unknown-category",
                f"{connection.id}: EC2 says {said}",
                "Plan against the EC2 endpoint of the connection's own Region; an endpoint that "
                "leaves out Category cannot show which connections are Classic.",
            )


def categories_agree(survey: Survey, decisions: Decisions) -> Findings:
    """All connections move with their gateway, so a mixed one is a decision, not a default."""
    classic = [c for c in survey.living if c.category == CLASSIC]
    modern = [c for c in survey.living if c.category == AWS_VPN]
    if not modern:
        return
    if decisions.recreate_aws_vpn:
        yield Finding(
            "VPM-W101",
            "aws-vpn-recreated",
            f"{_ids(modern)}: AWS VPN already, and re-created because the playbook says so",
            "Nothing, if that is meant: these devices get new tunnel addresses and keys as well.",
        )
    elif classic:
        yield Finding(
            "VPM-B102",
            "mixed-categories",
            f"{_ids(classic)}: VPN-Classic; {_ids(modern)}: VPN, on the same gateway",
            "Every connection moves with the gateway.  Set recreate_aws_vpn: true in a playbook "
            "to re-create all of them, or move the AWS VPN ones away first.",
        )


def connections_are_available(survey: Survey, _decisions: Decisions) -> Findings:
    """Refuse a connection in transition; deleted ones are not looked at (domain.md 2.3)."""
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
    """Leave alone what ends on a transit gateway, core network or concentrator."""
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
            "not on a virtual private gateway, left as they are: "
            + listed(f"{c.id} (on {c.elsewhere})" for c in skipped),
            "Nothing: Classic VPN exists on virtual private gateways only.",
        )


def devices_are_known(survey: Survey, _decisions: Decisions) -> Findings:
    """A successor is made with the customer gateway that is there, so it has to be there."""
    known = {g.id: g for g in survey.customer_gateways}
    for connection in survey.living:
        record = known.get(connection.customer_gateway or CustomerGatewayId(""))
        if record is None or record.state != "available":
            state = record.state if record else "not to be found"
            yield Finding(
                "VPM-B106",
                "customer-gateway-not-available",
                f"{connection.id}: customer gateway {connection.customer_gateway} is {state}",
                "Bring the customer gateway to available; a successor cannot be made without it.",
            )


def pairs_are_unique(survey: Survey, _decisions: Decisions) -> Findings:
    """EC2 may answer a second create for the same two gateways with the first connection.

    Then one old connection would have no successor (domain.md 2.3).
    """
    for device, connections in _by_device(survey.living).items():
        if len(connections) > 1:
            yield Finding(
                "VPM-B107",
                "customer-gateway-twice",
                f"{_ids(connections)} share customer gateway {device}",
                "Delete the spare connection, or give one a customer gateway of its own with "
                "another outside address, and plan again.",
            )


def keys_can_be_reused(survey: Survey, decisions: Decisions) -> Findings:
    """A certificate-based connection has no key to reuse."""
    if decisions.keys is not KeyMode.REUSE:
        return
    certified = {g.id for g in survey.customer_gateways if g.certificate}
    for connection in survey.living:
        if connection.customer_gateway in certified:
            yield Finding(
                "VPM-B108",
                "no-key-to-reuse",
                f"{connection.id} authenticates with a certificate",
                "Use keys: new in the playbook; with a certificate no key is made anyway.",
            )


def tunnels_are_up(survey: Survey, _decisions: Decisions) -> Findings:
    """Step 10 asks for a tunnel per connection even where none was up before."""
    for connection in survey.living:
        if not any(reading.up for reading in connection.telemetry):
            yield Finding(
                "VPM-W103",
                "no-tunnel-up",
                f"{connection.id} has no tunnel UP now",
                "Repair it first, or name it under exceptions.connections in a playbook: "
                "step 10 asks for at least one tunnel UP on each successor.",
            )


def devices_serve_nobody_else(survey: Survey, _decisions: Decisions) -> Findings:
    """Return that a customer gateway also serves connections that stay."""
    mine = {c.customer_gateway for c in survey.living}
    staying = _by_device(c for c in survey.other_connections if c.state != "deleted")
    for device, connections in staying.items():
        if device in mine:
            yield Finding(
                "VPM-W104",
                "customer-gateway-shared",
                f"{device} also serves {_ids(connections)}",
                "Nothing: customer gateways are never deleted.  Mind on the device that those "
                "tunnels stay as they are.",
            )


def addresses_differ(survey: Survey, _decisions: Decisions) -> Findings:
    """Hint at an address that EC2 may refuse for a second connection (domain.md 2.3)."""
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
                "If step 3 is refused with InvalidCustomerGateway.DuplicateIpAddress, nothing is "
                "interrupted: give one device another address, or use one connection for both.",
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


_ENCRYPTION = ("AES128", "AES256", "AES128-GCM-16", "AES256-GCM-16")

_INTEGRITY = ("SHA1", "SHA2-256", "SHA2-384", "SHA2-512")

_PHASE1_GROUPS = (2, *range(14, 24 + 1))

_PHASE2_GROUPS = (2, 5, *range(14, 24 + 1))

ALLOWED: dict[str, Collection[object]] = {
    "ike_versions": ("ikev1", "ikev2"),
    "phase1_encryption": _ENCRYPTION,
    "phase1_integrity": _INTEGRITY,
    "phase1_dh_groups": _PHASE1_GROUPS,
    "phase2_encryption": _ENCRYPTION,
    "phase2_integrity": _INTEGRITY,
    "phase2_dh_groups": _PHASE2_GROUPS,
}

DPD_ACTIONS = ("clear", "none", "restart")

SHORTEST_DPD_SECONDS = 30

FEWEST_READINGS = 2
"""A single reading may be stale (domain.md 6.6)."""


def tunnel_options_are_valid(_survey: Survey, decisions: Decisions) -> Findings:
    """An option outside EC2's lists would be refused at step 3."""
    for field, fault in _faults(decisions):
        yield Finding(
            "VPM-B701",
            "tunnel-option-invalid",
            f"tunnel_options.{field}: {fault}",
            "Correct the playbook; leave an option out for AWS's default.",
        )


def device_types_are_complete(survey: Survey, decisions: Decisions) -> Findings:
    """AWS's samples go by vendor, platform and software, for customer gateways that there are."""
    known = {c.customer_gateway for c in survey.living} | {"default"}
    for device, kind in decisions.device_types.items():
        if device not in known:
            yield Finding(
                "VPM-B702",
                "device-type-of-nobody",
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
    """Step 10 cannot hold steady for longer than it may take."""
    waits = decisions.waits
    if waits.steady < timedelta(0) or waits.tunnels <= waits.steady:
        yield Finding(
            "VPM-B704",
            "waits-impossible",
            f"waits.tunnels is {_signed(waits.tunnels)}, waits.steady is {_signed(waits.steady)}",
            "Let waits.tunnels be longer than waits.steady, and neither negative.",
        )
    if waits.soak < timedelta(0) or decisions.verification.readings < FEWEST_READINGS:
        yield Finding(
            "VPM-B705",
            "verification-proves-nothing",
            f"waits.soak is {_signed(waits.soak)}, verification.readings is "
            f"{decisions.verification.readings}",
            f"Let the soak not be negative, and ask for at least {FEWEST_READINGS} readings.",
        )


def _signed(length: timedelta) -> str:
    """Return a length that may be negative, which is the fault."""
    return f"-{span(-length)}" if length < timedelta(0) else span(length)


def _faults(decisions: Decisions) -> Iterator[tuple[str, str]]:
    options = decisions.tunnel_options
    for field, allowed in ALLOWED.items():
        for value in getattr(options, field):
            if value not in allowed:
                yield field, f"{value} is none of {listed(allowed)}"
    timeout, action = options.dpd_timeout_seconds, options.dpd_timeout_action
    if timeout is not None and timeout < SHORTEST_DPD_SECONDS:
        yield "dpd_timeout_seconds", f"{timeout} is less than {SHORTEST_DPD_SECONDS}"
    if action is not None and action not in DPD_ACTIONS:
        yield "dpd_timeout_action", f"{action} is none of {listed(DPD_ACTIONS)}"
