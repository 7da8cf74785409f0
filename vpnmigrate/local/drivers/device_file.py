"""Device file: the values and commands of one device, with its keys, for its driver."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from vpnmigrate.devices.blocks import BlockName, DeviceBlocks, revealed
from vpnmigrate.devices.device_task import DeviceSide
from vpnmigrate.devices.tunnel_values import values_of

FILE_SCHEMA: Final = "vpnmigrate/driver-file/1"
DEVICE_FILE: Final = "driver.json"
"""The file's name, in the folder of the new connection."""


def device_file(blocks: DeviceBlocks, values: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return the text of a device's file: values of its tunnels and its commands, with keys.

    The keys of *blocks* are revealed, and *values* replace placeholders, by their text.
    """
    task = blocks.task
    known = {f"<{name}>": value for name, value in values.items()}
    document = {
        "schema": FILE_SCHEMA,
        "platform": blocks.platform.name,
        "new": _side(task.new),
        "old": _side(task.old, blocks.before.absent, blocks.before.disabled),
        "vpc_networks": task.vpc,
        "site_networks": task.networks,
        "commands": {name: _filled(text, known) for name, text in _commands(blocks).items()},
        "around": blocks.around,
        "files": [
            {"path": f.path, "mode": f.mode, "text": _filled(f.text, known)} for f in blocks.files
        ],
        "placeholders": [each for each in blocks.placeholders if each not in known],
        "notes": blocks.notes,
    }
    return json.dumps(document, indent=2) + "\n"


def _filled(text: str, values: Mapping[str, str]) -> str:
    for placeholder, value in values.items():
        text = text.replace(placeholder, value)
    return text


def _commands(blocks: DeviceBlocks) -> dict[str, str]:
    named = {block.name: block.commands for block in blocks.blocks}
    return {
        "load": named[BlockName.LOAD],
        "enable-new": blocks.enable_new,
        "disable-old": blocks.disable_old,
        "back-out": named[BlockName.BACK_OUT],
        "remove-old": named[BlockName.REMOVE_OLD],
        "remove-new": named[BlockName.REMOVE_NEW],
    }


def _side(
    side: DeviceSide | None, absent: Sequence[str] = (), disabled: Sequence[str] = ()
) -> dict[str, Any] | None:
    """Return what the file has of one connection, without tunnels that are *absent*."""
    if side is None:
        return None
    configuration = side.configuration
    tunnels = configuration.tunnels if configuration else ()
    return {
        "connection": side.connection,
        "static": bool(configuration and configuration.static),
        "tunnels": [
            values_of(t, side.options, revealed(t) or "")
            for t in tunnels
            if t.outside_ip not in absent
        ],
        "disabled_before": disabled,
    }
