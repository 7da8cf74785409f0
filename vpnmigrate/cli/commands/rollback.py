"""Command ``rollback``."""

import typer

from vpnmigrate.cli.context import command_context
from vpnmigrate.cli.options import (
    Adopt,
    AwsOptions,
    KeepNew,
    OutputOptions,
    PlanOrRun,
    PromptOptions,
    RunDirectoryOptions,
    TakeOver,
)
from vpnmigrate.model.errors import Exit
from vpnmigrate.report import results


def rollback(
    ctx: typer.Context,
    plan_or_run: PlanOrRun,
    aws: AwsOptions,
    home: RunDirectoryOptions,
    prompt_options: PromptOptions,
    printing: OutputOptions,
    keep_new: KeepNew = False,
    take_over: TakeOver = None,
    adopt: Adopt = None,
) -> None:
    """Roll back to the gateway and connections from before the run.

    Possible at any point before finalize.  Restores connectivity first, then deletes what the run
    created.
    """
    from vpnmigrate.cli import run_actions
    from vpnmigrate.cli.run_session import RunOptions, named

    context = command_context(ctx, home, printing)
    options = RunOptions(aws, prompt_options, take_over, adopt=named(adopt))
    view = run_actions.rollback(context, plan_or_run, options, keep_new=keep_new)
    context.results.print(results.outcome_text(view), results.outcome_json(view))
    if view.state.residue.changes:
        # The clean-up has left resources; traffic flows.
        raise typer.Exit(Exit.FAILED)
