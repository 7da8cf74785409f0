"""Drawn drivers: the drivers at the devices of a simulated world."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from vpnmigrate.model.decisions import DeviceDriver, DriverKind, SshAccess
from vpnmigrate.model.ec2 import CustomerGatewayRecord
from vpnmigrate.rehearsal.simulation.seeded_random import SeededRandom

DRIVEN_WORLDS = 0.2
"""The share of worlds with drivers."""


def drawn_drivers(
    dice: SeededRandom, devices: Sequence[CustomerGatewayRecord]
) -> dict[str, DeviceDriver]:
    """Return drawn drivers of *devices*: programs, routers that undo a commit, and engineers."""
    drivers = {device.id: _driver(dice) for device in devices}
    if not any(driver.automatic for driver in drivers.values()):
        drivers[devices[0].id] = DeviceDriver(DriverKind.COMMAND, ("/usr/local/bin/tunnels",))
    return {gateway: driver for gateway, driver in drivers.items() if driver.automatic}


def _driver(dice: SeededRandom) -> DeviceDriver:
    limit = timedelta(seconds=dice.one((20, 60, 120)))
    timer = timedelta(minutes=dice.one((3, 5, 10)))
    match dice.one((DriverKind.MANUAL, DriverKind.COMMAND, DriverKind.NETMIKO, DriverKind.NETMIKO)):
        case DriverKind.COMMAND:
            return DeviceDriver(DriverKind.COMMAND, ("/usr/local/bin/tunnels",), limit=limit)
        case DriverKind.NETMIKO:
            return DeviceDriver(
                DriverKind.NETMIKO,
                platform=dice.one(("juniper-srx", "cisco-ios", "cisco-asa")),
                ssh=SshAccess("router.example", "netops"),
                limit=limit,
                confirm_timer=timer,
            )
        case _:
            return DeviceDriver()
