"""Replay of approvals: which were added, and which attempt they are for."""

from __future__ import annotations

from msgspec.structs import replace

from vpnmigrate.journal.records import Approved, Entry
from vpnmigrate.journal.state import RunState


def with_approval(state: RunState, added: Approved) -> RunState:
    """Return *state* with an approval; one that is added again, with a signature, is kept once."""
    approval, signed = added.approval, added.signed
    if signed is not None:
        signed_approvals = {**state.signed_approvals, approval.digest: signed}
        state = replace(state, signed_approvals=signed_approvals)
    # The last one added by a person counts, so one that is added again moves to the end.
    others = tuple(each for each in state.approvals if each != approval)
    return replace(state, approvals=(*others, approval))


def end_approved_attempt(state: RunState, entry: Entry) -> RunState:
    """Return *state* after the first record of a rollback: another attempt needs new approvals."""
    return replace(state, rollbacks={**state.rollbacks, state.fingerprint: entry.place})
