"""Checks of the gateway that is to leave and of the VPC it is on."""

from __future__ import annotations

from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.ec2 import ConnectionRecord, GatewayRecord, RouteTableRecord, Tag, VpcRecord
from vpnmigrate.model.plan import Finding
from vpnmigrate.model.survey import Survey
from vpnmigrate.preflight.base import Findings, listed

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
    """Tell of a claim at planning already; ``apply`` refuses a stranger's."""
    holder = survey.gateway.tags.get(Tag.CLAIM)
    if holder:
        yield Finding(
            "VPM-W201",
            "gateway-claimed",
            f"{survey.gateway.id} is claimed by {holder}",
            "Ask the holder before applying this plan.",
        )


def nothing_carries_our_tags(survey: Survey, _decisions: Decisions) -> Findings:
    """Tell of resources that carry a migration's tags before this one has made anything."""
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
