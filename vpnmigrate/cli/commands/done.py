"""Command ``done``."""

from __future__ import annotations

from typing import Annotated

import typer

from vpnmigrate.cli.context import CommandContext, command_context
from vpnmigrate.cli.options import OutputOptions, RunDirectoryOptions, RunId
from vpnmigrate.cli.run_status import status_view_of
from vpnmigrate.errors import UsageError
from vpnmigrate.errors.commands import cli
from vpnmigrate.local.inbox import DoneMessage, Inbox
from vpnmigrate.model.changes import AskOperator
from vpnmigrate.report import results
from vpnmigrate.report.status import RunStatusView


def done(
    ctx: typer.Context,
    run: RunId,
    step: Annotated[
        int,
        typer.Argument(metavar="STEP", show_default=False, help="The step whose task is done."),
    ],
    home: RunDirectoryOptions,
    printing: OutputOptions,
) -> None:
    """Report that the task of a step is done.

    Works from any terminal of this machine.  A process that works on the run continues at once.
    """
    context = command_context(ctx, home, printing)
    view, task = confirm_task(context, run, step)
    context.results.print(results.done_text(view, task), results.done_json(view, task))


def confirm_task(
    context: CommandContext, run_id: str, step: int
) -> tuple[RunStatusView, AskOperator]:
    """Confirm the task of *step* to the run, and return the run's status and the task.

    Raises:
        UsageError: The run does not wait for this confirmation.
    """
    run = context.runs.find(run_id)
    view = status_view_of(context, run)
    task = view.state.task
    if not isinstance(task, AskOperator) or task.step != step:
        waits = f"it waits for: {task}" if task is not None else "no task is waiting"
        raise UsageError(
            f"run {run.id} does not wait for a task of step {step}; {waits}",
            advice=cli("status", run.id),
        )
    who = context.parts.me
    Inbox(run).post(DoneMessage(at=view.now, who=who.user, host=who.host, step=step))
    return view, task
