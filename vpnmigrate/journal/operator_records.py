"""Records of operators, approvals, deadlines and confirmations, applied to a run's state."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from vpnmigrate.journal.outage import with_facts
from vpnmigrate.journal.records import (
    AbortAsked,
    Acceptable,
    Accepted,
    Approved,
    Armed,
    Confirmed,
    ConfirmRequested,
    Continued,
    DeadlinePassed,
    DeadlineSet,
    Entry,
    OrderDeclined,
    Paused,
    WatchdogMissed,
)
from vpnmigrate.journal.state import Deadline, Hold, OperatorOrder, RunState
from vpnmigrate.journal.state_parts import ConfirmState

OperatorRecord = (
    Paused
    | Continued
    | AbortAsked
    | OrderDeclined
    | ConfirmRequested
    | Armed
    | WatchdogMissed
    | Confirmed
    | DeadlineSet
    | DeadlinePassed
    | Acceptable
    | Accepted
)


def apply_operator_record(state: RunState, record: OperatorRecord, at: datetime) -> RunState:
    """Return *state* after *record*; the first pause counts, and an abort replaces a pause."""
    match record:
        case Paused(who, host):
            return replace(state, order=state.order or OperatorOrder(Hold.PAUSED, who, host, at))
        case AbortAsked(who, host):
            return replace(_decided(state), order=OperatorOrder(Hold.ABORTED, who, host, at))
        case Continued():
            return _lifted(_decided(state), record)
        case OrderDeclined() | WatchdogMissed():
            return state
        case ConfirmRequested(within):
            return replace(state, confirm=replace(state.confirm, within=within))
        case Armed():
            # A new watchdog replaces a missing one: the time to confirm restarts.
            waits = state.confirm.since is not None
            confirm = replace(state.confirm, armed=record, since=at if waits else None)
            return replace(state, confirm=confirm)
        case Confirmed():
            return replace(state, confirm=ConfirmState())
        case Acceptable(what):
            return replace(state, shortages=replace(state.shortages, acceptable=what))
        case Accepted() as accepted:
            return _accepted(state, accepted)
        case DeadlineSet(by):
            return replace(state, deadline=Deadline(by))
        case DeadlinePassed(by, asks):
            return replace(state, deadline=Deadline(by, passed=True, asks=asks))


def _accepted(state: RunState, accepted: Accepted) -> RunState:
    """Return *state* in which one tunnel of that connection is enough for this attempt."""
    old = accepted.what.replaces
    shortages = replace(
        state.shortages,
        acceptable=tuple(each for each in state.shortages.acceptable if each.replaces != old),
        accepted=(*state.shortages.accepted, accepted),
    )
    state = with_facts(state, accepted=state.journal_facts.accepted | {old})
    return replace(state, shortages=shortages)


def _lifted(state: RunState, continued: Continued) -> RunState:
    """Return *state* without an order; if it has held a process, that has to be started again."""
    if not state.held_by_order:
        return replace(state, order=None)
    working = state.direction is not None and not state.finished
    why = f"{state.held}; continued by {continued.who}, and to be resumed" if working else ""
    return replace(state, order=None, held=why, held_by_order=False)


def _decided(state: RunState) -> RunState:
    """Return *state* without an open decision about a passed deadline."""
    if state.deadline is None:
        return state
    return replace(state, deadline=replace(state.deadline, asks=False))


def start_confirm_timer(state: RunState, at: datetime) -> RunState:
    """Return *state* with the time to confirm running since the first verified traffic."""
    if state.confirm.armed is None or state.confirm.since is not None:
        return state
    return replace(state, confirm=replace(state.confirm, since=at))


def clear_operator_state(state: RunState) -> RunState:
    """Return *state* without deadline and commit-confirm of an earlier cutover."""
    return replace(state, deadline=None, confirm=ConfirmState())


def with_approval(state: RunState, added: Approved) -> RunState:
    """Return *state* with an approval; one that is added again, with a signature, is kept once."""
    approval, approvals = added.approval, state.approvals
    if added.signed is not None:
        approvals = replace(approvals, signed={**approvals.signed, approval.digest: added.signed})
    # The last one added by a person counts, so one that is added again moves to the end.
    others = tuple(each for each in approvals.added if each != approval)
    return replace(state, approvals=replace(approvals, added=(*others, approval)))


def end_approved_attempt(state: RunState, entry: Entry) -> RunState:
    """Return *state* after the first record of a rollback: another attempt needs new approvals."""
    rollbacks = {**state.approvals.rollbacks, state.fingerprint: entry.place}
    return replace(state, approvals=replace(state.approvals, rollbacks=rollbacks))
