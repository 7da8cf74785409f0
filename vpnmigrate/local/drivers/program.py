"""Program of a driver over SSH: reads the document, works at the device, prints the result."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import msgspec

from vpnmigrate.devices.configuration_lines import without_secrets
from vpnmigrate.devices.secret import Secret
from vpnmigrate.local.drivers.confirmed_change import ConfirmedChange, DeviceConnection
from vpnmigrate.local.drivers.protocol import (
    FAILED,
    DriverInput,
    DriverOutput,
    answer_call,
    shortened,
)
from vpnmigrate.local.drivers.ssh_login import netmiko_arguments
from vpnmigrate.local.drivers.verbs import UNCERTAIN, DriverError, read_device, tunnels_of
from vpnmigrate.model.clock import Clock, SteadyClock
from vpnmigrate.model.device_drivers import ConnectionSide, lacks_timer
from vpnmigrate.model.redaction import Redaction


@dataclass(frozen=True)
class DeviceLogin:
    """What a connection needs: platform, netmiko's arguments, and a folder for private files."""

    platform: str
    arguments: Mapping[str, Any]
    folder: Path


Connect = Callable[[DeviceLogin], DeviceConnection]
"""Opens a connection to a device.  It raises as the connection's methods do."""

_RESERVE: Final = 0.15
"""The part of the limit in which a call no longer waits for contact, so that it can still report
before it is killed."""


def run_driver(connect: Connect, words: Sequence[str]) -> int:
    """Carry out one call, and return the exit status; *words* print the password."""
    os.umask(0o077)
    return answer_call(lambda asked: answer(asked, connect, words, SteadyClock()))


def answer(
    asked: DriverInput, connect: Connect, words: Sequence[str], clock: Clock
) -> tuple[DriverOutput, int]:
    """Return the result of a call, and its exit status; nothing in it has a secret."""
    began, folder = clock.now(), Path(asked.device_file).parent
    device = read_device(asked)
    hide = Redaction(_keys(device))
    driver = asked.driver
    if driver is msgspec.UNSET or driver.ssh is None:
        return DriverOutput(message="the playbook does not say how to log in"), FAILED
    patience = timedelta(seconds=asked.limit_seconds * (1 - _RESERVE))
    try:
        arguments = netmiko_arguments(driver.ssh, words, asked.limit_seconds)
        hide.learn([Secret(arguments["password"] or "")])
        login = DeviceLogin(driver.platform, arguments, folder)
        change = ConfirmedChange(
            device,
            lambda: connect(login),
            timedelta(0) if lacks_timer(driver) else driver.confirm_timer,
            folder,
            clock,
            began + patience,
        )
        found, code = change.perform(asked), 0
    except DriverError as error:
        found = DriverOutput(
            message=str(error), changes=error.changes, pending_until=error.pending_until
        )
        code = error.exit_code
    except Exception as error:  # noqa: BLE001  an unknown answer of a device, after a commit perhaps
        text = without_secrets(f"{type(error).__name__}: {error}")
        found, code = DriverOutput(message=" ".join(text.split())), UNCERTAIN
    message, changes = hide.text(found.message), hide.text(without_secrets(found.changes))
    return msgspec.structs.replace(found, message=message, changes=shortened(changes)), code


def _keys(device: Mapping[str, Any]) -> list[Secret]:
    tunnels = [tunnel for side in ConnectionSide for tunnel in tunnels_of(device, side)]
    return [Secret(str(tunnel["key"])) for tunnel in tunnels if tunnel["key"]]
