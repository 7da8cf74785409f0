"""Command ``done``."""

from __future__ import annotations

from collections.abc import Sequence

import typer
from msgspec.structs import replace

from vpnmigrate.cli.context import CommandContext, command_context
from vpnmigrate.cli.options import AtSites, OutputOptions, RunDirectoryOptions, RunId, TaskStep
from vpnmigrate.cli.run_status import status_view_of
from vpnmigrate.cli.sites import site_named, sites_of
from vpnmigrate.journal.device_work import confirmed_sites
from vpnmigrate.local.documents import read_plan
from vpnmigrate.local.inbox import DoneMessage, Inbox
from vpnmigrate.model.changes import AskOperator
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.errors import UsageError
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.model.plan import Plan
from vpnmigrate.report import results
from vpnmigrate.report.status import RunStatusView


def done(
    ctx: typer.Context,
    run: RunId,
    step: TaskStep,
    home: RunDirectoryOptions,
    printing: OutputOptions,
    connection: AtSites = None,
) -> None:
    """Report that the task of a step is done, at all devices or at one.

    Works from any terminal of this machine.  A process that works on the run continues at once,
    when the task is done at every device.
    """
    context = command_context(ctx, home, printing)
    view, task, at = confirm(context, run, step, connection or ())
    context.results.print(results.done_text(view, task, at), results.done_json(view, task, at))


def confirm(
    context: CommandContext, run_id: str, step: int, sites: Sequence[str]
) -> tuple[RunStatusView, AskOperator, tuple[VpnConnectionId, ...]]:
    """Confirm the task of *step*, for the devices of *sites* if there are any.

    Return the status of the run, the task and the old connections of the sites.

    Raises:
        UsageError: The run does not wait for this confirmation, or a site is not one of its own.
    """
    run = context.runs.find(run_id)
    view = status_view_of(context, run)
    task, messages = done_messages(context, view, read_plan(run.plan), step, sites)
    for message in messages:
        Inbox(run).post(message)
    return view, task, _places(messages)


def _places(messages: Sequence[DoneMessage]) -> tuple[VpnConnectionId, ...]:
    return tuple(each.connection for each in messages if each.connection is not None)


def done_messages(
    context: CommandContext, view: RunStatusView, plan: Plan, step: int, sites: Sequence[str]
) -> tuple[AskOperator, tuple[DoneMessage, ...]]:
    """Return the open task of the run of *view*, and the messages that confirm it.

    Raises:
        UsageError: The run does not wait for this confirmation, or a site is not one of its own.
    """
    task = _waiting(view, step)
    known = sites_of(plan, view.entries) if sites else ()
    named = tuple(dict.fromkeys(site_named(site, known).connection for site in sites))
    found = named or confirmed_sites(plan, view.state, task)
    who = context.dependencies.me
    whole = DoneMessage(at=view.now, who=who.user, host=who.host, step=step)
    if not found:
        return task, (whole,)
    return task, tuple(replace(whole, connection=each, of=view.connections) for each in found)


def _waiting(view: RunStatusView, step: int) -> AskOperator:
    """Return the open task of the run, which has to be that of *step*."""
    task = view.state.task
    if not isinstance(task, AskOperator) or task.step != step:
        waits = f"it waits for: {task}" if task is not None else "no task is waiting"
        raise UsageError(
            f"run {view.run} does not wait for a task of step {step}; {waits}",
            advice=cli("status", view.run),
        )
    return task
