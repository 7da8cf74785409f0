"""Directions of a run as tables: what each step changed, compared with the plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from vpnmigrate.journal.directions import DirectionAdherence, PlanAdherence
from vpnmigrate.journal.records import Entry, GatesSeen
from vpnmigrate.model.clock import moment, span
from vpnmigrate.model.plan import Direction, Phase, Plan, PlannedStep
from vpnmigrate.report import gates
from vpnmigrate.report.document import DocumentTable, Section
from vpnmigrate.report.progress import DIRECTION_NAMES

CHANGE_WORDS: Final[Mapping[str, str]] = {
    "AddStaticPrefix": "add a static prefix",
    "ArchiveConfiguration": "archive a configuration",
    "AskOperator": "task at the devices",
    "AssociateEdge": "associate the edge table",
    "AttachVpnGateway": "attach a gateway",
    "CreateRoute": "create a route",
    "CreateTestSubnet": "create the test subnet",
    "CreateTestVpc": "create the test VPC",
    "CreateVpnConnection": "create a connection",
    "CreateVpnGateway": "create the new gateway",
    "DeleteTestSubnet": "delete the test subnet",
    "DeleteTestVpc": "delete the test VPC",
    "DeleteVpnConnection": "delete a connection",
    "DeleteVpnGateway": "delete a gateway",
    "DetachVpnGateway": "detach a gateway",
    "DisablePropagation": "disable propagation",
    "DisassociateEdge": "disassociate the edge table",
    "EnablePropagation": "enable propagation",
    "PlaceClaim": "set the claim tag",
    "RemoveClaim": "remove the claim tag",
    "ReplaceRoute": "change a route",
    "RunTest": "run the test",
}
"""The kinds of changes in words, by the name of the class."""

_HEAD = ("step", "started", "took", "changes made", "against the plan")

_StepTitles = Mapping[tuple[int, bool], str]


def direction_section(
    plan: Plan, period: DirectionAdherence, gates_seen: Sequence[Entry]
) -> Section:
    """Return one direction of one attempt: its result, its gates and a row for each step.

    *gates_seen* are the entries of the journal with evaluations of gates.
    """
    titles = {(step.number, step.phase is Phase.CLEAN_UP): step.title for step in _planned(plan)}
    ending = "completed" if period.finished else "not completed"
    length = span(period.ended - period.began)
    return Section(
        title_of(period),
        (
            f"started {moment(period.began)}, {ending}, took {length}",
            *_gates(period, gates_seen),
        ),
        DocumentTable(_HEAD, tuple(_row(step, period, titles) for step in period.steps)),
    )


def title_of(period: DirectionAdherence) -> str:
    """Return which attempt it is, and its direction."""
    return f"Attempt {period.attempt}, {DIRECTION_NAMES[period.direction]}"


def direction_json(period: DirectionAdherence) -> dict[str, Any]:
    """Return the same as JSON values; kinds of changes have the names of their classes."""
    return {
        "direction": period.direction.value,
        "attempt": period.attempt,
        "began": period.began.isoformat(),
        "ended": period.ended.isoformat(),
        "finished": period.finished,
        "steps": [
            {
                "step": step.number,
                "clean_up": step.cleaning,
                "planned": dict(step.planned),
                "made": dict(step.made),
                "began": step.began and step.began.isoformat(),
                "settled": step.settled and step.settled.isoformat(),
                "as_planned": step.to_plan,
            }
            for step in period.steps
        ],
    }


def _planned(plan: Plan) -> Iterable[PlannedStep]:
    return (*plan.forward, *plan.back, *plan.finalize)


def _gates(period: DirectionAdherence, gates_seen: Sequence[Entry]) -> Iterator[str]:
    for entry in gates_seen:
        if isinstance(entry.record, GatesSeen) and period.began <= entry.wall <= period.ended:
            yield f"{gates.title(entry.record)}, evaluated {moment(entry.wall)}"


def _row(step: PlanAdherence, period: DirectionAdherence, titles: _StepTitles) -> tuple[str, ...]:
    title = titles.get((step.number, step.cleaning), "")
    name = f"{step.number} {title}{' (clean-up)' if step.cleaning else ''}".rstrip()
    if step.began is None:
        return name, "", "", _kinds(step.made), _against_plan(step, period)
    took = span(step.settled - step.began) if step.settled else "not done"
    return name, moment(step.began), took, _kinds(step.made), _against_plan(step, period)


def _against_plan(step: PlanAdherence, period: DirectionAdherence) -> str:
    if step.began is None and not step.made and (step.planned or not period.finished):
        return "not reached"
    lines = list(_missing(step, period))
    if step.added:
        lines.append(f"not planned: {_kinds(step.added)}")
    return "; ".join(lines) or "as planned"


def _missing(step: PlanAdherence, period: DirectionAdherence) -> Iterator[str]:
    """Yield what was not made: refused, not done yet, or not needed because the goal held."""
    refused = step.missing & step.left_out
    rest = step.missing - refused
    if refused:
        yield f"NOT DONE: {_kinds(refused)}"
    if not rest:
        return
    if step.settled is None:
        yield f"not made: {_kinds(rest)}"
    elif period.direction is Direction.ROLLBACK and not step.made:
        yield "nothing to undo"
    else:
        yield f"not needed: {_kinds(rest)}"


def _kinds(kinds: Counter[str]) -> str:
    each = (
        f"{CHANGE_WORDS.get(kind, kind)}{f' ({number})' if number > 1 else ''}"
        for kind, number in sorted(kinds.items())
    )
    return ", ".join(each) or "none"
