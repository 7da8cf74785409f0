"""Outage: how records about traffic change the state of a run."""

from __future__ import annotations

from bisect import bisect_left
from datetime import timedelta
from itertools import islice
from typing import Final

from msgspec.structs import replace

from vpnmigrate.journal.crypto_record import CryptoSeen
from vpnmigrate.journal.records import (
    Degraded,
    OutageBegan,
    OutageEnded,
    ResidueLeft,
    TrafficVerified,
)
from vpnmigrate.journal.state import RunState, Traffic
from vpnmigrate.journal.state_parts import OutageState, Residue
from vpnmigrate.model.changes import DetachVpnGateway, DisablePropagation
from vpnmigrate.model.plan import Direction

INTERRUPTING: Final = (7, 8)
"""Steps whose first change starts the outage; where nothing propagates, step 7 has none."""


def cancel_outage(state: RunState) -> RunState:
    """Return *state* without the open outage if AWS refused every call that could begin it."""
    since = state.outage.since
    if since is None or not state.outage.open:
        return state
    if state.outage.proven:
        return state  # Only restored traffic ends it, whatever was sent since.
    places = state.interrupting
    first = bisect_left(places, since, key=lambda place: state.intents[place].at)
    if first == len(places) and state.outage.earlier:
        return state  # A process whose journal is lost began it.
    begins = DisablePropagation | DetachVpnGateway
    sent = (state.intents[place] for place in islice(places, first, None))
    if not all(intent.cancelled and isinstance(intent.change, begins) for intent in sent):
        return state
    # Without a baseline the outage may have begun before this journal.
    traffic = leaving(state) if state.journal_facts.baseline else Traffic.UNKNOWN
    return replace(state, outage=OutageState(), traffic=traffic)


def traffic(
    state: RunState, about: OutageBegan | OutageEnded | TrafficVerified, ahead: timedelta
) -> RunState:
    """Return *state* after a record about traffic; *ahead* is that of its entry."""
    joining = Traffic.OLD if state.direction is Direction.ROLLBACK else Traffic.NEW
    match about:
        case OutageBegan(since, earlier):
            if state.outage.open:
                return state
            outage = OutageState(
                since, since + ahead, earlier=earlier, proven=bool(state.residue.unreached)
            )
            state = replace(state, traffic=Traffic.NONE, outage=outage)
            return with_facts(state, verified=None)
        case OutageEnded(at, lasted):
            outage = state.outage
            if outage.since is None:
                outage = OutageState(at - lasted, at - lasted + ahead)
            outage = replace(outage, lasted=lasted)
            state = replace(state, traffic=joining, outage=outage)
            # Where residue was left, other traffic was verified before.
            verified = max(at, state.journal_facts.verified or at)
            stable = replace(state, stable_since=max(verified, state.stable_since or verified))
            return with_facts(stable, verified=verified)
        case TrafficVerified(since):
            # If an outage is open, an OutageEnded record with the same content follows, except
            # while some destinations have no path because of residue.
            outage = replace(state.outage, proven=state.outage.open)
            state = replace(state, traffic=joining, outage=outage)
            return with_facts(replace(state, stable_since=since), verified=since)


def with_tunnels(state: RunState, found: Degraded | CryptoSeen) -> RunState:
    """Return *state* after a record about tunnels that carry traffic."""
    match found:
        case Degraded(what):
            return replace(state, shortages=replace(state.shortages, degraded=what))
        case CryptoSeen():
            return replace(state, crypto=found)


def residue_left(state: RunState, left: ResidueLeft) -> RunState:
    """Return *state* after a record of residue: a destination without a path proves an outage."""
    proven = state.outage.proven or (state.outage.open and bool(left.unreached))
    return replace(
        state,
        residue=Residue(left.changes, left.unreached),
        outage=replace(state.outage, proven=proven),
    )


def leaving(state: RunState) -> Traffic:
    """Return the path that a cutover in this direction removes."""
    return Traffic.NEW if state.direction is Direction.ROLLBACK else Traffic.OLD


def with_facts(state: RunState, **news: object) -> RunState:
    """Return *state* with *news* in its journal facts."""
    return replace(state, journal_facts=replace(state.journal_facts, **news))
