"""Command ``rollback``."""

from typing import Annotated

import typer

from vpnmigrate.cli.context import command_context
from vpnmigrate.cli.options import (
    Adopt,
    AwsOptions,
    OutputOptions,
    PlanOrRun,
    PromptOptions,
    RunDirectoryOptions,
    TakeOver,
)
from vpnmigrate.report import results


def rollback(
    context: typer.Context,
    subject: PlanOrRun,
    aws: AwsOptions,
    home: RunDirectoryOptions,
    asking: PromptOptions,
    printing: OutputOptions,
    keep_new: Annotated[
        bool,
        typer.Option("--keep-new", help="Keep the new gateway and connections for a later retry."),
    ] = False,
    take_over: TakeOver = None,
    adopt: Adopt = None,
) -> None:
    """Bring back what was there before.

    From any point before finalize: connectivity first, then what the run made is removed.
    """
    from vpnmigrate.cli import run_actions
    from vpnmigrate.cli.run_session import RunOptions, named

    desk = command_context(context, home, printing)
    terms = RunOptions(aws, asking, take_over, adopt=named(adopt))
    stands = run_actions.rollback(desk, subject, terms, keep_new=keep_new)
    desk.results.print(results.outcome_text(stands), results.outcome_json(stands))
