"""Replay of approvals: which were added, and which attempt they are for."""

from __future__ import annotations

from msgspec.structs import replace

from vpnmigrate.journal.records import Approved, Entry
from vpnmigrate.journal.state import RunState


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
