"""Command ``done``."""

from __future__ import annotations

from typing import Annotated

import typer

from vpnmigrate.cli.context import CommandContext, command_context
from vpnmigrate.cli.options import OutputOptions, RunDirectoryOptions, RunId
from vpnmigrate.cli.run_status import status_view_of
from vpnmigrate.commands import cli
from vpnmigrate.errors import UsageError
from vpnmigrate.local.inbox import DoneMessage, Inbox
from vpnmigrate.model.changes import AskOperator
from vpnmigrate.report import results
from vpnmigrate.report.status import RunStatusView


def done(
    context: typer.Context,
    run: RunId,
    step: Annotated[
        int,
        typer.Argument(metavar="STEP", show_default=False, help="The step whose task is done."),
    ],
    home: RunDirectoryOptions,
    printing: OutputOptions,
) -> None:
    """Say that the task of a step is done.

    From any terminal of this machine.  A process that has the run in hand takes it up at once.
    """
    desk = command_context(context, home, printing)
    stands, task = confirm_task(desk, run, step)
    desk.results.print(results.done_text(stands, task), results.done_json(stands, task))


def confirm_task(desk: CommandContext, run_id: str, step: int) -> tuple[RunStatusView, AskOperator]:
    """Leave the word that the task of *step* is done, and give where the run stood then.

    Raises:
        UsageError: The run waits for no such word.
    """
    run = desk.runs.find(run_id)
    stands = status_view_of(desk, run)
    task = stands.state.task
    if not isinstance(task, AskOperator) or task.step != step:
        waits = f"it waits for: {task}" if task is not None else "it waits for nobody"
        raise UsageError(
            f"run {run.id} does not wait for a task of step {step}; {waits}",
            advice=cli("status", run.id),
        )
    who = desk.parts.me
    Inbox(run).post(DoneMessage(at=stands.now, who=who.user, host=who.host, step=step))
    return stands, task
