"""Stop action: what a request to stop means for a run.

Every start of the program imports it, also ``--help``, so it imports nothing.
"""

from __future__ import annotations

from enum import Enum, auto


class StopAction(Enum):
    """What a run does once it was asked to stop."""

    STOP = auto()
    """End at the next safe point."""
    ASK = auto()
    """Continue, and ask the operator at the terminal."""
    ROLL_BACK = auto()
    """Roll back from the next safe point."""
    RESTORE_FIRST = auto()
    """Continue the rollback until traffic flows, then end."""
