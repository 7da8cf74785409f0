"""What the journal knows of probes."""

from __future__ import annotations

from msgspec.structs import replace

from vpnmigrate.model.plan import Direction
from vpnmigrate.model.probes import Moment, Tally
from vpnmigrate.records import DirectionTaken, Probed
from vpnmigrate.replay.state import RunState


def counted_anew(state: RunState, taken: DirectionTaken) -> RunState:
    """Let each way have its own counts; *taken* is another one than before, or the same anew.

    A way back that only clears away sends nothing, and nor does finalize: what was counted stays.
    """
    if taken.direction is Direction.RETIRE or not (state.cutover_open or state.outage_open):
        return state
    if taken.direction is Direction.BACK and state.direction is not Direction.BACK:
        state = replace(state, probes_forward=state.probes)
    return replace(state, probes={probe: Tally(probe) for probe in state.probes})


def probes_after(state: RunState, probed: Probed) -> RunState:
    """Take in how probes did; just before step 7 also which of them have to work again."""
    probes = {**state.probes, **{tally.probe: tally for tally in probed.tallies}}
    if probed.moment is not Moment.BEFORE:
        return replace(state, probes=probes)
    worked = frozenset(tally.probe for tally in probed.tallies if tally.ever_worked)
    # What was sent before step 7 only showed what works.
    uncounted = {name: Tally(name, works=t.works, since=t.since) for name, t in probes.items()}
    return replace(state, probes=uncounted, proven_probes=worked)
