"""Initiation: old tunnels that are enabled and down are negotiated again for a rollback.

Enabling a tunnel initiates it.  One that stayed enabled may have given up while its gateway was
detached, and no change of the configuration starts it again; so the platform's command for that is
sent, unless the tunnel is up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from vpnmigrate.devices.running_state import tunnel_name
from vpnmigrate.local.drivers.refusals import refusal_in


class Terminal(Protocol):
    """A connection that carries out single commands outside configuration mode."""

    def ask(self, command: str) -> str:
        """Return what the device prints after *command*."""
        ...


@dataclass(frozen=True)
class Initiation:
    """How a platform initiates a tunnel; ``{outside}`` and ``{name}`` are those of the tunnel."""

    show: str
    up: str
    """Pattern of what *show* prints of a tunnel that is up."""
    command: str
    """Deletes what is left of the tunnel; the device, which initiates, negotiates it anew."""
    source: str


INITIATIONS: Final[Mapping[str, Initiation]] = {
    "cisco-ios": Initiation(
        "show crypto session remote {outside}",
        r"^Session status: UP-ACTIVE",
        "clear crypto session remote {outside}",
        "Cisco IOS Security Command Reference, clear crypto session",
    ),
    "cisco-asa": Initiation(
        "show vpn-sessiondb detail l2l filter ipaddress {outside}",
        r"^Connection +: ",
        "clear crypto ipsec sa peer {outside}",
        "Cisco ASA Series Command Reference, clear crypto ipsec sa",
    ),
    "juniper-srx": Initiation(
        "show security ipsec security-associations | match {outside} | no-more",
        r"^ *<\d+ .* {outside}\b",
        "clear security ike security-associations {outside}",
        "juniper.net: clear security ike security-associations",
    ),
    "vyos": Initiation(
        "show vpn ipsec sa",
        r"^{name}(?:-\S+)? +up\b",
        "reset vpn ipsec site-to-site peer {name}",
        "docs.vyos.io: Site-to-Site, reset vpn ipsec site-to-site peer",
    ),
    "fortios": Initiation(
        "get vpn ipsec tunnel summary",
        r"^'{name}' .*\(total,up\): \d+/[1-9]",
        "diagnose vpn ike gateway flush name {name}",
        "community.fortinet.com: diagnose vpn ike gateway flush",
    ),
}
"""Platform to its commands, which delete nothing but the tunnel's own associations."""


def initiate(
    terminal: Terminal, platform: str, running: str, tunnels: Sequence[Mapping[str, Any]]
) -> str:
    """Initiate those of *tunnels* that are down; return what was done, or refused, as a clause."""
    how = INITIATIONS[platform]
    initiated: list[str] = []
    refused: list[str] = []
    for tunnel in tunnels:
        outside = str(tunnel["outside"])
        names = {"outside": outside, "name": tunnel_name(platform, running, tunnel)}
        pattern = how.up.format(**{key: re.escape(name) for key, name in names.items()})
        if re.search(pattern, terminal.ask(how.show.format(**names)), re.MULTILINE):
            continue
        said = terminal.ask(how.command.format(**names))
        (refused if refusal_in(platform, said) else initiated).append(outside)
    parts = (("initiated: ", initiated), ("refused by the device, initiate there: ", refused))
    return "; ".join(f"{text}{', '.join(found)}" for text, found in parts if found)
