"""Tasks at devices, for the tests of blocks.

``python -m tests.devices.device_tasks`` writes the golden files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from difflib import unified_diff
from pathlib import Path
from typing import Any

from tests.devices.documents import NEW_ENDS, Ends, a_document
from vpnmigrate.devices.blocks import device_blocks
from vpnmigrate.devices.configuration import parse_partial
from vpnmigrate.devices.device_task import DeviceSide, DeviceTask
from vpnmigrate.devices.page import page
from vpnmigrate.devices.platforms import PLATFORMS, Platform
from vpnmigrate.devices.tunnel_values import ConnectionOptions

GOLDEN = Path(__file__).parent / "golden"
CERTIFICATES = GOLDEN / "certificates.diff"
"""How the pages for certificates differ from those for keys."""
CERTIFICATE = "arn:aws:acm:eu-central-1:111122223333:certificate/0a1b2c3d"
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
    certificate: str = "",
) -> DeviceTask:
    """Return the task of a site whose old connection is Classic."""
    asn = 64512 if routing == "bgp" else None
    new = parse_partial(a_document(ends, connection=NEW_ID, asn=asn))
    old = parse_partial(a_document(connection=OLD_ID, asn=asn and 7224))
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
        certificate,
    )


def golden_file(platform: Platform, routing: str) -> Path:
    """Return the file with the page of a platform."""
    return GOLDEN / f"{platform.name}-{routing}.md"


def existing_of(platform: Platform, routing: str) -> str:
    """Return a running configuration with the old tunnels, if there is one for the platform."""
    file = GOLDEN / f"{platform.name}-{routing}.existing"
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def certificate_task(routing: str = "bgp") -> DeviceTask:
    """Return the task of a site whose tunnels authenticate with certificates."""
    ends = tuple(replace(end, key="") for end in NEW_ENDS)
    return a_task(routing, ends=ends, certificate=CERTIFICATE)


def _written(task: DeviceTask, platform: Platform) -> list[str]:
    """Return the page of *task*, and the files that its commands write."""
    blocks = device_blocks(task, platform)
    files = [f"{file.path} ({file.mode})\n{file.text}" for file in blocks.files]
    return "\n".join((page(blocks), *files)).splitlines()


def certificates_diff() -> str:
    """Return how the page of each platform differs if certificates replace the keys."""
    lines: list[str] = []
    for platform in PLATFORMS:
        keys, certificates = (_written(t, platform) for t in (a_task(), certificate_task()))
        changed = unified_diff(keys, certificates, platform.name, platform.name, n=1, lineterm="")
        lines += [line for line in changed if not line.startswith("@@")]
    return "\n".join(lines) + "\n"


def pages() -> Mapping[Path, str]:
    """Return each golden file with the page as it is now."""
    return {CERTIFICATES: certificates_diff()} | {
        golden_file(platform, routing): page(
            device_blocks(a_task(routing, existing=existing_of(platform, routing)), platform)
        )
        for platform in PLATFORMS
        for routing in ROUTING
    }


if __name__ == "__main__":
    for file, text in pages().items():
        file.write_text(text, encoding="utf-8")
