"""Page for a device's engineer: the blocks, what to know first, and the changed lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from difflib import unified_diff
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from vpnmigrate.devices.blocks import DeviceBlocks, device_blocks, revealed
from vpnmigrate.devices.device_task import DeviceSide
from vpnmigrate.devices.platforms import TemplateSource, no_templates


def page(blocks: DeviceBlocks, more: TemplateSource = no_templates) -> str:
    """Return the page of the device's engineer as Markdown; *more* has the user's templates."""
    return (
        _pages()
        .get_template("device_page.j2")
        .render(
            blocks=blocks,
            task=blocks.task,
            platform=blocks.platform,
            has_keys=_has_keys(blocks),
            changes=tuple(changed_lines(blocks, more)),
        )
    )


def _has_keys(blocks: DeviceBlocks) -> bool:
    """Return whether a command has a key of the new connection."""
    configuration = blocks.task.new.configuration
    keys = [revealed(tunnel) for tunnel in configuration.tunnels] if configuration else []
    return any(key and key in block.commands for key in keys for block in blocks.blocks)


@cache
def _pages() -> Environment:
    return Environment(  # noqa: S701 - Markdown: escaping would alter the commands
        loader=PackageLoader("vpnmigrate.devices"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def changed_lines(blocks: DeviceBlocks, more: TemplateSource = no_templates) -> Iterator[str]:
    """Yield the lines that differ between the old and the new tunnels, as a line diff has them.

    Only where both have the same inside addresses, so that the rest of the device stays as it is.
    Keys are not compared here; both sides have the new names.
    """
    old, new = blocks.task.old, blocks.task.new
    if old is None or old.configuration is None or new.configuration is None:
        return
    before, after = (
        [tunnel.amazon.inside_cidr for tunnel in side.tunnels]
        for side in (old.configuration, new.configuration)
    )
    if sorted(before) != sorted(after):
        return
    # Tunnels are in the order of their outside addresses; here they are matched by the inside.
    order = [before.index(inside) for inside in after]
    matched = replace(
        old.configuration, tunnels=tuple(old.configuration.tunnels[number] for number in order)
    )
    first, second = (
        _loaded(blocks, replace(side, connection=new.connection), more)
        for side in (replace(old, configuration=matched), new)
    )
    for line in unified_diff(first, second, n=0, lineterm=""):
        if not line.startswith(("---", "+++", "@@")):
            yield line


def _loaded(blocks: DeviceBlocks, side: DeviceSide, more: TemplateSource) -> list[str]:
    """Return the lines that load *side* on an empty device, without comments on the connection."""
    task = replace(blocks.task, new=side, old=None, existing="")
    load = device_blocks(task, blocks.platform, more).blocks[0].commands
    return [line for line in load.splitlines() if side.connection not in line]
