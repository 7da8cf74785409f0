"""Task at one device: the old and the new connection, and what the commands need to know."""

from __future__ import annotations

from dataclasses import dataclass, field

from vpnmigrate.devices.configuration import DeviceConfiguration
from vpnmigrate.devices.tunnel_values import ConnectionOptions


@dataclass(frozen=True)
class DeviceSide:
    """One connection of a device; without a configuration its values are placeholders."""

    connection: str
    configuration: DeviceConfiguration | None = None
    options: ConnectionOptions = field(default_factory=ConnectionOptions)
    key_place: str = ""
    """Where the keys are: a file, or an ARN."""
    planned_static: bool = False
    """Whether the plan has static routing; a configuration says it itself."""


def ipv4(networks: tuple[str, ...]) -> tuple[str, ...]:
    """Return what a tunnel of a virtual private gateway carries of *networks* (domain.md 6.2).

    An IPv6 network in a command of IPv4 makes the command fail, on every platform.
    """
    return tuple(each for each in networks if ":" not in each)


@dataclass(frozen=True)
class DeviceTask:
    """What has to be done at one device."""

    run: str
    site: str
    new: DeviceSide
    old: DeviceSide | None = None
    vpc: tuple[str, ...] = ()
    """Networks of the VPC; empty if unknown."""
    networks: tuple[str, ...] = ()
    """Networks of the site that it announces to AWS; empty if unknown."""
    existing: str = ""
    """The running configuration; its names, numbers and addresses are avoided."""
    certificate: str = ""
    """ARN of the device's certificate, if tunnels authenticate with that instead of keys."""
    leaves_old: bool = False
    """Whether the plan leaves the old tunnels enabled after the cutover."""
