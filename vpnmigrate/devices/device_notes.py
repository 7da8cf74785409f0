"""Device notes: what an engineer has to know before the commands of one device."""

from __future__ import annotations

from collections.abc import Iterator

from vpnmigrate.devices.configuration import DeviceConfiguration
from vpnmigrate.devices.device_task import DeviceSide
from vpnmigrate.devices.tunnel_values import values_of
from vpnmigrate.devices.tunnels_before import TunnelsBefore


def asn_changes(old: DeviceConfiguration | None, new: DeviceConfiguration) -> Iterator[str]:
    """Yield what changes for the BGP neighbours from *old* to *new*."""
    after = new.tunnels[0].amazon.asn
    before = old.tunnels[0].amazon.asn if old else None
    if after is None:
        return
    if before not in (None, after):
        yield (
            f"AWS's ASN changes from {before} to {after}: remote-as, and every AS-path filter, "
            f"route-map and allow-as rule that names {before}."
        )
    yield "Accept from the new neighbours, and announce to them, what the old ones have."


def keyless(side: DeviceSide) -> str:
    """Return where the keys of *side* are, for a tunnel whose configuration has none."""
    if side.key_place.startswith("arn:"):
        return f"it is in AWS Secrets Manager, {side.key_place}."
    return "AWS withholds it, or the connection has certificates."


def old_tunnels(before: TunnelsBefore) -> Iterator[str]:
    """Yield which old tunnels the commands leave out, or leave disabled."""
    for outside in before.absent:
        yield (
            f"The running configuration has no old tunnel to {outside}: the commands leave it out. "
            "The new connection gets all its tunnels."
        )
    for outside in before.disabled:
        yield (
            f"The old tunnel to {outside} is disabled in the running configuration: back out "
            "leaves it disabled."
        )


def weak_algorithms(new: DeviceSide) -> Iterator[str]:
    """Yield the weak algorithms that AWS's configuration of *new* asks for, by tunnel."""
    weak = {"aes128", "sha1", 2, 5, 22, 23, 24}
    names = ("ike_encryption", "ike_integrity", "ike_group", "esp_encryption", "esp_integrity")
    for tunnel in new.configuration.tunnels if new.configuration else ():
        values = values_of(tunnel, new.options, "")
        found = [f"{name} {values[name]}" for name in names if values[name] in weak]
        if found:
            yield f"Weak algorithms for {tunnel.outside_ip}: {', '.join(found)}."
