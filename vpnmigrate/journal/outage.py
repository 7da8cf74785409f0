"""Outage: how records about traffic change the state of a run."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from vpnmigrate.journal.records import OutageBegan, OutageEnded, ResidueLeft, TrafficVerified
from vpnmigrate.journal.state import RunState, Traffic
from vpnmigrate.model.changes import DetachVpnGateway, DisablePropagation
from vpnmigrate.model.plan import Direction

INTERRUPTING: Final = (7, 8)
"""Steps whose first change starts the outage; where nothing propagates, step 7 has none."""


def cancel_outage(state: RunState) -> RunState:
    """Return *state* without the open outage if AWS refused every call that could begin it."""
    since = state.outage_since
    if since is None or not state.outage_open:
        return state
    if state.outage_proven:
        return state  # Only restored traffic ends it, whatever was sent since.
    sent = [i for i in state.intents if i.at >= since and i.step in INTERRUPTING]
    if not sent and state.outage_earlier:
        return state  # A process whose journal is lost began it.
    begins = DisablePropagation | DetachVpnGateway
    if not all(i.cancelled and isinstance(i.change, begins) for i in sent):
        return state
    # Without a baseline the outage may have begun before this journal.
    traffic = leaving(state) if state.journal_facts.baseline else Traffic.UNKNOWN
    return replace(state, outage_since=None, traffic=traffic)


def traffic(state: RunState, about: OutageBegan | OutageEnded | TrafficVerified) -> RunState:
    """Return *state* after a record about traffic."""
    joining = Traffic.OLD if state.direction is Direction.ROLLBACK else Traffic.NEW
    match about:
        case OutageBegan(since, earlier):
            if state.outage_open:
                return state
            state = replace(
                state,
                traffic=Traffic.NONE,
                outage_since=since,
                outage_earlier=earlier,
                outage_lasted=None,
                outage_proven=bool(state.unreached),
            )
            return with_facts(state, verified=None)
        case OutageEnded(at, lasted):
            if state.outage_since is None:
                state = replace(state, outage_since=at - lasted)
            state = replace(state, traffic=joining, outage_lasted=lasted)
            # Where residue was left, other traffic was verified before.
            verified = max(at, state.journal_facts.verified or at)
            return with_facts(state, verified=verified)
        case TrafficVerified(since):
            # If an outage is open, an OutageEnded record with the same content follows, except
            # while some destinations have no path because of residue.
            state = replace(state, traffic=joining, outage_proven=state.outage_open)
            return with_facts(state, verified=since)


def residue_left(state: RunState, left: ResidueLeft) -> RunState:
    """Return *state* after a record of residue: a destination without a path proves an outage."""
    proven = state.outage_proven or (state.outage_open and bool(left.unreached))
    return replace(state, residue=left.changes, unreached=left.unreached, outage_proven=proven)


def leaving(state: RunState) -> Traffic:
    """Return the path that a cutover in this direction removes."""
    return Traffic.NEW if state.direction is Direction.ROLLBACK else Traffic.OLD


def with_facts(state: RunState, **news: object) -> RunState:
    """Return *state* with *news* in its journal facts."""
    return replace(state, journal_facts=replace(state.journal_facts, **news))
