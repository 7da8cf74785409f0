"""Residue: the changes of a cutover or clean-up that AWS did not make."""

from __future__ import annotations

from msgspec import Struct

from vpnmigrate.model.changes import AwsChange


class ResidualChange(Struct, frozen=True):
    """A change that the run went on without, and why AWS did not make it."""

    change: AwsChange
    why: str

    def __str__(self) -> str:
        """Return a sentence for an operator."""
        return f"not done: {self.change}: {self.why}"
