"""What is wanted of a run, and by when, folded into its state."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from vpnmigrate.records import DeadlinePassed, DecideBy
from vpnmigrate.replay.state import Deadline, Order, RunState, Wish
from vpnmigrate.replay.traffic import informed
from vpnmigrate.spoken import (
    AbortAsked,
    Acceptable,
    Accepted,
    Armed,
    Confirmed,
    ConfirmWished,
    Continued,
    Declined,
    Paused,
    WatchdogMissed,
)

Wanted = (
    Paused
    | Continued
    | AbortAsked
    | Declined
    | ConfirmWished
    | Armed
    | WatchdogMissed
    | Confirmed
    | DecideBy
    | DeadlinePassed
    | Acceptable
    | Accepted
)


def wanted(state: RunState, record: Wanted, at: datetime) -> RunState:
    """Put what *record* says in force; the first pause counts, and an abort is more than one."""
    match record:
        case Paused(who, host):
            return replace(state, order=state.order or Order(Wish.PAUSED, who, host, at))
        case AbortAsked(who, host):
            return replace(_decided(state), order=Order(Wish.ABORTED, who, host, at))
        case Continued():
            return replace(_decided(state), order=None)
        case Declined() | WatchdogMissed():
            return state
        case ConfirmWished(within):
            return replace(state, confirm_within=within)
        case Armed():
            # Another watchdog, where nobody was on watch: the time to confirm begins anew.
            waits = state.unconfirmed_since is not None
            return replace(state, armed=record, unconfirmed_since=at if waits else None)
        case Confirmed():
            return replace(state, confirm_within=None, armed=None, unconfirmed_since=None)
        case Acceptable(what):
            return replace(state, acceptable=what)
        case Accepted() as accepted:
            return _accepted(state, accepted)
        case DecideBy(by):
            return replace(state, deadline=Deadline(by))
        case DeadlinePassed(by, asks):
            return replace(state, deadline=Deadline(by, passed=True, asks=asks))


def _accepted(state: RunState, accepted: Accepted) -> RunState:
    """Ask for one tunnel of that connection only, for as long as this attempt lasts."""
    old = accepted.what.replaces
    return replace(
        informed(state, accepted=state.told.accepted | {old}),
        acceptable=tuple(each for each in state.acceptable if each.replaces != old),
        accepted=(*state.accepted, accepted),
    )


def _decided(state: RunState) -> RunState:
    """Ask nobody any more what follows from a deadline that has passed."""
    if state.deadline is None:
        return state
    return replace(state, deadline=replace(state.deadline, asks=False))


def unconfirmed(state: RunState, at: datetime) -> RunState:
    """Begin to wait for somebody to confirm, from the moment that the journal first says green."""
    if state.armed is None or state.unconfirmed_since is not None:
        return state
    return replace(state, unconfirmed_since=at)


def unwanted(state: RunState) -> RunState:
    """Forget what was wanted of a cutover that is not to be, or not this one."""
    return replace(state, deadline=None, confirm_within=None, armed=None, unconfirmed_since=None)
