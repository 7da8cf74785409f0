"""Journal: what a run has written, and what that means.

Records are folded into one state, from which a run resumes and the next command follows.
Begin with ``records``, then ``state`` and ``replay``.
"""

from vpnmigrate.journal.next_command import (
    accept_command,
    confirmation_for_step,
    next_command,
    resume_command,
)
from vpnmigrate.journal.replay import replay
from vpnmigrate.journal.state import Adoption, Hold, Intent, OperatorOrder, RunState, Traffic

__all__ = [
    "Adoption",
    "Hold",
    "Intent",
    "OperatorOrder",
    "RunState",
    "Traffic",
    "accept_command",
    "confirmation_for_step",
    "next_command",
    "replay",
    "resume_command",
]
