"""What EC2's words for a state mean to us; one that we do not know never passes for the end."""

from __future__ import annotations

from vpnmigrate.facts import Switch
from vpnmigrate.model import Attachment, State

_LIVES = {
    "available": State.AVAILABLE,
    "deleting": State.DELETING,
    "deleted": State.ABSENT,
}


def life_of(state: str) -> State:
    """Read an EC2 state; one we do not know, such as ``modifying``, is work in progress."""
    return _LIVES.get(state, State.PENDING)


_ATTACHMENTS = {a.value: a for a in Attachment}


def attachment_of(state: str) -> Attachment:
    """Read an attachment's state; one we do not know is neither there nor gone: DETACHING."""
    return _ATTACHMENTS.get(state, Attachment.DETACHING)


_PREFIXES = {"available": Switch.ON, "deleted": Switch.OFF, "deleting": Switch.OFF}


def prefix_of(state: str) -> Switch:
    """Read a static prefix's state; one we do not know is on its way."""
    return _PREFIXES.get(state, Switch.CHANGING)
