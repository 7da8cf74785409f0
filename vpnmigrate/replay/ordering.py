"""What other terminals told a run, folded into its state."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from vpnmigrate.records import AbortAsked, Continued, Paused
from vpnmigrate.replay.state import Order, RunState, Wish


def ordered(state: RunState, told: Paused | Continued | AbortAsked, at: datetime) -> RunState:
    """Put what was *told* in force; the first pause counts, and an abort is more than a pause."""
    match told:
        case Continued():
            return replace(state, order=None)
        case Paused(who, host) if state.order is None:
            return replace(state, order=Order(Wish.PAUSED, who, host, at))
        case AbortAsked(who, host):
            return replace(state, order=Order(Wish.ABORTED, who, host, at))
        case Paused():
            return state
