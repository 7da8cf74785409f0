"""The base of every journal record, and the records of one device."""

from __future__ import annotations

from msgspec import Struct, field

from vpnmigrate.model.device_drivers import DriverResult, DriverVerb
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.snapshot import Confirmation


class JournalRecord(Struct, frozen=True, gc=False, tag_field="record"):
    """A record of the journal; its tag says which."""


class DeviceConfirmed(JournalRecord, frozen=True, tag="device-confirmed"):
    """A person did the task of a confirmation at the device of one connection.

    The confirmation is given once every connection of the task has one.
    """

    confirmation: Confirmation = field(name="word")
    connection: VpnConnectionId
    """The old connection to that device."""
    of: tuple[VpnConnectionId, ...]
    """The old connections whose devices have the task."""
    who: str
    host: str
    message: str = ""
    """Name of its inbox message, so that it is processed once."""


class DriverCalled(JournalRecord, frozen=True, tag="driver-called"):
    """A driver is about to be called for one device.

    Without a DriverAnswered of the same connection after it, its effect is unknown.
    """

    connection: VpnConnectionId
    """The old connection to the device."""
    verb: DriverVerb
    driver: str
    """Its kind, and the program if there is one."""
    step: int
    confirmation: Confirmation | None = field(default=None, name="word")
    """The task that it is for; None for a check before the cutover."""


class DriverAnswered(JournalRecord, frozen=True, tag="driver-answered"):
    """The last call of a connection's driver ended."""

    connection: VpnConnectionId
    result: DriverResult
    confirmation: Confirmation | None = field(default=None, name="word")
    of: tuple[VpnConnectionId, ...] = ()
    """The old connections whose devices have the task."""
    reached: bool = False
    """Whether the device is as the task requires: the confirmation for this device."""


class DriverGaveUp(JournalRecord, frozen=True, tag="driver-gave-up"):
    """A driver cannot finish a task at its device: an engineer has to do it."""

    connection: VpnConnectionId
    confirmation: Confirmation = field(name="word")
    why: str


DriverRecord = DriverCalled | DriverAnswered | DriverGaveUp
DeviceRecord = DeviceConfirmed | DriverRecord
