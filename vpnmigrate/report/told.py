"""That a word was taken down, and what happens with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from msgspec.structs import replace as altered

from vpnmigrate.changes import AskOperator
from vpnmigrate.outcomes import Performed
from vpnmigrate.replay import Intent
from vpnmigrate.report.standing import Standing
from vpnmigrate.report.words import wrapped

SCHEMA = "vpnmigrate/done/1"


def text(stands: Standing, task: AskOperator) -> str:
    """Say what was taken down; *stands* is the run before anybody has taken it up."""
    noted = wrapped(f"Noted for run {stands.run}, step {task.step}: done: {task}")
    if stands.alive:
        return f"{noted}\n  The process that has the run in hand takes it up now."
    return f"{noted}\n  Nobody has the run in hand. Go on with: {_next(stands)}"


def as_json(stands: Standing, task: AskOperator) -> dict[str, Any]:
    """Give the same as a JSON document."""
    return {
        "schema": SCHEMA,
        "run": stands.run,
        "step": task.step,
        "word": task.word.value,
        "task": str(task),
        "alive": stands.alive,
        "next": "" if stands.alive else _next(stands),
    }


def _next(stands: Standing) -> str:
    """Give the command that goes on once the word counts."""
    *others, last = stands.state.intents
    heard: Intent = altered(last, outcome=Performed())
    return replace(stands, state=altered(stands.state, intents=(*others, heard))).next
