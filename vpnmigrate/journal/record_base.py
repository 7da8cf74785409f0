"""The base of every journal record, and the record of one device."""

from __future__ import annotations

from msgspec import Struct

from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.snapshot import Confirmation


class JournalRecord(Struct, frozen=True, gc=False, tag_field="record"):
    """A record of the journal; its tag says which."""


class DeviceConfirmed(JournalRecord, frozen=True, tag="device-confirmed"):
    """A person did the task of a confirmation at the device of one connection.

    The confirmation is given once every connection of the task has one.
    """

    word: Confirmation
    connection: VpnConnectionId
    """The old connection to that device."""
    of: tuple[VpnConnectionId, ...]
    """The old connections whose devices have the task."""
    who: str
    host: str
    message: str = ""
    """Name of its inbox message, so that it is processed once."""
