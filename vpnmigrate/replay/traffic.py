"""Which path traffic takes, and since when it has been down, as a journal tells it."""

from __future__ import annotations

from msgspec.structs import replace

from vpnmigrate.model.changes import DetachVpnGateway, DisablePropagation
from vpnmigrate.model.plan import Direction
from vpnmigrate.records import OutageBegan, OutageEnded, TrafficVerified
from vpnmigrate.replay.state import RunState, Traffic

INTERRUPTING = (7, 8)


def calmed(state: RunState) -> RunState:
    """Take back an outage if AWS refused whatever was to begin it."""
    since = state.outage_since
    if since is None or not state.outage_open:
        return state
    sent = [i for i in state.intents if i.at >= since and i.step in INTERRUPTING]
    begins = DisablePropagation | DetachVpnGateway
    if not all(i.cancelled and isinstance(i.change, begins) for i in sent):
        return state
    # Without a baseline others may have begun the outage before this journal.
    traffic = leaving(state) if state.told.baseline else Traffic.UNKNOWN
    return replace(state, outage_since=None, traffic=traffic)


def traffic(state: RunState, about: OutageBegan | OutageEnded | TrafficVerified) -> RunState:
    """Take in what a record says of traffic."""
    joining = Traffic.OLD if state.direction is Direction.BACK else Traffic.NEW
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
            )
            return informed(state, verified=None)
        case OutageEnded(at, lasted):
            if state.outage_since is None:
                state = replace(state, outage_since=at - lasted)
            state = replace(state, traffic=joining, outage_lasted=lasted)
            return informed(state, verified=state.told.verified or at)
        case TrafficVerified(since):
            # With an outage open its end is written beside this, and says the same.
            return informed(replace(state, traffic=joining), verified=since)


def leaving(state: RunState) -> Traffic:
    """Give the path that the cutover of this direction takes traffic off."""
    return Traffic.NEW if state.direction is Direction.BACK else Traffic.OLD


def informed(state: RunState, **news: object) -> RunState:
    """Add *news* to what the journal has been told."""
    return replace(state, told=replace(state.told, **news))
