"""What other terminals told a run, folded into its state."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from vpnmigrate.replay.state import Order, RunState, Wish
from vpnmigrate.spoken import AbortAsked, Armed, Confirmed, Continued, Paused


def ordered(
    state: RunState, told: Paused | Continued | AbortAsked | Armed | Confirmed, at: datetime
) -> RunState:
    """Put what was *told* in force; the first pause counts, and an abort is more than a pause."""
    match told:
        case Continued():
            return replace(state, order=None)
        case Paused(who, host) if state.order is None:
            return replace(state, order=Order(Wish.PAUSED, who, host, at))
        case AbortAsked(who, host):
            return replace(state, order=Order(Wish.ABORTED, who, host, at))
        case Armed():
            return replace(state, armed=told)
        case Confirmed():
            return replace(state, armed=None, unconfirmed_since=None)
        case Paused():
            return state


def unconfirmed(state: RunState, at: datetime) -> RunState:
    """Begin to wait for somebody to confirm, from the moment that the journal first says green."""
    if state.armed is None or state.unconfirmed_since is not None:
        return state
    return replace(state, unconfirmed_since=at)
