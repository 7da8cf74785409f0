"""Journal: what a run has written, and what that means.

Records are folded into one state, from which a run resumes and the next command follows.
Begin with ``records``, then ``state`` and ``replay``.
"""

from vpnmigrate.journal.next_command import accepting, going_on, next_command, word_meant
from vpnmigrate.journal.replay import replay
from vpnmigrate.journal.state import Adoption, Intent, Order, RunState, Traffic, Wish

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
