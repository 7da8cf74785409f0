"""Orders: pause, continue, abort and confirm, and where each is accepted.

Before the cutover a run can rest for as long as it takes.  In the cutover traffic hangs on it:
a pause would only keep traffic down, so it is declined, and an abort turns back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from vpnmigrate.journal.records import (
    AbortAsked,
    Accepted,
    Confirmed,
    Continued,
    Entry,
    OrderDeclined,
    OrderVerb,
    Paused,
    Record,
)
from vpnmigrate.journal.state import Hold, OperatorOrder, RunState
from vpnmigrate.model.plan import FIRST_OF_CUTOVER, LAST_OF_CUTOVER, Direction

Bare = Literal[OrderVerb.PAUSE, OrderVerb.CONTINUE, OrderVerb.ABORT, OrderVerb.CONFIRM]
"""The orders that say nothing but themselves."""


@dataclass(frozen=True)
class Pause:
    """Start nothing new, and wait here until the order is lifted."""

    order: OperatorOrder


@dataclass(frozen=True)
class StopRun:
    """End the process; traffic is untouched."""

    order: OperatorOrder


@dataclass(frozen=True)
class RollBack:
    """Bring back what was there before."""

    order: OperatorOrder


def apply_order(state: RunState, *, cutover_open: bool) -> Pause | StopRun | RollBack | None:
    """Return what the order in force asks of the process at a safe point; None for nothing.

    *cutover_open* tells that a cutover was begun which no way back has undone.
    """
    match state.order:
        case OperatorOrder(wish=Hold.PAUSED) as order if not pause_extends_outage(state):
            return Pause(order)
        case OperatorOrder(wish=Hold.ABORTED) as order:
            return RollBack(order) if cutover_open else StopRun(order)
        case _:
            return None


def pause_extends_outage(state: RunState) -> bool:
    """Return whether traffic is down, or may be before this process makes another look."""
    cutting = FIRST_OF_CUTOVER <= state.step <= LAST_OF_CUTOVER and not state.cleaning
    return state.outage_open or (
        cutting and not state.finished and state.journal_facts.verified is None
    )


def refusal_reason(verb: OrderVerb, state: RunState) -> str:
    """Return why *verb* cannot be heeded where the run stands; empty if it can."""
    match verb:
        case OrderVerb.PAUSE:
            return _why_no_pause(state)
        case OrderVerb.CONTINUE:
            return _why_no_continue(state)
        case OrderVerb.ABORT:
            return _why_no_abort(state)
        case OrderVerb.CONFIRM:
            return _why_no_confirmation(state)
        case OrderVerb.ACCEPT:
            return _why_no_acceptance(state)


def _why_no_acceptance(state: RunState) -> str:
    if state.direction is Direction.ROLLBACK:
        return "it goes back, and there one tunnel will do"
    if state.order is not None and state.order.wish is Hold.ABORTED:
        return f"it is {state.order}"
    if not state.acceptable:
        return (
            "that is for when fewer tunnels than before are all that is lacking: one of each "
            "connection UP, and every destination leading where it did"
        )
    return ""


def _why_no_confirmation(state: RunState) -> str:
    if state.direction is Direction.ROLLBACK:
        gone = "has gone" if state.finished else "is going"
        return f"it is too late, because the run {gone} back"
    if state.armed is None:
        return "nobody waits for that: no apply --confirm-within is open"
    if state.order is not None and state.order.wish is Hold.ABORTED:
        return f"it is too late, because the run is {state.order}"
    if state.unconfirmed_since is None:
        return "traffic has not been verified yet, so there is nothing to confirm"
    return ""


def _why_no_continue(state: RunState) -> str:
    if state.order is not None or state.asks_to_decide:
        return ""
    return "it is neither paused nor aborted"


def _why_no_pause(state: RunState) -> str:
    if state.finished:
        return f"it is {state.status}, so nothing goes on that could rest"
    if state.order is not None and state.order.wish is Hold.ABORTED:
        return f"it is {state.order}"
    if pause_extends_outage(state):
        return "traffic hangs on this cutover, and a pause would only keep it down"
    return ""


def _why_no_abort(state: RunState) -> str:
    if state.finished:
        return f"it is {state.status}, so nothing goes on that could be given up"
    match state.direction:
        case Direction.ROLLBACK:
            return "it is going back already"
        case Direction.FINALIZE:
            return "nothing leads back from finalize; a pause holds it"
        case Direction.FORWARD | None:
            return ""


CONFIRMED_AFTER_ALL = "somebody has confirmed after all"


def answer(verb: Bare, state: RunState, who: str, host: str, message: str) -> Record:
    """Return what the journal says of an order that arrives in *state* as *message*."""
    if why := refusal_reason(verb, state):
        return OrderDeclined(verb, why, who, host, message)
    match verb:
        case OrderVerb.PAUSE:
            return Paused(who, host, message)
        case OrderVerb.CONTINUE:
            return Continued(who, host, message)
        case OrderVerb.ABORT:
            return AbortAsked(who, host, message)
        case OrderVerb.CONFIRM:
            return Confirmed(who, host, message)


def acceptance(
    named: Sequence[str], state: RunState, reason: str, who: str, host: str, message: str
) -> tuple[Record, ...]:
    """Return what the journal says when somebody accepts the shortage of *named* connections."""
    why = refusal_reason(OrderVerb.ACCEPT, state) or _stray(named, state)
    if why:
        return (OrderDeclined(OrderVerb.ACCEPT, why, who, host, message),)
    return tuple(
        Accepted(each, reason, who, host, message)
        for each in state.acceptable
        if {each.connection, each.replaces} & set(named)
    )


def _stray(named: Sequence[str], state: RunState) -> str:
    """Return what of *named* is not lacking; a new connection may be called by its old one's id."""
    known = {id_ for each in state.acceptable for id_ in (each.connection, each.replaces)}
    stray = [name for name in named if name not in known]
    text = "; ".join(each.text for each in state.acceptable)
    return f"nothing waits for tunnels of {', '.join(stray)}, but: {text}" if stray else ""


def answer_to(message: str, entries: Iterable[Entry]) -> Record | None:
    """Find the record that the message of this name led to; None while nobody has taken it up."""
    return next((e.record for e in entries if getattr(e.record, "message", "") == message), None)
