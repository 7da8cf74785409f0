"""That a word was taken down, and what happens with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from msgspec.structs import replace as altered

from vpnmigrate.commands import Command
from vpnmigrate.journal import Intent
from vpnmigrate.model.changes import AskOperator
from vpnmigrate.model.changes.base import Performed
from vpnmigrate.report.standing import Standing
from vpnmigrate.report.words import advised, wrapped

SCHEMA = "vpnmigrate/done/1"


def text(stands: Standing, task: AskOperator) -> str:
    """Say what was taken down; *stands* is the run before anybody has taken it up."""
    noted = wrapped(f"Noted for run {stands.run}, step {task.step}: done: {task}")
    if stands.alive:
        return f"{noted}\n  The process that has the run in hand takes it up now."
    on = advised(("No process has the run in hand. Resume it with:", _next(stands)), first="  ")
    return f"{noted}\n{on}"


def as_json(stands: Standing, task: AskOperator) -> dict[str, Any]:
    """Give the same as a JSON document."""
    return {
        "schema": SCHEMA,
        "run": stands.run,
        "step": task.step,
        "word": task.word.value,
        "task": str(task),
        "alive": stands.alive,
        "next": "" if stands.alive else str(_next(stands)),
    }


def _next(stands: Standing) -> Command:
    """Return the command that resumes the run once the confirmation counts."""
    *others, last = stands.state.intents
    heard: Intent = altered(last, outcome=Performed())
    after = replace(stands, state=altered(stands.state, intents=(*others, heard)))
    return after.next or after.look
