"""Vendor blocks: the interface for vendor-specific device commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from vpnmigrate.devices.configuration import Configuration


class Moment(StrEnum):
    """When a block is typed; the sheet has one chapter for each."""

    LOAD = "load"
    ENABLE = "enable"
    DISABLE = "disable"
    BACK_OUT = "back out"
    REMOVE = "remove"


@dataclass(frozen=True)
class Block:
    """Lines for a device's prompt.  They hold keys: they go into the vault and nowhere else."""

    moment: Moment
    lines: str


class Vendor(Protocol):
    """Writes the blocks of one family of devices.

    A block for LOAD must leave every tunnel it makes shut, and its BGP neighbours too; none may
    use a name that the old tunnels could bear.  Blocks are pure text: nothing here reaches a
    device.
    """

    def blocks(self, old: Configuration | None, new: Configuration) -> Sequence[Block]:
        """Write the blocks for moving from *old*, where it is known, to *new*."""
        ...
