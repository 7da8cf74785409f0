"""What a trial does without: somebody at a terminal, a network, and a disk for device files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from vpnmigrate.model import VpnConnectionId
from vpnmigrate.ports import Path


class Nobody:
    """Nobody wants a trial to stop between two changes (``ports.Interruption``)."""

    reason = None


class NoPaths:
    """The world is in this process: no way leads there (``ports.Paths``)."""

    def read(self) -> Sequence[Path]:
        """Resolve nothing."""
        return ()


class HashesOnly:
    """A vault that keeps nothing but what the journal keeps of a file: its hash."""

    def keep(self, connection: VpnConnectionId, name: str, text: str) -> str:
        """Give the SHA-256 of *text*."""
        del connection, name
        return hashlib.sha256(text.encode()).hexdigest()
