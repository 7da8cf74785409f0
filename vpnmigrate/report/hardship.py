"""What a rehearsal with faults has shown: how long things took, the worst run, every unsafe one."""

from __future__ import annotations

from typing import Any

from vpnmigrate.model.clock import span
from vpnmigrate.rehearsal.with_faults import Hardship, Spread, Trial
from vpnmigrate.report.progress import Narrator
from vpnmigrate.report.words import columns, count, heading, item, safe, wrapped

TELLING = 20
"""With fewer runs, a part of them is no figure."""
SHOWN = 5
"""Unsafe runs that are spelled out; each can be seen again by its seed."""


def text(hardship: Hardship) -> str:
    """Give it for a change board: figures first, then the worst run, then what went wrong."""
    parts = [_summary(hardship), *_unsafe(hardship)]
    if hardship.worst is not None:
        parts.append(heading("The worst run") + _worst(hardship, hardship.worst))
    return "\n\n".join(parts)


def as_json(hardship: Hardship) -> dict[str, Any]:
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


def _summary(hardship: Hardship) -> str:
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
    rows = columns([(name, _told(spread)) for name, spread in figures])
    return f"{heading('Under hardship')}{said}\n\n{rows}"


def _told(spread: Spread) -> str:
    if not spread.trials:
        return "no run had any"
    ends = f"{span(spread.least)} to {span(spread.most)}"
    if spread.trials < TELLING:
        return f"{ends} ({count(spread.trials, 'run')})"
    return (
        f"{ends}, half below {span(spread.median)}, "
        f"19 of 20 below {span(spread.most_often_below)} ({count(spread.trials, 'run')})"
    )


def _unsafe(hardship: Hardship) -> list[str]:
    lines = [
        item(f"seed {trial.seed}: {trial.schedule}: {safe('; '.join(trial.wrong))}")
        for trial in hardship.unsafe[:SHOWN]
    ]
    if len(hardship.unsafe) > SHOWN:
        lines.append(item(f"and {len(hardship.unsafe) - SHOWN} more"))
    return [heading("NOT SAFE") + "\n".join(lines)] if lines else []


def _worst(hardship: Hardship, worst: Trial) -> str:
    narrator = Narrator()
    said = wrapped(
        f"Seed {worst.seed}, {worst.schedule}, {count(worst.strikes, 'call')} astray: "
        f"traffic was down for {span(worst.outage)}.",
        first="  ",
    )
    told = (line for entry in hardship.story for line in narrator.lines(entry))
    return "\n".join([said, *(wrapped(str(line), first="  ", rest="      ") for line in told)])


def _spread(spread: Spread) -> dict[str, float]:
    return {
        "runs": spread.trials,
        "least": round(spread.least.total_seconds(), 3),
        "median": round(spread.median.total_seconds(), 3),
        "most_often_below": round(spread.most_often_below.total_seconds(), 3),
        "most": round(spread.most.total_seconds(), 3),
    }


def _trial(trial: Trial) -> dict[str, Any]:
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
