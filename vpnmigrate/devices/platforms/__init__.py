"""Platforms: the kinds of devices that have a template, ``NAME/commands.j2``.

``blocks`` renders the templates; a user may replace each, or add a folder of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from vpnmigrate.model.errors import UsageError

COMMANDS: Final = "commands.j2"
"""The template in the folder of a platform."""

TemplateSource = Callable[[str], str | None]
"""Returns the text of a template of the user, by its path, or None."""


def no_templates(_path: str) -> None:
    """Return None: there are only the program's own templates."""
    return


@dataclass(frozen=True)
class Platform:
    """A kind of device with a template."""

    name: str
    title: str
    folder: str
    device_type: str = ""
    """Pattern of AWS's device types (vendor/platform/software) that it serves."""
    variant: str = ""


PLATFORMS: Final = (
    Platform("strongswan-bird", "strongSwan (swanctl) with BIRD", "strongswan", r"^strongswan/"),
    Platform("strongswan-frr", "strongSwan (swanctl) with FRR", "strongswan", variant="frr"),
    Platform("libreswan", "Libreswan with FRR", "libreswan", r"openswan|libreswan"),
    Platform("cisco-ios", "Cisco IOS and IOS-XE", "cisco_ios", r"^cisco.*\b(ios|isr|csr|asr)"),
    Platform("cisco-asa", "Cisco ASA with VTI, 9.7 or later", "cisco_asa", r"^cisco.*\basa.*vti"),
    Platform("juniper-srx", "Juniper SRX", "juniper_srx", r"^juniper.*srx"),
    Platform("paloalto", "Palo Alto PAN-OS", "paloalto", r"^palo alto"),
    Platform("fortios", "Fortinet FortiOS", "fortios", r"^fortinet"),
    Platform("vyos", "VyOS", "vyos", r"^vyos|^vyatta"),
    Platform("mikrotik", "MikroTik RouterOS 6", "mikrotik", r"^mikrotik"),
    Platform("mikrotik-7", "MikroTik RouterOS 7", "mikrotik", variant="7"),
    Platform("pfsense", "pfSense", "pfsense", r"pfsense"),
    Platform("opnsense", "OPNsense", "pfsense", r"opnsense", variant="opnsense"),
    Platform("windows-rras", "Windows Server with RRAS", "windows_rras", r"^microsoft"),
    Platform("generic", "any device: values and order of work", "generic"),
)
GENERIC: Final = "generic"


def platform_named(name: str, more: TemplateSource = no_templates) -> Platform:
    """Return the platform called *name*, which may be a folder of the user's templates.

    Raises:
        UsageError: There is none.
    """
    for platform in PLATFORMS:
        if platform.name == name:
            return platform
    if more(f"{name}/{COMMANDS}") is not None:
        return Platform(name, name, name)
    known = ", ".join(platform.name for platform in PLATFORMS)
    raise UsageError(f"{name!r} is not a platform", advice=f"give one of: {known}")


def platform_for(device_type: str | None) -> Platform:
    """Return the platform of one of AWS's device types; the generic one if none serves it."""
    for platform in PLATFORMS:
        if platform.device_type and re.search(
            platform.device_type, device_type or "", re.IGNORECASE
        ):
            return platform
    return platform_named(GENERIC)
