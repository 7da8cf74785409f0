"""Command ``finalize``."""

from typing import Annotated

import typer

from vpnmigrate.cli.context import command_context
from vpnmigrate.cli.gate_options import gate_options
from vpnmigrate.cli.options import (
    AwsOptions,
    DeleteOldGateway,
    FinalizeNames,
    GateOptions,
    OutputOptions,
    PromptOptions,
    RunDirectoryOptions,
    RunId,
    TakeOver,
)
from vpnmigrate.model.gates import Milestone
from vpnmigrate.report import results


def finalize(
    ctx: typer.Context,
    run: RunId,
    aws: AwsOptions,
    home: RunDirectoryOptions,
    gates: GateOptions,
    printing: OutputOptions,
    confirm: FinalizeNames = None,
    delete_old_gateway: DeleteOldGateway = False,
    no_input: Annotated[
        bool,
        typer.Option("--no-input", help="Accepted but not needed: finalize never reads stdin."),
    ] = False,
    take_over: TakeOver = None,
) -> None:
    """Delete the old connections of a verified migration.

    Rollback is not possible afterwards.  Every old connection has to be named with --confirm; no
    other option replaces that.
    """
    from vpnmigrate.cli import run_actions
    from vpnmigrate.cli.run_session import RunOptions

    context = command_context(ctx, home, printing)
    approvals_and_forces = gate_options(Milestone.FINALIZE, gates)
    del no_input  # Every connection is named on the command line, so there is nothing to ask.
    options = RunOptions(aws, PromptOptions(no_input=True), take_over, approvals_and_forces)
    named = tuple(confirm or ())
    view = run_actions.finalize(context, run, options, named, delete_old_gateway=delete_old_gateway)
    context.results.print(results.outcome_text(view), results.outcome_json(view))
