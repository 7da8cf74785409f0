"""Checks of the Amazon-side ASN of the new gateway (domain.md 6.1)."""

from __future__ import annotations

from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.ec2 import DEFAULT_ASN
from vpnmigrate.model.plan import Finding
from vpnmigrate.model.survey import Survey
from vpnmigrate.preflight.base import Findings, listed

CLASSIC_ASNS = frozenset({7224, 9059, 10124, 17493})
"""What gateways made before 2018-06-30 have; public, so no new gateway may have them."""
_RANGES = (range(64512, 65534 + 1), range(4200000000, 4294967294 + 1))


def asn_can_be_asked_for(_survey: Survey, decisions: Decisions) -> Findings:
    """EC2 takes private ASNs only, and neither end of their 2-byte range beyond 65534."""
    asn = decisions.asn
    if asn is None or any(asn in allowed for allowed in _RANGES):
        return
    why = "is a public ASN of old gateways" if asn in CLASSIC_ASNS else "is out of range"
    yield Finding(
        "VPM-B501",
        "asn-not-allowed",
        f"asn: {asn} {why}",
        "Choose 64512 to 65534 or 4200000000 to 4294967294; the old one cannot be kept.",
    )


def asn_differs_from_devices(survey: Survey, decisions: Decisions) -> Findings:
    """EC2 refuses a connection whose two ends have one ASN (AsnConflict)."""
    asn = decisions.asn or DEFAULT_ASN
    mine = {c.customer_gateway for c in survey.living}
    clashing = [g for g in survey.customer_gateways if g.id in mine and g.asn == asn]
    if clashing:
        taken = {g.asn for g in survey.customer_gateways}
        free = next(candidate for candidate in _RANGES[0] if candidate not in taken)
        chosen = f"asn: {asn}" if decisions.asn else f"AWS's default ASN {asn}"
        yield Finding(
            "VPM-B502",
            "asn-clash",
            f"{chosen} is that of customer gateway {listed(g.id for g in clashing)}",
            f"Choose another private ASN in a playbook, for example asn: {free}.",
        )


def devices_keep_their_neighbour(survey: Survey, decisions: Decisions) -> Findings:
    """A new Amazon-side ASN has to be entered on every BGP device."""
    old, new = survey.gateway.asn, decisions.asn or DEFAULT_ASN
    speakers = [c.id for c in survey.living if not c.static_only]
    if speakers and old != new:
        before = f"from {old} " if old else ""
        yield Finding(
            "VPM-W501",
            "remote-as-changes",
            f"the Amazon side's ASN changes {before}to {new} for {listed(speakers)}",
            f"Enter remote-as {new} for the new neighbours in step 5, and look through AS-path "
            "filters and route-maps.",
        )
