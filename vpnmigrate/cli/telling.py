"""Words for a run from another terminal."""

from __future__ import annotations

from vpnmigrate.cli.desk import Desk
from vpnmigrate.cli.standings import standing_of
from vpnmigrate.commands import cli
from vpnmigrate.errors import UsageError
from vpnmigrate.local.inbox import Done, Inbox
from vpnmigrate.model.changes import AskOperator
from vpnmigrate.report.status import Standing


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
