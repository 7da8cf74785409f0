"""Facts: what a step needs to know about AWS, and the possible values.

A fact is what one change alters, so it is also the subject of an intent (``consistency``).
Subjects are roles for resources that the run creates, and ids for those that existed before.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from msgspec import Struct

from vpnmigrate.model.ec2 import (
    Attachment,
    ResourceState,
    Role,
    RouteTableId,
    VpcId,
    VpnConnectionId,
    VpnGatewayId,
)


class Switch(StrEnum):
    """Value of a setting: propagation, edge association, prefix or confirmation."""

    ON = "on"
    OFF = "off"
    CHANGING = "changing"


class Unknown(StrEnum):
    """The value of a fact whose reading may be stale."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN

Value = ResourceState | Attachment | Switch | Unknown | str
"""A plain ``str`` is the target of a route, or the holder of a claim."""


class Existence(Struct, frozen=True, gc=False):
    """State of a resource: the role of one this run created, or the id of one from before."""

    subject: Role | str


class AttachmentOf(Struct, frozen=True, gc=False):
    """State of a virtual private gateway's attachment to a VPC."""

    gateway: VpnGatewayId
    vpc: VpcId


class Propagation(Struct, frozen=True, gc=False):
    """Whether routes are propagated from a gateway into a table."""

    table: RouteTableId
    gateway: VpnGatewayId


class RouteTarget(Struct, frozen=True, gc=False):
    """Target of a table's static route for a destination; ``absent`` if there is none."""

    table: RouteTableId
    destination: str


class EdgeAssociation(Struct, frozen=True, gc=False):
    """Whether a table is associated with a gateway as its edge table."""

    table: RouteTableId
    gateway: VpnGatewayId


class Prefix(Struct, frozen=True, gc=False):
    """Whether a connection has a static prefix."""

    connection: VpnConnectionId
    cidr: str


class Claim(Struct, frozen=True, gc=False):
    """Holder in a gateway's claim tag, or ``absent``."""

    gateway: VpnGatewayId


class Archive(Struct, frozen=True, gc=False):
    """Whether a connection's configuration is in the vault; recorded in the journal only."""

    connection: VpnConnectionId


class ConfirmationGiven(Struct, frozen=True, gc=False):
    """Whether a person, or a command, gave a confirmation; recorded in the journal only."""

    confirmation: str


Fact = (
    Existence
    | AttachmentOf
    | Propagation
    | RouteTarget
    | EdgeAssociation
    | Prefix
    | Claim
    | Archive
    | ConfirmationGiven
)


class Goal(Struct, frozen=True, gc=False):
    """A fact and the value that it is to have."""

    fact: Fact
    value: Value


ABSENT: Final = "absent"
"""Value of a missing route or claim."""

UNSETTLED: Final = frozenset[Value]({Attachment.ATTACHING, Attachment.DETACHING, Switch.CHANGING})
"""Values between two others."""


def when_unlisted(fact: Fact) -> Value:
    """Return the value of *fact* in a reading that does not mention it."""
    match fact:
        case Existence():
            return ResourceState.ABSENT
        case AttachmentOf():
            return Attachment.DETACHED
        case Propagation() | EdgeAssociation() | Prefix() | Archive() | ConfirmationGiven():
            return Switch.OFF
        case RouteTarget() | Claim():
            return ABSENT


def name_of(fact: Fact, value: Value) -> str:
    """Return a clause for an operator that says that *fact* has *value*."""
    match fact:
        case Existence(subject):
            return f"{subject} is {value}"
        case AttachmentOf(gateway, vpc):
            return f"{gateway} is {attachment_text(value, vpc)}"
        case Propagation(table, gateway):
            return f"propagation from {gateway} in {table} is {value}"
        case RouteTarget(table, destination):
            return f"the route {destination} in {table} leads to {value}"
        case EdgeAssociation(table, gateway):
            return f"the edge association of {table} with {gateway} is {value}"
        case Prefix(connection, cidr):
            return f"static prefix {cidr} on {connection} is {value}"
        case Claim(gateway):
            return f"the claim tag on {gateway} is {value}"
        case Archive(connection):
            return f"the archive of {connection} is {value}"
        case ConfirmationGiven(confirmation):
            return f"the confirmation {confirmation} is {value}"


def attachment_text(attachment: Value, vpc: VpcId) -> str:
    """Return the text for an attachment: ``attached to vpc-1``, ``detaching from vpc-1``."""
    leaving = attachment in (Attachment.DETACHING, Attachment.DETACHED)
    return f"{attachment} {'from' if leaving else 'to'} {vpc}"
