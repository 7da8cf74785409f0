"""Preflight: the old gateway, its VPC, Direct Connect and the new ASN."""

from __future__ import annotations

from vpnmigrate.model.decisions import Decisions, DirectConnectAssumption
from vpnmigrate.model.ec2 import (
    DEFAULT_ASN,
    ConnectionRecord,
    GatewayRecord,
    RouteTableRecord,
    Tag,
    VpcRecord,
)
from vpnmigrate.model.plan import Finding
from vpnmigrate.model.survey import Survey
from vpnmigrate.planning.preflight.base import Findings, listed

TAGS_PER_RESOURCE = 50

OUR_TAGS = (Tag.MIGRATION, Tag.ATTEMPT, Tag.ROLE)


def gateway_is_available(survey: Survey, _decisions: Decisions) -> Findings:
    """Refuse a gateway that is being made or deleted."""
    if survey.gateway.state != "available":
        yield Finding(
            "VPM-B201",
            "gateway-not-available",
            f"{survey.gateway.id} is {survey.gateway.state}",
            "Plan with a virtual private gateway that is available.",
        )


def gateway_is_on_one_vpc(survey: Survey, _decisions: Decisions) -> Findings:
    """Refuse a gateway that has no VPC to be replaced on, or is between two.

    An entry that says ``detached`` is a memory of EC2's and counts for nothing (domain.md 2.2).
    """
    gateway = survey.gateway
    held = [a for a in gateway.attachments if a.state != "detached"]
    moving = [a for a in held if a.state != "attached"]
    if not held:
        yield Finding(
            "VPM-B202",
            "gateway-not-attached",
            f"{gateway.id} is attached to no VPC",
            "There is no VPC to cut over.  If the gateway only joins sites to each other "
            "(VPN CloudHub), move the sites one at a time to connections on a new gateway.",
        )
    elif moving:
        yield Finding(
            "VPM-B203",
            "gateway-in-transition",
            f"{gateway.id}: " + listed(f"{a.state} {a.vpc}" for a in moving),
            "Wait until the attachment has settled, at most 30 minutes, and plan again.",
        )
    elif len(held) > 1:
        yield Finding(
            "VPM-B204",
            "gateway-on-several-vpcs",
            f"{gateway.id} is attached to {listed(a.vpc for a in held)}",
            "EC2 lets a gateway be on one VPC; read it again, and ask AWS Support if it stays so.",
        )
    elif survey.vpc is None:
        yield Finding(
            "VPM-B205",
            "vpc-not-found",
            f"{gateway.id} is attached to {held[0].vpc}, which this account cannot read",
            "Plan with credentials of the VPC's owner, and with ec2:DescribeVpcs allowed.",
        )


def vpc_is_ours(survey: Survey, _decisions: Decisions) -> Findings:
    """In a shared VPC, route tables and gateway belong to its owner (domain.md 4.2)."""
    owned: list[tuple[str, str]] = [(t.id, t.owner) for t in survey.route_tables]
    if survey.vpc:
        owned.insert(0, (survey.vpc.id, survey.vpc.owner))
    strangers = [(thing, owner) for thing, owner in owned if owner not in {"", survey.account}]
    if strangers:
        yield Finding(
            "VPM-B206",
            "shared-vpc",
            listed(f"{thing} belongs to account {owner}" for thing, owner in strangers),
            "Plan with credentials of the owning account; a participant cannot change its routes.",
        )


def nobody_else_migrates(survey: Survey, _decisions: Decisions) -> Findings:
    """Return of a claim at planning already; ``apply`` refuses a stranger's."""
    holder = survey.gateway.tags.get(Tag.CLAIM)
    if holder:
        yield Finding(
            "VPM-W201",
            "gateway-claimed",
            f"{survey.gateway.id} is claimed by {holder}",
            "Ask the holder before applying this plan.",
        )


def nothing_carries_our_tags(survey: Survey, _decisions: Decisions) -> Findings:
    """Return of resources that carry a migration's tags before this one has made anything."""
    things: tuple[GatewayRecord | ConnectionRecord | VpcRecord, ...] = (
        survey.gateway,
        *survey.other_gateways,
        *survey.connections,
        *survey.other_connections,
        *survey.vpcs,
    )
    tagged = [f"{t.id} ({t.tags[Tag.MIGRATION]})" for t in things if Tag.MIGRATION in t.tags]
    if tagged:
        yield Finding(
            "VPM-W203",
            "tagged-by-a-migration",
            f"{listed(tagged)} carry the tags of a migration",
            "Another migration made them, or somebody has put the tags on: this one will not take "
            "them for its own, and leaves them alone.",
        )


def tags_fit(survey: Survey, decisions: Decisions) -> Findings:
    """A successor carries its forerunner's tags and three of ours, four with a change number."""
    things: tuple[GatewayRecord | ConnectionRecord, ...] = (survey.gateway, *survey.living)
    ours = len(OUR_TAGS) + bool(decisions.change)
    for thing in things:
        copied = [key for key in thing.tags if not key.startswith(("aws:", "vpnmigrate:"))]
        if len(copied) + ours > TAGS_PER_RESOURCE:
            yield Finding(
                "VPM-B207",
                "too-many-tags",
                f"{thing.id} has {len(copied)} tags; its successor needs {ours} more "
                f"and EC2 allows {TAGS_PER_RESOURCE}",
                f"Remove {len(copied) + ours - TAGS_PER_RESOURCE} of its tags.",
            )


def nothing_is_under_code(survey: Survey, _decisions: Decisions) -> Findings:
    """A stack that owns what is changed here changes it back (domain.md 3.4)."""
    things: list[GatewayRecord | ConnectionRecord | RouteTableRecord] = [
        survey.gateway,
        *survey.living,
    ]
    things += [
        t
        for t in survey.route_tables
        if survey.gateway.id in t.propagating
        or t.static_routes_to(survey.gateway.id)
        or t.edge_of(survey.gateway.id)
    ]
    for thing in things:
        stack = thing.tags.get("aws:cloudformation:stack-name")
        if stack:
            yield Finding(
                "VPM-W202",
                "owned-by-a-stack",
                f"{thing.id} belongs to CloudFormation stack {stack}",
                "Freeze the stack until it describes the new gateway: its next update would "
                "undo the migration.  aws: tags are not copied.",
            )


_GONE_INTERFACES = frozenset({"deleted", "rejected"})
"""A virtual interface is listed for 15 minutes after it was deleted."""

_GONE_ASSOCIATIONS = frozenset({"disassociated"})

_OTHER_WAY = (
    "Replace the connections on this same gateway instead: delete all of them, wait, and "
    "create new ones (AWS's third option keeps Direct Connect up); or move Direct Connect "
    "to another gateway first."
)


def no_virtual_interface(survey: Survey, _decisions: Decisions) -> Findings:
    """A private virtual interface is bound to its gateway for life."""
    for interface in survey.virtual_interfaces:
        if interface.gateway == survey.gateway.id and interface.state not in _GONE_INTERFACES:
            yield Finding(
                "VPM-B301",
                "direct-connect-interface",
                f"virtual interface {interface.id} ({interface.state}) is on {survey.gateway.id}",
                _OTHER_WAY,
            )


def no_association(survey: Survey, _decisions: Decisions) -> Findings:
    """Detaching a gateway deletes its Direct Connect association, which does not come back."""
    for association in survey.associations:
        if association.state not in _GONE_ASSOCIATIONS:
            yield Finding(
                "VPM-B302",
                "direct-connect-association",
                f"{survey.gateway.id} is {association.state} with Direct Connect gateway "
                f"{association.gateway} ({association.id})",
                _OTHER_WAY,
            )


def direct_connect_is_readable(survey: Survey, decisions: Decisions) -> Findings:
    """What cannot be read cannot be ruled out, unless a person vouches for it."""
    for unread in survey.unread:
        if unread.what != "direct_connect":
            continue
        if decisions.direct_connect is DirectConnectAssumption.ABSENT:
            yield Finding(
                "VPM-W301",
                "direct-connect-vouched-for",
                f"Direct Connect could not be read: {unread.why}",
                "Nothing, if the playbook's word for it holds (direct_connect: absent).",
            )
        else:
            yield Finding(
                "VPM-B303",
                "direct-connect-unreadable",
                f"Direct Connect could not be read: {unread.why}",
                "Allow directconnect:DescribeVirtualInterfaces and "
                "directconnect:DescribeDirectConnectGatewayAssociations, or say "
                "direct_connect: absent in a playbook if the gateway certainly has none.",
            )


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
