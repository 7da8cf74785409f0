"""Preflight: inside CIDRs and the network of the test VPC."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, ip_network
from itertools import combinations

from vpnmigrate.model.decisions import Decisions, InsideMode, OldTunnels
from vpnmigrate.model.ec2 import TUNNELS, VpnConnectionId
from vpnmigrate.model.plan import Finding
from vpnmigrate.model.survey import Survey
from vpnmigrate.planning.preflight.base import (
    Findings,
    Network,
    listed,
    network,
    on_premises,
    overlap,
)

INSIDE = IPv4Network("169.254.0.0/16")
RESERVED = frozenset(
    IPv4Network(text)
    for text in (
        "169.254.0.0/30",
        "169.254.1.0/30",
        "169.254.2.0/30",
        "169.254.3.0/30",
        "169.254.4.0/30",
        "169.254.5.0/30",
        "169.254.169.252/30",
    )
)
"""Networks reserved by EC2 (domain.md 6.2)."""
VPC_SIZES = range(16, 28 + 1)
"""Prefix lengths that EC2 accepts for a VPC."""


def inside_cidrs(survey: Survey, decisions: Decisions) -> Mapping[VpnConnectionId, tuple[str, ...]]:
    """Return the inside CIDRs requested for the new tunnels, per old connection."""
    match decisions.inside:
        case InsideMode.AMAZON:
            return {}
        case InsideMode.KEEP:
            return {c.id: tuple(t.inside_cidr for t in c.tunnels) for c in survey.living}
        case InsideMode.LISTED:
            return decisions.inside_cidrs


def inside_cidrs_are_valid(survey: Survey, decisions: Decisions) -> Findings:
    """Check that each inside CIDR is a /30 network of 169.254.0.0/16 not reserved by EC2."""
    for connection, cidrs in inside_cidrs(survey, decisions).items():
        for cidr in cidrs:
            fault = _fault_of(cidr)
            if fault:
                yield Finding(
                    "VPM-B601",
                    "inside-cidr-invalid",
                    f"inside CIDR {cidr or 'unknown'} for the successor of {connection} {fault}",
                    "Choose a /30 of 169.254.0.0/16 by its network address, for example "
                    "169.254.6.0/30.",
                )


def inside_cidrs_are_unique(survey: Survey, decisions: Decisions) -> Findings:
    """Check that inside CIDRs do not overlap: all new tunnels end on one gateway."""
    chosen = [
        (connection, cidr, parsed)
        for connection, cidrs in inside_cidrs(survey, decisions).items()
        for cidr in cidrs
        if (parsed := network(cidr)) is not None
    ]
    for (one, cidr, left), (other, other_cidr, right) in combinations(chosen, 2):
        if overlap(left, right):
            yield Finding(
                "VPM-B602",
                "inside-cidr-overlap",
                f"{cidr} (successor of {one}) overlaps {other_cidr} (successor of {other})",
                "Choose a different inside CIDR for each new tunnel.",
            )


def inside_cidrs_match_connections(survey: Survey, decisions: Decisions) -> Findings:
    """Check that a list of inside CIDRs names exactly the old connections."""
    if decisions.inside is not InsideMode.LISTED:
        if decisions.inside_cidrs:
            yield Finding(
                "VPM-B603",
                "inside-cidrs-unused",
                f"inside_cidrs lists addresses, but inside is {decisions.inside.value}",
                "Set inside: listed, or remove inside_cidrs.",
            )
        return
    living = {c.id for c in survey.living}
    unknown, missing = (
        decisions.inside_cidrs.keys() - living,
        living - decisions.inside_cidrs.keys(),
    )
    if unknown:
        yield Finding(
            "VPM-B604",
            "inside-cidrs-unknown-connection",
            f"inside_cidrs names {listed(sorted(unknown))}, not on {survey.gateway.id}",
            f"Name the connections of the gateway: {listed(sorted(living))}.",
        )
    if missing:
        yield Finding(
            "VPM-B605",
            "inside-cidrs-missing",
            f"inside is listed, and inside_cidrs lacks {listed(sorted(missing))}",
            "List two inside CIDRs for each old connection.",
        )


def kept_addresses_are_known(survey: Survey, decisions: Decisions) -> Findings:
    """Check that inside CIDRs to keep are known and will not be in use on two tunnels at once."""
    if decisions.inside is not InsideMode.KEEP:
        return
    for connection in survey.living:
        if len([t for t in connection.tunnels if t.inside_cidr]) != TUNNELS:
            yield Finding(
                "VPM-B606",
                "inside-cidr-unknown",
                f"{connection.id}: the inside CIDRs of its tunnels could not be read",
                "Use inside: listed, with the addresses from the device, or inside: amazon.",
            )
    if decisions.old_tunnels is OldTunnels.LEAVE:
        yield Finding(
            "VPM-B607",
            "same-address-twice",
            "inside: keep with old_tunnels: leave puts each inside address on two tunnels at once",
            "Use old_tunnels: disable, or other inside CIDRs.",
        )
    yield Finding(
        "VPM-W601",
        "inside-addresses-kept",
        "new tunnels get the inside CIDRs of the old ones",
        "On each device, disable an old tunnel before you enable its successor: two interfaces "
        "with one address break BGP and ARP on most devices.",
    )


def trial_network_is_valid(_survey: Survey, decisions: Decisions) -> Findings:
    """Check that the network of the test VPC is an IPv4 network of /16 to /28."""
    if decisions.test_vpc is None:
        return
    try:
        fine = IPv4Network(decisions.test_vpc.cidr).prefixlen in VPC_SIZES
    except ValueError:
        fine = False
    if not fine:
        yield Finding(
            "VPM-B608",
            "test-vpc-invalid",
            f"test_vpc.cidr {decisions.test_vpc.cidr} is not a valid network for a VPC",
            "Choose an IPv4 network of /16 to /28 by its network address, for example "
            "10.255.0.0/24.",
        )


def trial_network_is_free(survey: Survey, decisions: Decisions) -> Findings:
    """Check that the network of the test VPC is unused: the device routes by address only."""
    test = network(decisions.test_vpc.cidr) if decisions.test_vpc else None
    if test is None:
        return
    taken = sorted(
        {f"{text} ({where})" for text, where in _production(survey) if _hits(text, test)}
    )
    if taken:
        yield Finding(
            "VPM-B609",
            "test-vpc-overlaps",
            f"test_vpc.cidr {test} overlaps {listed(sorted(taken))}",
            "Choose a network that neither the VPC nor the other side of the VPN uses.",
        )
    mine = survey.vpc.id if survey.vpc else None
    others = [v.id for v in survey.vpcs if v.id != mine and any(_hits(c, test) for c in v.cidrs)]
    if others:
        yield Finding(
            "VPM-W602",
            "test-vpc-like-another",
            f"test_vpc.cidr {test} overlaps {listed(others)}",
            "Choose another network if the devices under test also reach those VPCs.",
        )


def _fault_of(cidr: str) -> str:
    try:
        chosen = ip_network(cidr)
    except ValueError:
        return "is not a network address"
    if not isinstance(chosen, IPv4Network) or chosen.prefixlen != 30:  # noqa: PLR2004
        return "is not a /30 of IPv4"
    if not chosen.subnet_of(INSIDE):
        return f"is not within {INSIDE}"
    return "is reserved by AWS" if chosen in RESERVED else ""


def _production(survey: Survey) -> Iterator[tuple[str, str]]:
    if survey.vpc:
        yield from ((cidr, survey.vpc.id) for cidr in survey.vpc.cidrs)
    yield from on_premises(survey)


def _hits(text: str, test: Network) -> bool:
    """Return whether *text* overlaps *test*; a default route does not count."""
    taken = network(text)
    return taken is not None and taken.prefixlen > 0 and overlap(taken, test)
