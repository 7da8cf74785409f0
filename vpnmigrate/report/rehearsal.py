"""What a rehearsal found, for a reader: every change, the outage, the way back from each step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vpnmigrate.commands import Command
from vpnmigrate.model.clock import span
from vpnmigrate.rehearsal.rehearse import Passage, Rehearsal
from vpnmigrate.report import proof
from vpnmigrate.report.words import command, heading, item, wrapped

SCHEMA = "vpnmigrate/rehearsal/1"


def text(
    rehearsal: Rehearsal,
    *,
    file: str,
    kept: str,
    on: Command | None,
    more: Sequence[str] = (),
) -> str:
    """Give the whole rehearsal of the plan in *file*; its result is *kept* in another.

    *more* is what else was tried, and *on* the command that may follow; None where none may.
    """
    forward = rehearsal.forward
    parts = [
        wrapped(
            f"Rehearsed {file} on a sandbox of its own survey with the program's own runner. "
            "Times are the sandbox's; AWS's own vary."
        ),
        heading("Forward") + "\n".join(_changes(forward)),
        f"  outage {span(forward.outage)}; {span(forward.took)} in all",
        heading("Routes, before and after") + "\n".join(_routes(forward)),
        heading("Back, from the end of each step") + "\n".join(_table(rehearsal)),
        heading("Proof of return") + proof.text(rehearsal.proof),
        *_faults(rehearsal),
        *more,
        wrapped(f"The result is kept for this plan's gates and deadlines, in {kept}"),
        heading("Next") + command(on, first="  ") if on else "",
    ]
    return "\n\n".join(part for part in parts if part)


def as_json(rehearsal: Rehearsal, *, file: str, kept: str, on: Command | None) -> dict[str, Any]:
    """Give the rehearsal as a JSON document."""
    return {
        "schema": SCHEMA,
        "file": file,
        "kept": kept,
        "good": rehearsal.good,
        "forward": _passage(rehearsal.forward),
        "back": [_passage(passage) for passage in rehearsal.back],
        "proof": proof.as_json(rehearsal.proof),
        "next": str(on or ""),
    }


def _changes(passage: Passage) -> list[str]:
    lines: list[str] = []
    step = 0
    for made in passage.changes:
        if made.step != step:
            step = made.step
            lines.append(f"  step {step}")
        lines.append(item(made.what, indent=4))
    return lines


def _routes(passage: Passage) -> list[str]:
    """Give where each destination leads; a gateway and its successor are the same hop."""
    lines: list[str] = []
    table = ""
    for row in sorted(passage.routes, key=lambda row: row.table):
        if row.table != table:
            table = row.table
            lines.append(f"  {table}")
        mark = "" if row.same else "   NOT COMPARED" if row.unread else "   DIFFERS"
        lines.append(
            item(f"{row.destination}: {row.before.hop} -> {row.after.hop}{mark}", indent=4)
        )
    return lines or [item("no table has a route", indent=2)]


def _table(rehearsal: Rehearsal) -> list[str]:
    lines = [f"  {'after step':<12}{'changes':>8}{'traffic back in':>18}{'outage':>14}   end state"]
    lines += [
        f"  {passage.boundary:<12}{len(passage.changes):>8}"
        f"{span(passage.restored) if passage.restored else 'not interrupted':>18}"
        f"{span(passage.outage):>14}   {_end(passage)}"
        for passage in rehearsal.back
    ]
    return lines


def _end(passage: Passage) -> str:
    if passage.failure:
        return "FAILED"
    return "DIFFERS" if not passage.good else "as before"


def _faults(rehearsal: Rehearsal) -> list[str]:
    faults = []
    for passage in (rehearsal.forward, *rehearsal.back):
        title = "forward" if passage.boundary == 0 else f"back from step {passage.boundary}"
        lines = [passage.failure] if passage.failure else []
        lines += passage.differences
        lines += map(str, passage.rerouted)
        if lines:
            faults.append("\n".join([wrapped(f"PROBLEM, {title}:"), *map(item, lines)]))
    return faults


def _passage(passage: Passage) -> dict[str, Any]:
    return {
        "boundary": passage.boundary,
        "changes": [{"step": made.step, "what": made.what} for made in passage.changes],
        "outage": round(passage.outage.total_seconds(), 3),
        "took": round(passage.took.total_seconds(), 3),
        "cutover": round(passage.cutover.total_seconds(), 3),
        "restored": round(passage.restored.total_seconds(), 3),
        "failure": passage.failure,
        "differences": list(passage.differences),
        "routes": [
            {
                "table": row.table,
                "destination": list(row.parts),
                "before": row.before.hop,
                "after": row.after.hop,
                "same": row.same,
            }
            for row in passage.routes
        ],
    }
