"""Checks of tunnel options against what EC2 takes on a virtual private gateway (domain.md 6.5)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import timedelta

from vpnmigrate.model.clock import span
from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.plan import Finding
from vpnmigrate.model.survey import Survey
from vpnmigrate.preflight.base import Findings, listed

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
    """Tell a length that may be negative, which is the fault."""
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
