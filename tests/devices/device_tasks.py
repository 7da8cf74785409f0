"""Tasks at devices, for the tests of blocks.

``python -m tests.devices.device_tasks`` writes the golden files.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.devices.documents import NEW_ENDS, Ends, a_document
from vpnmigrate.devices.blocks import device_blocks
from vpnmigrate.devices.configuration import read
from vpnmigrate.devices.device_task import DeviceSide, DeviceTask
from vpnmigrate.devices.page import page
from vpnmigrate.devices.platforms import PLATFORMS, Platform
from vpnmigrate.devices.tunnel_values import ConnectionOptions

GOLDEN = Path(__file__).parent / "golden"
OLD_ID, NEW_ID = "vpn-0bbbbbbbbbbbbbbb2", "vpn-0aaaaaaaaaaaaaaa1"
ROUTING = ("bgp", "static")


def options_of(ends: tuple[Ends, ...] = NEW_ENDS, **tunnel: Any) -> ConnectionOptions:
    """Return options of an AWS VPN connection, with *tunnel* for each of its tunnels."""
    rows = [{"OutsideIpAddress": end.outside, "PreSharedKey": end.key, **tunnel} for end in ends]
    return ConnectionOptions.of({"Category": "VPN", "Options": {"TunnelOptions": rows}})


def a_task(
    routing: str = "bgp",
    *,
    ends: tuple[Ends, ...] = NEW_ENDS,
    options: ConnectionOptions | None = None,
    existing: str = "",
) -> DeviceTask:
    """Return the task of a site whose old connection is Classic."""
    asn = 64512 if routing == "bgp" else None
    new = read(a_document(ends, connection=NEW_ID, asn=asn))
    old = read(a_document(connection=OLD_ID, asn=asn and 7224))
    return DeviceTask(
        "mig-20260117-5131ed",
        "munich",
        DeviceSide(
            NEW_ID, new, options or options_of(ends), f"/runs/vault/{NEW_ID}/configuration.xml"
        ),
        DeviceSide(OLD_ID, old),
        ("10.0.0.0/16",),
        ("192.168.41.0/24", "192.168.42.0/24"),
        existing,
    )


def golden_file(platform: Platform, routing: str) -> Path:
    """Return the file with the page of a platform."""
    return GOLDEN / f"{platform.name}-{routing}.md"


def existing_of(platform: Platform, routing: str) -> str:
    """Return a running configuration with the old tunnels, if there is one for the platform."""
    file = GOLDEN / f"{platform.name}-{routing}.existing"
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def pages() -> Mapping[Path, str]:
    """Return each golden file with the page as it is now."""
    return {
        golden_file(platform, routing): page(
            device_blocks(a_task(routing, existing=existing_of(platform, routing)), platform)
        )
        for platform in PLATFORMS
        for routing in ROUTING
    }


if __name__ == "__main__":
    for file, text in pages().items():
        file.write_text(text, encoding="utf-8")
