"""The back-out deadline of a cutover, folded into its state."""

from __future__ import annotations

from dataclasses import replace

from vpnmigrate.records import DeadlinePassed, DecideBy
from vpnmigrate.replay.state import Deadline, RunState


def deadline_after(state: RunState, about: DecideBy | DeadlinePassed) -> RunState:
    """Set the deadline, or note that it has passed."""
    match about:
        case DecideBy(at):
            return replace(state, deadline=Deadline(at))
        case DeadlinePassed(at):
            return replace(state, deadline=Deadline(at, passed=True))
