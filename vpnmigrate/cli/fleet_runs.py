"""Runs of a fleet, controlled from any machine through the database."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vpnmigrate.cli.context import CommandContext
from vpnmigrate.cli.dependencies import new_holder
from vpnmigrate.cli.fleet_database import DatabaseOptions, fleet_database
from vpnmigrate.cli.run_selection import names_a_file
from vpnmigrate.fleet.database.deliveries import deliver
from vpnmigrate.fleet.database.runs import FleetRuns
from vpnmigrate.fleet.database.schema import RunGoal
from vpnmigrate.local.documents import LARGEST_PLAN, plan_from_text, require_derived
from vpnmigrate.local.text_files import file_bytes
from vpnmigrate.model.plan import Plan


def start_runs(
    context: CommandContext, place: DatabaseOptions, named: Sequence[str], *, prepare: bool
) -> tuple[str, ...]:
    """Add the plans among *named* to the database, and let workers begin with all of them.

    Raises:
        UsageError: A plan cannot be read, or the database has no such run; nothing was started.
        RefusedError: A plan was edited, or its run is there with another plan.
        DatabaseError: The database does not answer.
    """
    goal = RunGoal.PREPARE if prepare else RunGoal.CUTOVER
    with fleet_database(place, context.redaction) as database:
        runs = FleetRuns(database)
        plans = [_read(Path(name)) for name in named if names_a_file(Path(name))]
        ids = [runs.find(name).id for name in named if not names_a_file(Path(name))]
        for plan, text in plans:
            runs.add(plan, text, new_holder(context.parts.me))
        chosen = (*(plan.migration for plan, _ in plans), *ids)
        runs.start(chosen, goal, deliver)
    return chosen


def _read(path: Path) -> tuple[Plan, bytes]:
    """Return the plan in the file at *path*, and its text."""
    text = file_bytes(path, LARGEST_PLAN)
    plan = plan_from_text(text, str(path))
    require_derived(plan, path)
    return plan, text
