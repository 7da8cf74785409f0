"""Plan comparison as text and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec

from vpnmigrate.model.clock import moment, span
from vpnmigrate.model.plan import Plan
from vpnmigrate.planning.plan_comparison import DecisionDifference, PlanComparison
from vpnmigrate.report.findings import findings_json, ordered_findings
from vpnmigrate.report.names import Names, names_of
from vpnmigrate.report.planned_changes import change_text
from vpnmigrate.report.text import columns, heading, item, wrapped

SCHEMA = "vpnmigrate/plan-comparison/1"

_PARTS = {"forward": "apply", "back": "rollback", "finalize": "finalize"}


def text(found: PlanComparison, first: tuple[str, Plan], second: tuple[str, Plan]) -> str:
    """Return how the second plan differs from the first; each is given with its file."""
    names = columns([(sign, _name(*named)) for sign, named in (("-", first), ("+", second))])
    if found.same:
        same = "Both do the same to the same configuration; only their dates or authors differ."
        if first[1].fingerprint == second[1].fingerprint:
            same = "They are the same plan."
        return f"{wrapped('Plans compared')}\n{names}\n\n{same}"
    known = Names({**names_of(first[1]).by_id, **names_of(second[1]).by_id})
    sections = [
        ("Subject", [line for each in found.about for line in _values(each, known)]),
        ("Decisions", [line for each in found.decisions for line in _values(each, known)]),
        ("Surveyed configuration", [item(known.text(line)) for line in found.configuration]),
        ("Findings", list(_findings(found, known))),
        ("Changes", list(_steps(found, known))),
    ]
    parts = [f"{heading(title)}{chr(10).join(lines)}" for title, lines in sections if lines]
    return "\n\n".join([f"{wrapped('Plans compared')}\n{names}", *parts])


def as_json(
    found: PlanComparison, first: tuple[str, Plan], second: tuple[str, Plan]
) -> dict[str, Any]:
    """Return the comparison as a JSON document."""
    document: dict[str, Any] = msgspec.to_builtins(found)
    return {
        "schema": SCHEMA,
        "plans": [
            {"file": file, "migration": plan.migration, "fingerprint": plan.fingerprint}
            for file, plan in (first, second)
        ],
        "same": found.same,
        **document,
        "findings_gone": findings_json(found.findings_gone),
        "findings_new": findings_json(found.findings_new),
    }


def _name(file: str, plan: Plan) -> str:
    return f"{file} ({plan.migration}, {plan.fingerprint[:12]})"


def _values(each: DecisionDifference, names: Names) -> list[str]:
    return [
        f"  {each.field}",
        wrapped(names.text(_shown(each.before)), first="    - ", rest="      "),
        wrapped(names.text(_shown(each.now)), first="    + ", rest="      "),
    ]


def _shown(value: Any) -> str:
    match value:
        case None:
            return "not set"
        case str():
            return value
        case datetime():
            return moment(value)
        case timedelta():
            return span(value)
        case _:
            return json.dumps(value)


def _findings(found: PlanComparison, names: Names) -> Iterator[str]:
    for sign, findings in (("-", found.findings_gone), ("+", found.findings_new)):
        for each in ordered_findings(findings):
            yield wrapped(names.text(str(each)), first=f"    {sign} ", rest="      ")


def _steps(found: PlanComparison, names: Names) -> Iterator[str]:
    for step in found.steps:
        yield f"  {_PARTS[step.part]}, step {step.number}: {step.title}"
        for sign, changes in (("-", step.removed), ("+", step.added)):
            for change in changes:
                yield wrapped(change_text(change, names), first=f"    {sign} ", rest="      ")
