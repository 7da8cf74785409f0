"""Commit timers: platforms of the drivers over SSH, and which undo unconfirmed changes.

A platform with a timer undoes a change by itself unless it is confirmed in time, so that a change
that cuts off the driver does not last.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vpnmigrate.model.decisions import DeviceDriver, DriverKind

COMMIT_TIMERS: Final[Mapping[str, str]] = {
    "cisco-ios": "configure terminal revert timer",
    "juniper-srx": "commit confirmed",
    "vyos": "commit-confirm",
    "cisco-asa": "",
    "fortios": "",
}
"""Platform to the command that starts its timer; empty if it has none."""

SERVED: Final[Mapping[DriverKind, tuple[str, ...]]] = {
    DriverKind.NETMIKO: tuple(COMMIT_TIMERS),
    DriverKind.NAPALM: ("cisco-ios",),
}
"""The drivers over SSH, each with its platforms."""


def lacks_timer(driver: DeviceDriver) -> bool:
    """Return whether a change by *driver* lasts even if it cuts off the device."""
    return driver.kind in SERVED and not COMMIT_TIMERS.get(driver.platform, "")
