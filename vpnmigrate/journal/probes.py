"""Probes: how records about them change the state of a run."""

from __future__ import annotations

from msgspec.structs import replace

from vpnmigrate.journal.records import DirectionTaken, Probed
from vpnmigrate.journal.state import RunState
from vpnmigrate.model.plan import Direction
from vpnmigrate.model.probes import ProbeEvent, ProbeStats


def reset_probe_counts(state: RunState, taken: DirectionTaken) -> RunState:
    """Return *state* with new probe counts for the direction *taken*.

    A rollback that only cleans up sends no probes, nor does finalize: the counts stay.
    """
    if taken.direction is Direction.FINALIZE or not (state.cutover_open or state.outage.open):
        return state
    probes = state.probes
    if taken.direction is Direction.ROLLBACK and state.direction is not Direction.ROLLBACK:
        probes = replace(probes, forward=probes.latest)
    latest = {probe: ProbeStats(probe) for probe in probes.latest}
    return replace(state, probes=replace(probes, latest=latest))


def probes_after(state: RunState, probed: Probed) -> RunState:
    """Return *state* with probe results; just before step 7 also with the required probes."""
    latest = {**state.probes.latest, **{stats.probe: stats for stats in probed.stats}}
    if probed.moment is not ProbeEvent.BEFORE:
        return replace(state, probes=replace(state.probes, latest=latest))
    worked = frozenset(stats.probe for stats in probed.stats if stats.ever_worked)
    # Probes before step 7 only show what works, and are not counted.
    uncounted = {name: ProbeStats(name, works=t.works, since=t.since) for name, t in latest.items()}
    return replace(state, probes=replace(state.probes, latest=uncounted, proven=worked))
