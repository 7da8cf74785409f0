"""Rehearsal report: changes, outage, rollback proof and results with faults."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vpnmigrate.model.clock import span
from vpnmigrate.model.errors.commands import Advice, Command
from vpnmigrate.rehearsal.rehearse import Rehearsal, RehearsalRun
from vpnmigrate.rehearsal.with_faults import DurationSpread, FaultedRehearsal, FaultedTrial
from vpnmigrate.report.names import Names
from vpnmigrate.report.progress import Narrator
from vpnmigrate.report.rollback_proof import proof_json, proof_text
from vpnmigrate.report.text import advised, columns, count, heading, item, safe, wrapped

SCHEMA = "vpnmigrate/rehearsal/1"


def text(
    rehearsal: Rehearsal,
    names: Names,
    *,
    file: str,
    kept: str,
    on: Advice,
    more: Sequence[str] = (),
) -> str:
    """Return the whole rehearsal of the plan in *file*; its result is saved in the file *kept*.

    *names* has those of the resources, *more* has further sections, and *on* has the next commands;
    it is empty if there are none.
    """
    forward = rehearsal.forward
    parts = [
        wrapped(
            f"Rehearsed {file} in a sandbox built from its own survey, with the program's own "
            "runner. Times are sandbox times; AWS's times vary."
        ),
        _device_work(rehearsal, names),
        heading("Forward") + "\n".join(_changes(forward, names)),
        f"  outage {span(forward.outage)}; total {span(forward.took)}",
        heading("Routes, before and after") + "\n".join(_routes(forward, names)),
        heading("Rollback from the end of each step") + "\n".join(_table(rehearsal)),
        heading("Rollback proof") + proof_text(rehearsal.proof, names),
        *_faults(rehearsal, names),
        *more,
        wrapped(f"The result is saved for this plan's gates and deadlines in {kept}"),
        heading("Next") + advised(on, first="  ") if on else "",
    ]
    return "\n\n".join(part for part in parts if part)


def as_json(rehearsal: Rehearsal, *, file: str, kept: str, on: Command | None) -> dict[str, Any]:
    """Return the rehearsal as a JSON document."""
    return {
        "schema": SCHEMA,
        "file": file,
        "kept": kept,
        "good": rehearsal.good,
        "forward": _run_json(rehearsal.forward),
        "back": [_run_json(rehearsal_run) for rehearsal_run in rehearsal.back],
        "proof": proof_json(rehearsal.proof),
        "drivers": list(rehearsal.driven),
        "next": str(on or ""),
    }


def _device_work(rehearsal: Rehearsal, names: Names) -> str:
    """Return which devices simulated drivers have served; empty if engineers served all."""
    if not rehearsal.driven:
        return ""
    served = ", ".join(map(names.named, rehearsal.driven))
    others = ", ".join(map(names.named, rehearsal.by_hand))
    engineers = f", and simulated engineers at those of {others}" if others else ""
    return wrapped(
        f"Simulated drivers did the work at the devices of {served}{engineers}; no device was "
        "reached."
    )


def _changes(rehearsal_run: RehearsalRun, names: Names) -> list[str]:
    lines: list[str] = []
    step = 0
    for made in rehearsal_run.changes:
        if made.step != step:
            step = made.step
            lines.append(f"  step {step}")
        lines.append(item(names.text(made.what), indent=4))
    return lines


def _routes(rehearsal_run: RehearsalRun, names: Names) -> list[str]:
    """Return the next hop of each destination; a gateway and its successor count as the same."""
    lines: list[str] = []
    table = ""
    for row in sorted(rehearsal_run.routes, key=lambda row: row.table):
        if row.table != table:
            table = row.table
            lines.append(f"  {names.named(table)}")
        mark = "" if row.same else "   NOT COMPARED" if row.unread else "   DIFFERS"
        lines.append(
            item(f"{row.destination}: {row.before.hop} -> {row.after.hop}{mark}", indent=4)
        )
    return lines or [item("no table has a route", indent=2)]


def _table(rehearsal: Rehearsal) -> list[str]:
    lines = [f"  {'after step':<12}{'changes':>8}{'restored in':>18}{'outage':>14}   end state"]
    lines += [
        f"  {rehearsal_run.boundary:<12}{len(rehearsal_run.changes):>8}"
        f"{span(rehearsal_run.restored) if rehearsal_run.restored else 'not interrupted':>18}"
        f"{span(rehearsal_run.outage):>14}   {_end(rehearsal_run)}"
        for rehearsal_run in rehearsal.back
    ]
    return lines


def _end(rehearsal_run: RehearsalRun) -> str:
    if rehearsal_run.failure:
        return "FAILED"
    return "DIFFERS" if not rehearsal_run.good else "as before"


def _faults(rehearsal: Rehearsal, names: Names) -> list[str]:
    faults = []
    for rehearsal_run in (rehearsal.forward, *rehearsal.back):
        title = (
            "forward"
            if rehearsal_run.boundary == 0
            else f"rollback from step {rehearsal_run.boundary}"
        )
        lines = [rehearsal_run.failure] if rehearsal_run.failure else []
        lines += rehearsal_run.differences
        lines += map(str, rehearsal_run.rerouted)
        lines = [item(names.text(line)) for line in lines]
        if lines:
            faults.append("\n".join([wrapped(f"PROBLEM, {title}:"), *lines]))
    return faults


def _run_json(rehearsal_run: RehearsalRun) -> dict[str, Any]:
    return {
        "boundary": rehearsal_run.boundary,
        "changes": [{"step": made.step, "what": made.what} for made in rehearsal_run.changes],
        "outage": round(rehearsal_run.outage.total_seconds(), 3),
        "took": round(rehearsal_run.took.total_seconds(), 3),
        "cutover": round(rehearsal_run.cutover.total_seconds(), 3),
        "restored": round(rehearsal_run.restored.total_seconds(), 3),
        "failure": rehearsal_run.failure,
        "differences": list(rehearsal_run.differences),
        "routes": [
            {
                "table": row.table,
                "destination": list(row.parts),
                "before": row.before.hop,
                "after": row.after.hop,
                "same": row.same,
            }
            for row in rehearsal_run.routes
        ],
    }


TELLING = 20
"""With fewer runs, quantiles are not shown."""

TRIALS_SHOWN = 5
"""Number of unsafe runs that are listed; each can be repeated with its seed."""


def faults_text(faulted: FaultedRehearsal) -> str:
    """Return the results for a change board: figures, then unsafe runs, then the worst run."""
    parts = [_summary(faulted), *_unsafe(faulted)]
    if faulted.worst is not None:
        parts.append(heading("The worst run") + _worst(faulted, faulted.worst))
    return "\n\n".join(parts)


def faults_json(faulted: FaultedRehearsal) -> dict[str, Any]:
    """Return the results as a part of a JSON document."""
    worst = faulted.worst
    return {
        "trials": len(faulted.trials),
        "seed": faulted.seed,
        "kills": sum(trial.deaths for trial in faulted.trials),
        "calls_astray": sum(trial.fault_count for trial in faulted.trials),
        "outage": _spread(faulted.outage),
        "restored": _spread(faulted.restored),
        "worst": None if worst is None else _trial(worst),
        "unsafe": [_trial(trial) for trial in faulted.unsafe],
    }


def _summary(faulted: FaultedRehearsal) -> str:
    trials = faulted.trials
    intro = wrapped(
        f"{count(len(trials), 'run')} of this plan on its own survey, starting at seed "
        f"{faulted.seed}, without its window and approvals: "
        f"{count(sum(t.deaths for t in trials), 'process kill')}, "
        f"{count(sum(t.fault_count for t in trials), 'call fault')}. "
        + (f"{len(faulted.unsafe)} DID NOT END SAFELY." if faulted.unsafe else "All ended safely."),
        first="  ",
    )
    figures = [("outage", faulted.outage), ("rollback until traffic restored", faulted.restored)]
    rows = columns([(name, _spread_text(spread)) for name, spread in figures])
    return f"{heading('With faults')}{intro}\n\n{rows}"


def _spread_text(spread: DurationSpread) -> str:
    if not spread.trials:
        return "none in any run"
    ends = f"{span(spread.least)} to {span(spread.most)}"
    if spread.trials < TELLING:
        return f"{ends} ({count(spread.trials, 'run')})"
    return (
        f"{ends}, half below {span(spread.median)}, "
        f"19 of 20 below {span(spread.most_often_below)} ({count(spread.trials, 'run')})"
    )


def _unsafe(faulted: FaultedRehearsal) -> list[str]:
    lines = [
        item(f"seed {trial.seed}: {trial.schedule}: {safe('; '.join(trial.wrong))}")
        for trial in faulted.unsafe[:TRIALS_SHOWN]
    ]
    if len(faulted.unsafe) > TRIALS_SHOWN:
        lines.append(item(f"and {len(faulted.unsafe) - TRIALS_SHOWN} more"))
    return [heading("NOT SAFE") + "\n".join(lines)] if lines else []


def _worst(faulted: FaultedRehearsal, worst: FaultedTrial) -> str:
    narrator = Narrator()
    intro = wrapped(
        f"Seed {worst.seed}, {worst.schedule}, {count(worst.fault_count, 'call fault')}: "
        f"traffic was down for {span(worst.outage)}.",
        first="  ",
    )
    lines = (line for entry in faulted.story for line in narrator.lines(entry))
    return "\n".join([intro, *(wrapped(str(line), first="  ", rest="      ") for line in lines)])


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
        "calls_astray": trial.fault_count,
        "outage": round(trial.outage.total_seconds(), 3),
        "restored": None if restored is None else round(restored.total_seconds(), 3),
        "wrong": list(trial.wrong),
    }
