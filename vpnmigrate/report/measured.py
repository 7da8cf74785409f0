"""How long traffic was down, for a report: as EC2 showed it, as probes felt it, as planned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from vpnmigrate.journal import RunState
from vpnmigrate.journal.history import Down, outages_of
from vpnmigrate.journal.records import Entry
from vpnmigrate.model.approval import Rehearsed
from vpnmigrate.model.clock import moment, span
from vpnmigrate.model.plan import Direction
from vpnmigrate.report.document import Section
from vpnmigrate.report.progress import probes_told


def section(entries: Sequence[Entry], state: RunState, rehearsed: Rehearsed | None) -> Section:
    """Give the part of the report about outages."""
    outages = outages_of(entries)
    return Section(
        "Outage", (*_outages(outages), *_planned(outages, rehearsed), *_probes(state, outages))
    )


def as_json(
    entries: Sequence[Entry], state: RunState, rehearsed: Rehearsed | None
) -> dict[str, Any]:
    """Give the same as JSON values."""
    return {
        "outages": [_outage_json(down) for down in outages_of(entries)],
        "rehearsed": rehearsed
        and {
            "at": rehearsed.at.isoformat(),
            "cutover": round(rehearsed.cutover.total_seconds(), 3),
            "rollback": round(rehearsed.rollback.total_seconds(), 3),
        },
        "probes": [msgspec.to_builtins(tally) for tally in state.probes.values()],
        "probes_forward": [msgspec.to_builtins(tally) for tally in state.probes_forward.values()],
    }


def _outages(outages: Sequence[Down]) -> Iterator[str]:
    if not outages:
        yield "none: no call that interrupts traffic was sent"
    for down in outages:
        least = "at least " if down.earlier or not down.over else ""
        ending = "" if down.over else "; it was not over when the journal ends"
        yield (
            f"{least}{span(down.lasted)} from {moment(down.since)}, on the way "
            f"{down.direction.value}: from before the first interrupting call until tunnels and "
            f"routes were seen to carry traffic{ending}"
        )
    if len(outages) > 1:
        yield f"{span(sum((d.lasted for d in outages), start=timedelta()))} in all"


def _planned(outages: Sequence[Down], rehearsed: Rehearsed | None) -> Iterator[str]:
    if rehearsed is None:
        yield "planned: this plan was not rehearsed here, so there is no time to compare with"
        return
    times = {Direction.FORWARD: rehearsed.cutover, Direction.BACK: rehearsed.rollback}
    yield (
        f"planned, by the rehearsal of {moment(rehearsed.at)}, in the model's time: cutover "
        f"{span(rehearsed.cutover)}, way back at most {span(rehearsed.rollback)}"
    )
    for down in outages:
        planned = times.get(down.direction)
        if planned is not None and down.over:
            more = down.lasted - planned
            told = f"{span(abs(more))} {'longer' if more > timedelta(0) else 'shorter'}"
            yield f"the outage of {moment(down.since)} was {told} than that"


def _probes(state: RunState, outages: Sequence[Down]) -> Iterator[str]:
    for told in probes_told(state):
        yield f"probe {told}"
    if outages and not state.probes:
        yield "nothing was probed, so what packets felt is not known: apply --probe does it"


def _outage_json(down: Down) -> dict[str, Any]:
    return {
        "since": down.since.isoformat(),
        "direction": down.direction.value,
        "lasted": round(down.lasted.total_seconds(), 3),
        "over": down.over,
        "earlier": down.earlier,
    }
