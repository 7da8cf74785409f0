"""Journal: the records of a run, and the state they lead to.

Records are folded into one state, from which a run resumes and the next command is derived.
Begin with ``records``, then ``state``, ``transitions`` and ``replay``.  What a run did when is in
``directions`` (periods of attempts), ``history`` (changes and outages) and ``timing``.
"""

from vpnmigrate.journal.next_command import (
    accept_command,
    closed_gates,
    confirmation_for_step,
    done_command,
    finalize_command,
    is_of_this_attempt,
    next_command,
    resume_command,
)
from vpnmigrate.journal.replay import replay
from vpnmigrate.journal.state import Hold, Intent, OperatorOrder, RunState, Traffic
from vpnmigrate.journal.state_parts import Adoption

__all__ = [
    "Adoption",
    "Hold",
    "Intent",
    "OperatorOrder",
    "RunState",
    "Traffic",
    "accept_command",
    "closed_gates",
    "confirmation_for_step",
    "done_command",
    "finalize_command",
    "is_of_this_attempt",
    "next_command",
    "replay",
    "resume_command",
]
