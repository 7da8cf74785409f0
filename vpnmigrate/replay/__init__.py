"""What a journal amounts to: where the run stands, what it was told, and what comes next."""

from vpnmigrate.replay.fold import replay
from vpnmigrate.replay.following import accepting, going_on, next_command, word_meant
from vpnmigrate.replay.state import Adoption, Intent, Order, RunState, Traffic, Wish

__all__ = [
    "Adoption",
    "Intent",
    "Order",
    "RunState",
    "Traffic",
    "Wish",
    "accepting",
    "going_on",
    "next_command",
    "replay",
    "word_meant",
]
