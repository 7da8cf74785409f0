"""Verbs of the program's own drivers, and the device file: which of its commands are due."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from vpnmigrate.local.drivers.protocol import FAILED, DriverInput
from vpnmigrate.model.device_drivers import ConnectionSide, DriverVerb, TunnelsState

UNCERTAIN: Final = 3
"""The exit status after which the state is read."""

StateOf = Callable[[ConnectionSide], TunnelsState]
"""Returns the state of the tunnels of one connection at the device."""


class DriverError(Exception):
    """The driver cannot continue; *exit_code* says what that means for the device.

    *changes* are what it has committed, and the device undoes them at *pending_until*.
    """

    def __init__(
        self,
        message: str,
        exit_code: int = FAILED,
        *,
        pending_until: datetime | None = None,
        changes: str = "",
    ) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.pending_until = pending_until
        self.changes = changes


def due_parts(asked: DriverInput, state: StateOf) -> Sequence[str]:
    """Return the commands, by their name in the device file, that do what is *asked*."""
    match asked.verb:
        case DriverVerb.LOAD if state(ConnectionSide.NEW) is TunnelsState.ABSENT:
            return ["load"]
        case DriverVerb.ENABLE:
            old = asked.disable_old and state(ConnectionSide.OLD) is not TunnelsState.DISABLED
            new = state(ConnectionSide.NEW) is not TunnelsState.ENABLED
            return [*(("disable-old",) * old), *(("enable-new",) * new)]
        case DriverVerb.BACK_OUT:
            return ["back-out"]
        case DriverVerb.REMOVE if asked.remove is not None:
            gone = state(asked.remove) is TunnelsState.ABSENT
            return [] if gone else [f"remove-{asked.remove}"]
        case _:
            return []  # It is loaded already, or the state alone is asked for.


def read_device(asked: DriverInput) -> Mapping[str, Any]:
    """Return the content of the device file, which has keys."""
    device: Mapping[str, Any] = json.loads(Path(asked.device_file).read_text(encoding="utf-8"))
    return device


def tunnels_of(device: Mapping[str, Any], side: ConnectionSide) -> Sequence[Mapping[str, Any]]:
    """Return the values of the tunnels of one connection of *device*; none if it has none."""
    tunnels: Sequence[Mapping[str, Any]] = (device[side] or {}).get("tunnels", ())
    return tunnels


def spare_tunnels(device: Mapping[str, Any], side: ConnectionSide) -> Collection[str]:
    """Return the outside addresses of tunnels that the device had disabled before the run."""
    spare: Collection[str] = (device[side] or {}).get("disabled_before", ())
    return spare


def missing_clause(missing: Sequence[str]) -> str:
    """Return that the tunnels to the addresses *missing* are not at the device; or nothing."""
    return f"the device has no tunnel to {', '.join(missing)}" if missing else ""


def complete(device: Mapping[str, Any], part: str) -> str:
    """Return commands of *device* that have a value everywhere.

    Raises:
        DriverError: They have placeholders, which a shell would take for files.
    """
    commands = str(device["commands"][part])
    if missing := [each for each in device["placeholders"] if each in commands]:
        raise DriverError(f"{part} is not run, it has placeholders: {', '.join(missing)}")
    return commands
