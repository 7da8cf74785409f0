"""Tunnels before: which tunnels of the old connection a device has, and has enabled.

Many devices have one of AWS's two tunnels, or have the second one shut.  Their saved running
configuration shows it: a tunnel whose outside address it does not name is absent.  Without one, or
if it names none, the device counts as having both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from vpnmigrate.devices.configuration import TunnelConfiguration
from vpnmigrate.devices.device_task import DeviceTask
from vpnmigrate.devices.running_state import has_reader, tunnel_parts


@dataclass(frozen=True)
class TunnelsBefore:
    """The old tunnels of one device, by their outside addresses, in the connection's order."""

    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    """Those of AWS's connection that the device does not have."""
    disabled: tuple[str, ...] = ()
    """Those of *present* that are partly shut: a rollback leaves them shut."""


def tunnels_before(task: DeviceTask, platform: str) -> TunnelsBefore:
    """Return the old tunnels of *task*, at a device of *platform*."""
    configuration = task.old.configuration if task.old else None
    tunnels = configuration.tunnels if configuration else ()
    present = [tunnel for tunnel in tunnels if _mentions(task.existing, tunnel.outside_ip)]
    if not present:
        return TunnelsBefore(tuple(tunnel.outside_ip for tunnel in tunnels))
    shut = [tunnel.outside_ip for tunnel in present if _is_shut(platform, task.existing, tunnel)]
    return TunnelsBefore(
        tuple(tunnel.outside_ip for tunnel in present),
        tuple(tunnel.outside_ip for tunnel in tunnels if tunnel not in present),
        tuple(shut) if len(shut) < len(present) else (),
    )


def _mentions(existing: str, address: str) -> bool:
    """Return whether *existing* names *address*, if only in a rule, or in a form not known here."""
    return bool(re.search(rf"(?<![\d.]){re.escape(address)}(?!\.?\d)", existing))


def _is_shut(platform: str, existing: str, tunnel: TunnelConfiguration) -> bool:
    if not has_reader(platform):
        return False
    named = {"outside": tunnel.outside_ip, "inside": tunnel.amazon.inside_ip}
    return False in tunnel_parts(platform, existing, named)
