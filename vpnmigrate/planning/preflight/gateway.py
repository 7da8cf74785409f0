"""Preflight: the old gateway, its VPC, Direct Connect and the new ASN."""

from __future__ import annotations

from vpnmigrate.model.carry_over import PRIVATE_ASNS, can_be_requested, successor_asn
from vpnmigrate.model.decisions import Decisions, DirectConnectAssumption
from vpnmigrate.model.ec2 import (
    DEFAULT_ASN,
    ConnectionRecord,
    GatewayRecord,
    RouteTableRecord,
    Tag,
    VpcRecord,
)
from vpnmigrate.model.encryption_control import AttachRule, verdicts
from vpnmigrate.model.plan import Finding
from vpnmigrate.model.survey import Survey
from vpnmigrate.planning.preflight.base import Findings, listed
from vpnmigrate.steps.tags import LONGEST_VALUE, RESERVED, automation_of, copied_tags

TAGS_PER_RESOURCE = 50

LONGEST_KEY = 128
"""EC2's limit of a tag key (domain.md 2.11)."""

OUR_TAGS = (Tag.MIGRATION, Tag.ATTEMPT, Tag.ROLE)


def gateway_is_available(survey: Survey, _decisions: Decisions) -> Findings:
    """Check that the gateway is available."""
    if survey.gateway.state != "available":
        yield Finding(
            "VPM-B201",
            "gateway-not-available",
            f"{survey.gateway.id} is {survey.gateway.state}",
            "Plan with a virtual private gateway that is available.",
        )


def gateway_is_on_one_vpc(survey: Survey, _decisions: Decisions) -> Findings:
    """Check that the gateway is attached to exactly one VPC, which this account can read.

    EC2 lists past attachments as ``detached``; they are ignored (domain.md 2.2).
    """
    gateway = survey.gateway
    held = [a for a in gateway.attachments if a.state != "detached"]
    moving = [a for a in held if a.state != "attached"]
    if not held:
        yield Finding(
            "VPM-B202",
            "gateway-not-attached",
            f"{gateway.id} is not attached to a VPC",
            "There is no VPC to cut over.  If the gateway only connects sites to each other "
            "(VPN CloudHub), move the sites one at a time to connections on a new gateway.",
        )
    elif moving:
        yield Finding(
            "VPM-B203",
            "gateway-in-transition",
            f"{gateway.id}: " + listed(f"{a.state} {a.vpc}" for a in moving),
            "Wait until the attachment has finished, at most 30 minutes, and plan again.",
        )
    elif len(held) > 1:
        yield Finding(
            "VPM-B204",
            "gateway-on-several-vpcs",
            f"{gateway.id} is attached to {listed(a.vpc for a in held)}",
            "EC2 allows one VPC per gateway; plan again, and ask AWS Support if that persists.",
        )
    elif survey.vpc is None:
        yield Finding(
            "VPM-B205",
            "vpc-not-found",
            f"{gateway.id} is attached to {held[0].vpc}, which this account cannot read",
            "Plan with credentials of the VPC's owner that allow ec2:DescribeVpcs.",
        )


def vpc_is_ours(survey: Survey, _decisions: Decisions) -> Findings:
    """Check that this account owns the VPC and its route tables (domain.md 4.2)."""
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


def no_other_claim(survey: Survey, _decisions: Decisions) -> Findings:
    """Check for a claim on the gateway; ``apply`` refuses the claim of another holder."""
    holder = survey.gateway.tags.get(Tag.CLAIM)
    if holder:
        yield Finding(
            "VPM-W201",
            "gateway-claimed",
            f"{survey.gateway.id} is claimed by {holder}",
            "Ask the holder before you apply this plan.",
        )


def nothing_carries_our_tags(survey: Survey, _decisions: Decisions) -> Findings:
    """Check for resources that have a migration's tags before this one has created any."""
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
            f"{listed(tagged)}: tagged by a migration",
            "Another migration created them, or the tags were set by hand: this migration does not "
            "use or change them.",
        )


def tags_fit(survey: Survey, decisions: Decisions) -> Findings:
    """Check that each successor can have the old tags and three more, four with a change number."""
    things: tuple[GatewayRecord | ConnectionRecord, ...] = (survey.gateway, *survey.living)
    ours = len(OUR_TAGS) + bool(decisions.change)
    for thing in things:
        copied = copied_tags(thing.tags, decisions.tags)
        if len(copied) + ours > TAGS_PER_RESOURCE:
            yield Finding(
                "VPM-B207",
                "too-many-tags",
                f"{thing.id} has {len(copied)} tags; its successor needs {ours} more "
                f"and EC2 allows {TAGS_PER_RESOURCE}",
                f"Remove {len(copied) + ours - TAGS_PER_RESOURCE} of its tags.",
            )


def added_tags_are_valid(_survey: Survey, decisions: Decisions) -> Findings:
    """Check that the playbook's tags are ones that EC2 accepts and that are not the program's."""
    for key, value in sorted(decisions.tags.add.items()):
        if (
            key.startswith(RESERVED)
            or not 0 < len(key) <= LONGEST_KEY
            or len(value) > LONGEST_VALUE
        ):
            yield Finding(
                "VPM-B208",
                "tag-not-allowed",
                f"tags.add.{key}: reserved, or too long",
                "Choose a key of 1 to 128 characters without the beginnings aws: and vpnmigrate:, "
                "and a value of at most 256.",
            )


def tags_drive_no_automation(survey: Survey, decisions: Decisions) -> Findings:
    """Check for tags that another program acts on: successors get copies of them."""
    things: tuple[GatewayRecord | ConnectionRecord, ...] = (survey.gateway, *survey.living)
    found: dict[str, list[str]] = {}
    for thing in things:
        for key, _ in copied_tags(thing.tags, decisions.tags):
            if automation_of(key) and key not in decisions.tags.add:
                found.setdefault(key, []).append(thing.id)
    for key, ids in found.items():
        yield Finding(
            "VPM-W204",
            "tag-drives-automation",
            f"{listed(ids)}: tag {key}; {automation_of(key)}",
            f"The successors get this tag in steps 2 and 3, before the cutover.  To leave it out, "
            f"write tags: {{drop: [{key}]}} in the playbook, and set it by hand after finalize.",
        )


def nothing_is_under_code(survey: Survey, _decisions: Decisions) -> Findings:
    """Check for CloudFormation stacks that would undo the migration (domain.md 3.4)."""
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
"""States of a deleted virtual interface, which is still listed for 15 minutes."""

_GONE_ASSOCIATIONS = frozenset({"disassociated"})

_OTHER_WAY = (
    "Replace the connections on this same gateway instead: delete all of them, wait, and "
    "create new ones (AWS's third option keeps Direct Connect up); or move Direct Connect "
    "to another gateway first."
)


def no_virtual_interface(survey: Survey, _decisions: Decisions) -> Findings:
    """Check for private virtual interfaces: they cannot be moved to another gateway."""
    for interface in survey.virtual_interfaces:
        if interface.gateway == survey.gateway.id and interface.state not in _GONE_INTERFACES:
            yield Finding(
                "VPM-B301",
                "direct-connect-interface",
                f"virtual interface {interface.id} ({interface.state}) is on {survey.gateway.id}",
                _OTHER_WAY,
            )


def no_association(survey: Survey, _decisions: Decisions) -> Findings:
    """Check for Direct Connect associations: detaching the gateway deletes them permanently."""
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
    """Check that Direct Connect can be read, or that the playbook says there is none."""
    for unread in survey.unread:
        if unread.what != "direct_connect":
            continue
        if decisions.direct_connect is DirectConnectAssumption.ABSENT:
            yield Finding(
                "VPM-W301",
                "direct-connect-vouched-for",
                f"Direct Connect could not be read: {unread.why}",
                "Nothing, if the gateway has none, as the playbook says (direct_connect: absent).",
            )
        else:
            yield Finding(
                "VPM-B303",
                "direct-connect-unreadable",
                f"Direct Connect could not be read: {unread.why}",
                "Allow directconnect:DescribeVirtualInterfaces and "
                "directconnect:DescribeDirectConnectGatewayAssociations, or set "
                "direct_connect: absent in a playbook if the gateway certainly has none.",
            )


def encryption_control_lets_gateways_attach(survey: Survey, _decisions: Decisions) -> Findings:
    """Check the encryption controls of VPC and account: step 8 attaches the new gateway."""
    vpc = survey.vpc.id if survey.vpc else "the VPC"
    for found in verdicts(vpc, survey.encryption):
        match found.rule:
            case AttachRule.REFUSED:
                yield Finding(
                    "VPM-B209",
                    "encryption-control-enforced",
                    found.text,
                    "Set the exclusion of virtual private gateways to enabled in this control: "
                    "AWS would refuse to attach the new gateway in step 8, during the outage.",
                )
            case AttachRule.CHANGING:
                yield Finding(
                    "VPM-W205",
                    "encryption-control-changes",
                    found.text,
                    "Enable the exclusion of virtual private gateways, or have the change end "
                    "before the cutover: its gate encryption-control checks it again.  A test VPC "
                    "gets the account's control.",
                )
            case AttachRule.UNKNOWN:
                yield Finding(
                    "VPM-W206",
                    "encryption-control-unknown",
                    found.text,
                    "Allow ec2:DescribeVpcEncryptionControls and "
                    "ec2:DescribeAccountVpcEncryptionControl: as long as they are denied, the gate "
                    "encryption-control before the cutover has to be forced.",
                )
            case AttachRule.ALLOWED:
                pass


CLASSIC_ASNS = frozenset({7224, 9059, 10124, 17493})
"""ASNs of gateways created before 2018-06-30; public, so not allowed for a new gateway."""


def asn_can_be_asked_for(_survey: Survey, decisions: Decisions) -> Findings:
    """Check that the new ASN is one of the private ASNs that EC2 accepts."""
    asn = decisions.asn
    if asn is None or can_be_requested(asn):
        return
    why = "is a public ASN of old gateways" if asn in CLASSIC_ASNS else "is out of range"
    yield Finding(
        "VPM-B501",
        "asn-not-allowed",
        f"asn: {asn} {why}",
        "Choose 64512 to 65534 or 4200000000 to 4294967294; a public one cannot be kept.",
    )


def asn_differs_from_devices(survey: Survey, decisions: Decisions) -> Findings:
    """Check that the new ASN differs from the devices': EC2 refuses equal ones (AsnConflict)."""
    requested = successor_asn(decisions, survey.gateway)
    asn = requested or DEFAULT_ASN
    mine = {c.customer_gateway for c in survey.living}
    clashing = [g for g in survey.customer_gateways if g.id in mine and g.asn == asn]
    if clashing:
        taken = {g.asn for g in survey.customer_gateways}
        free = next(candidate for candidate in PRIVATE_ASNS if candidate not in taken)
        kept = "the old gateway's ASN" if requested else "AWS's default ASN"
        source = "asn:" if decisions.asn else kept
        yield Finding(
            "VPM-B502",
            "asn-clash",
            f"{source} {asn} is also the ASN of customer gateway {listed(g.id for g in clashing)}",
            f"Choose another private ASN in a playbook, for example asn: {free}.",
        )


def devices_keep_their_neighbour(survey: Survey, decisions: Decisions) -> Findings:
    """Check whether the Amazon-side ASN changes: then every BGP device needs the new one."""
    old, new = survey.gateway.asn, successor_asn(decisions, survey.gateway) or DEFAULT_ASN
    speakers = [c.id for c in survey.living if not c.static_only]
    if speakers and old != new:
        before = f"from {old} " if old else ""
        yield Finding(
            "VPM-W501",
            "remote-as-changes",
            f"the Amazon side's ASN changes {before}to {new} for {listed(speakers)}",
            f"Configure remote-as {new} for the new neighbours in step 5, and check AS-path "
            "filters and route-maps.",
        )
