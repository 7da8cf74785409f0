"""Rehearsal report: changes, outage, rollback proof and results with faults."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vpnmigrate.commands import Command
from vpnmigrate.model.clock import span
from vpnmigrate.rehearsal.rehearse import Rehearsal, RehearsalRun
from vpnmigrate.rehearsal.with_faults import DurationSpread, FaultedRehearsal, FaultedTrial
from vpnmigrate.report.progress import Narrator
from vpnmigrate.report.rollback_proof import proof_json, proof_text
from vpnmigrate.report.text import columns, command, count, heading, item, safe, wrapped

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
        heading("Proof of return") + proof_text(rehearsal.proof),
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
        "proof": proof_json(rehearsal.proof),
        "next": str(on or ""),
    }


def _changes(passage: RehearsalRun) -> list[str]:
    lines: list[str] = []
    step = 0
    for made in passage.changes:
        if made.step != step:
            step = made.step
            lines.append(f"  step {step}")
        lines.append(item(made.what, indent=4))
    return lines


def _routes(passage: RehearsalRun) -> list[str]:
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


def _end(passage: RehearsalRun) -> str:
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


def _passage(passage: RehearsalRun) -> dict[str, Any]:
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


TELLING = 20
"""With fewer runs, a part of them is no figure."""

TRIALS_SHOWN = 5
"""Unsafe runs that are spelled out; each can be seen again by its seed."""


def faults_text(hardship: FaultedRehearsal) -> str:
    """Give it for a change board: figures first, then the worst run, then what went wrong."""
    parts = [_summary(hardship), *_unsafe(hardship)]
    if hardship.worst is not None:
        parts.append(heading("The worst run") + _worst(hardship, hardship.worst))
    return "\n\n".join(parts)


def faults_json(hardship: FaultedRehearsal) -> dict[str, Any]:
    """Give it as a part of a JSON document."""
    worst = hardship.worst
    return {
        "trials": len(hardship.trials),
        "seed": hardship.seed,
        "kills": sum(trial.deaths for trial in hardship.trials),
        "calls_astray": sum(trial.strikes for trial in hardship.trials),
        "outage": _spread(hardship.outage),
        "restored": _spread(hardship.restored),
        "worst": None if worst is None else _trial(worst),
        "unsafe": [_trial(trial) for trial in hardship.unsafe],
    }


def _summary(hardship: FaultedRehearsal) -> str:
    trials = hardship.trials
    said = wrapped(
        f"{count(len(trials), 'run')} of this plan on its own survey, from seed {hardship.seed} "
        "on, with its window and approvals left out: "
        f"{sum(t.deaths for t in trials)} times a process was killed, "
        f"{sum(t.strikes for t in trials)} calls went astray. "
        + (
            f"{len(hardship.unsafe)} DID NOT END SAFELY."
            if hardship.unsafe
            else "Every one ended safely."
        ),
        first="  ",
    )
    figures = [("outage", hardship.outage), ("traffic back after turning", hardship.restored)]
    rows = columns([(name, _spread_text(spread)) for name, spread in figures])
    return f"{heading('Under hardship')}{said}\n\n{rows}"


def _spread_text(spread: DurationSpread) -> str:
    if not spread.trials:
        return "no run had any"
    ends = f"{span(spread.least)} to {span(spread.most)}"
    if spread.trials < TELLING:
        return f"{ends} ({count(spread.trials, 'run')})"
    return (
        f"{ends}, half below {span(spread.median)}, "
        f"19 of 20 below {span(spread.most_often_below)} ({count(spread.trials, 'run')})"
    )


def _unsafe(hardship: FaultedRehearsal) -> list[str]:
    lines = [
        item(f"seed {trial.seed}: {trial.schedule}: {safe('; '.join(trial.wrong))}")
        for trial in hardship.unsafe[:TRIALS_SHOWN]
    ]
    if len(hardship.unsafe) > TRIALS_SHOWN:
        lines.append(item(f"and {len(hardship.unsafe) - TRIALS_SHOWN} more"))
    return [heading("NOT SAFE") + "\n".join(lines)] if lines else []


def _worst(hardship: FaultedRehearsal, worst: FaultedTrial) -> str:
    narrator = Narrator()
    said = wrapped(
        f"Seed {worst.seed}, {worst.schedule}, {count(worst.strikes, 'call')} astray: "
        f"traffic was down for {span(worst.outage)}.",
        first="  ",
    )
    told = (line for entry in hardship.story for line in narrator.lines(entry))
    return "\n".join([said, *(wrapped(str(line), first="  ", rest="      ") for line in told)])


def _spread(spread: DurationSpread) -> dict[str, float]:
    return {
        "runs": spread.trials,
        "least": round(spread.least.total_seconds(), 3),
        "median": round(spread.median.total_seconds(), 3),
        "most_often_below": round(spread.most_often_below.total_seconds(), 3),
        "most": round(spread.most.total_seconds(), 3),
    }


def _trial(trial: FaultedTrial) -> dict[str, Any]:
    restored = trial.restored
    return {
        "seed": trial.seed,
        "schedule": str(trial.schedule),
        "kills": trial.deaths,
        "calls_astray": trial.strikes,
        "outage": round(trial.outage.total_seconds(), 3),
        "restored": None if restored is None else round(restored.total_seconds(), 3),
        "wrong": list(trial.wrong),
    }
