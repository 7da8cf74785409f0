"""Facts: the questions a step asks about AWS, and their possible values.

A fact is what one change alters, so it is also what an intent is about (``consistency``).
Subjects are roles for what the run creates, and ids for what existed before.
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
    """A setting that is there or not: propagation, an edge association, a prefix, a claim."""

    ON = "on"
    OFF = "off"
    CHANGING = "changing"


class Unknown(StrEnum):
    """The value of a fact whose reading may not be believed yet."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN

Value = ResourceState | Attachment | Switch | Unknown | str
"""A plain ``str`` is the target of a route, or the holder of a claim."""


class Existence(Struct, frozen=True, gc=False):
    """Whether a resource lives: a role of ours, or the id of something that was there before."""

    subject: Role | str


class AttachmentOf(Struct, frozen=True, gc=False):
    """How a virtual private gateway stands to a VPC."""

    gateway: VpnGatewayId
    vpc: VpcId


class Propagation(Struct, frozen=True, gc=False):
    """Whether a table takes up the routes of a gateway."""

    table: RouteTableId
    gateway: VpnGatewayId


class RouteTarget(Struct, frozen=True, gc=False):
    """Where a table's static route for a destination points; ``absent`` where there is none."""

    table: RouteTableId
    destination: str


class EdgeAssociation(Struct, frozen=True, gc=False):
    """Whether a table routes the traffic that enters through a gateway."""

    table: RouteTableId
    gateway: VpnGatewayId


class Prefix(Struct, frozen=True, gc=False):
    """Whether a connection routes a static prefix to the device."""

    connection: VpnConnectionId
    cidr: str


class Claim(Struct, frozen=True, gc=False):
    """Who says they are migrating a gateway: its claim tag, or ``absent``."""

    gateway: VpnGatewayId


class Archive(Struct, frozen=True, gc=False):
    """Whether a connection's configuration lies in the vault; only the journal knows."""

    connection: VpnConnectionId


class ConfirmationGiven(Struct, frozen=True, gc=False):
    """Whether a person, or a command, has said something; only the journal knows."""

    word: str


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

ABSENT: Final = "absent"
"""Value of a route or claim that is not there."""


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
    """Return, in an operator's words that *fact* has *value*."""
    match fact:
        case Existence(subject):
            return f"{subject} is {value}"
        case AttachmentOf(gateway, vpc):
            return f"{gateway} is {attachment_text(value, vpc)}"
        case Propagation(table, gateway):
            return f"propagation from {gateway} in {table} is {value}"
        case RouteTarget(table, destination):
            return f"the route {destination} in {table} points at {value}"
        case EdgeAssociation(table, gateway):
            return f"the edge association of {table} with {gateway} is {value}"
        case Prefix(connection, cidr):
            return f"static prefix {cidr} on {connection} is {value}"
        case Claim(gateway):
            return f"the claim on {gateway} is {value}"
        case Archive(connection):
            return f"the archive of {connection} is {value}"
        case ConfirmationGiven(word):
            return f"the word {word} is {value}"


def attachment_text(attachment: Value, vpc: VpcId) -> str:
    """Put an attachment into words: ``attached to vpc-1``, ``detaching from vpc-1``."""
    leaving = attachment in (Attachment.DETACHING, Attachment.DETACHED)
    return f"{attachment} {'from' if leaving else 'to'} {vpc}"
