"""The record of what tunnels have negotiated after a cutover."""

from __future__ import annotations

from vpnmigrate.journal.record_base import JournalRecord
from vpnmigrate.model.negotiated import CryptoVerdict, JudgedTunnel


class CryptoSeen(JournalRecord, frozen=True, tag="crypto-seen"):
    """The algorithms of the new tunnels after the cutover, compared with the plan's floor."""

    tunnels: tuple[JudgedTunnel, ...] = ()
    why: str = ""
    """Why no tunnel could be read; empty if they could."""

    @property
    def below(self) -> tuple[str, ...]:
        """A text for each tunnel below its floor."""
        return tuple(each.text for each in self.tunnels if each.verdict is CryptoVerdict.BELOW)

    @property
    def unknown(self) -> tuple[str, ...]:
        """A text for each tunnel UP of which the algorithms are unknown, or for all of them."""
        if self.why:
            return (f"all new tunnels: {CryptoVerdict.UNKNOWN} ({self.why})",)
        return tuple(
            each.text
            for each in self.tunnels
            if each.verdict is CryptoVerdict.UNKNOWN and not each.negotiated.is_down
        )
