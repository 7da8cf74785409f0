"""Orders: pause, continue, abort and confirm, and where each is accepted.

Before the cutover a run can be paused for any time.  During the cutover traffic is down: a pause
would extend the outage, so it is declined, and an abort rolls back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

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
"""The orders without arguments."""


class Pause(Struct, frozen=True):
    """Start no further change, and wait until the order is lifted."""

    order: OperatorOrder


class StopRun(Struct, frozen=True):
    """End the process; traffic is not affected."""

    order: OperatorOrder


class RollBack(Struct, frozen=True):
    """Roll back to the state before the migration."""

    order: OperatorOrder


def due_order_effect(state: RunState, *, cutover_open: bool) -> Pause | StopRun | RollBack | None:
    """Return the action that an order requires at a safe point, or None.

    *cutover_open* means that a cutover was begun and not rolled back.
    """
    match state.order:
        case OperatorOrder(wish=Hold.PAUSED) as order if not pause_extends_outage(state):
            return Pause(order)
        case OperatorOrder(wish=Hold.ABORTED) as order:
            return RollBack(order) if cutover_open else StopRun(order)
        case _:
            return None


def pause_extends_outage(state: RunState) -> bool:
    """Return whether traffic is down, or may be before the next observation of this process."""
    cutting = FIRST_OF_CUTOVER <= state.step <= LAST_OF_CUTOVER and not state.cleaning
    return state.outage.open or (
        cutting and not state.finished and state.journal_facts.verified is None
    )


def refusal_reason(verb: OrderVerb, state: RunState) -> str:
    """Return why *verb* cannot be accepted in *state*, or an empty string."""
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
        return "it is rolling back, and a rollback needs only one tunnel per connection"
    if state.order is not None and state.order.wish is Hold.ABORTED:
        return f"it is {state.order}"
    if not state.shortages.acceptable:
        return (
            "a shortage can be accepted only while tunnels, or routes of a tunnel, are all that is "
            "missing: one tunnel of each connection is UP, and all routes are restored"
        )
    return ""


def _why_no_confirmation(state: RunState) -> str:
    if state.direction is Direction.ROLLBACK:
        return f"it is too late: the run is {state.status}"
    if state.confirm.armed is None:
        return "no confirmation is pending: the run has no open apply --confirm-within"
    if state.order is not None and state.order.wish is Hold.ABORTED:
        return f"it is too late: the run is {state.order}"
    if state.confirm.since is None:
        return "traffic has not been verified yet, so there is nothing to confirm"
    return ""


def _why_no_continue(state: RunState) -> str:
    if state.order is not None or state.asks_to_decide:
        return ""
    return "it is neither paused nor aborted"


def _why_no_pause(state: RunState) -> str:
    if state.finished:
        return f"it is {state.status}, so there is nothing to pause"
    if state.order is not None and state.order.wish is Hold.ABORTED:
        return f"it is {state.order}"
    if pause_extends_outage(state):
        return "traffic is down during the cutover; pausing would extend the outage"
    return ""


def _why_no_abort(state: RunState) -> str:
    if state.finished:
        return f"it is {state.status}, so there is nothing to abort"
    match state.direction:
        case Direction.ROLLBACK:
            return "it is rolling back already"
        case Direction.FINALIZE:
            return "finalize cannot be rolled back; a pause holds it"
        case Direction.FORWARD | None:
            return ""


CONFIRMED_AFTER_ALL = "the migration was confirmed in time"


def answer(verb: Bare, state: RunState, who: str, host: str, message: str) -> Record:
    """Return the record for an order that arrives in *state* as *message*."""
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
    """Return the records for an operator's acceptance of the shortage of *named* connections."""
    why = refusal_reason(OrderVerb.ACCEPT, state) or _unneeded(named, state)
    if why:
        return (OrderDeclined(OrderVerb.ACCEPT, why, who, host, message),)
    return tuple(
        Accepted(each, reason, who, host, message)
        for each in state.shortages.acceptable
        if {each.connection, each.replaces} & set(named)
    )


def _unneeded(named: Sequence[str], state: RunState) -> str:
    """Return a message if *named* has ids, old or new, of connections without a shortage."""
    known = {id_ for each in state.shortages.acceptable for id_ in (each.connection, each.replaces)}
    unneeded = [name for name in named if name not in known]
    text = "; ".join(each.text for each in state.shortages.acceptable)
    return f"no tunnel is missing on {', '.join(unneeded)}, but: {text}" if unneeded else ""


def answer_to(message: str, entries: Iterable[Entry]) -> Record | None:
    """Return the record written for the inbox message *message*; None if it is still unread."""
    return next((e.record for e in entries if getattr(e.record, "message", "") == message), None)
