"""Command ``done``."""

from __future__ import annotations

from typing import Annotated

import typer

from vpnmigrate.cli.context import Desk, desk_of
from vpnmigrate.cli.options import Home, Printing, RunId
from vpnmigrate.cli.run_status import standing_of
from vpnmigrate.commands import cli
from vpnmigrate.errors import UsageError
from vpnmigrate.local.inbox import Done, Inbox
from vpnmigrate.model.changes import AskOperator
from vpnmigrate.report import results
from vpnmigrate.report.status import Standing


def done(
    context: typer.Context,
    run: RunId,
    step: Annotated[
        int,
        typer.Argument(metavar="STEP", show_default=False, help="The step whose task is done."),
    ],
    home: Home,
    printing: Printing,
) -> None:
    """Say that the task of a step is done.

    From any terminal of this machine.  A process that has the run in hand takes it up at once.
    """
    desk = desk_of(context, home, printing)
    stands, task = tell_done(desk, run, step)
    desk.results.give(results.done_text(stands, task), results.done_json(stands, task))


def tell_done(desk: Desk, run_id: str, step: int) -> tuple[Standing, AskOperator]:
    """Leave the word that the task of *step* is done, and give where the run stood then.

    Raises:
        UsageError: The run waits for no such word.
    """
    run = desk.runs.find(run_id)
    stands = standing_of(desk, run)
    task = stands.state.task
    if not isinstance(task, AskOperator) or task.step != step:
        waits = f"it waits for: {task}" if task is not None else "it waits for nobody"
        raise UsageError(
            f"run {run.id} does not wait for a task of step {step}; {waits}",
            advice=cli("status", run.id),
        )
    who = desk.parts.me
    Inbox(run).leave(Done(at=stands.now, who=who.user, host=who.host, step=step))
    return stands, task
