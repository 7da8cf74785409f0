"""Run selection: the run of a plan file or a run id."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vpnmigrate.cli.context import CommandContext
from vpnmigrate.journal import RunState
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.local.documents import (
    LARGEST_PLAN,
    load_plan,
    load_plan_in_force,
    plan_from_text,
    require_derived,
)
from vpnmigrate.local.run_directory import Run
from vpnmigrate.local.text_files import file_bytes
from vpnmigrate.model.errors import RefusedError
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.model.plan import Plan


@dataclass(frozen=True)
class SelectedRun:
    """A run and the requested plan; *text* is that plan's file, *new* means just created."""

    run: Run
    plan: Plan
    text: bytes
    new: bool
    file: Path | None = None
    """The plan file that was given; its signature is beside it."""
    in_force: str = ""
    """Fingerprint of the plan in force by the journal; empty if the run's directory has it."""

    @property
    def replanned(self) -> bool:
        """Whether the requested plan differs from the one in force."""
        return (self.in_force or self.run.fingerprint) != self.plan.fingerprint


def by_id(context: CommandContext, run_id: str) -> SelectedRun:
    """Find a started run.

    Raises:
        UsageError: No run has that id.
    """
    run = context.runs.find(run_id)
    return SelectedRun(run, load_plan_in_force(run.plan), b"", new=False)


def find_plan(context: CommandContext, plan_or_run: str) -> tuple[str, Plan, str]:
    """Return the file and the plan of *plan_or_run*, and the id of its run if it was started.

    Raises:
        UsageError: It is neither a file nor the id of a run.
        PlanEditedError: The plan was edited.
    """
    path = Path(plan_or_run)
    if names_a_file(path):
        plan = load_plan(path)
        runs = [run for run in context.runs.list() if run.id == plan.migration]
        started = any(run.fingerprint == plan.fingerprint for run in runs)
        return context.file(path), plan, plan.migration if started else ""
    selected = by_id(context, plan_or_run)
    return str(selected.run.plan), selected.plan, selected.run.id


def by_plan_or_id(
    context: CommandContext,
    plan_or_run: str,
    holder: str,
    require: Callable[[Plan, Path], None] = require_derived,
) -> SelectedRun:
    """Find or create the run of a plan file, or find a run by its id.

    A plan that is not in force yet has to pass *require*.

    Raises:
        UsageError: *plan_or_run* is neither a file nor the id of a run.
        MalformedFileError: The file is not a plan.
        PlanEditedError: The plan was edited.
    """
    path = Path(plan_or_run)
    if not names_a_file(path):
        return by_id(context, plan_or_run)
    text = file_bytes(path, LARGEST_PLAN)
    plan = plan_from_text(text, str(path))
    known = next((run for run in context.runs.list() if run.id == plan.migration), None)
    if known is not None and known.fingerprint == plan.fingerprint:
        known.require_private()
        return SelectedRun(known, load_plan_in_force(known.plan), text, new=False, file=path)
    require(plan, path)
    if known is not None:
        known.require_private()
        return SelectedRun(known, plan, text, new=False, file=path)
    run = context.runs.create(plan, text, holder)
    return SelectedRun(run, plan, text, new=True, file=path)


def names_a_file(path: Path) -> bool:
    """Return whether what was given for a plan or a run is a file, also one that is missing."""
    return path.is_file() or path.suffix == ".json" or len(path.parts) > 1


def require_replannable(run: Run, state: RunState) -> None:
    """Check that a new plan may replace the plan of *run*.

    Raises:
        RefusedError: The run has started its cutover and has not been rolled back.
    """
    if state.cutover_begun and state.status is not RunStatus.ROLLED_BACK:
        raise RefusedError(
            f"run {run.id} has started its cutover, and has to complete it with its own plan",
            advice=("resume:", cli("apply", run.id), "or roll back:", cli("rollback", run.id)),
        )
