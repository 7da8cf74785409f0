"""Command ``status``."""

from typing import Annotated

import typer

from vpnmigrate.cli.context import command_context
from vpnmigrate.cli.options import OutputOptions, RunDirectoryOptions, runs
from vpnmigrate.cli.run_status import status_view_of, status_views
from vpnmigrate.cli.watch import watch_run, working_run
from vpnmigrate.model.errors import Exit
from vpnmigrate.report import runs_table, status_json, status_text


def status(
    ctx: typer.Context,
    home: RunDirectoryOptions,
    printing: OutputOptions,
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]", show_default=False, autocompletion=runs, help="One run, in detail."
        ),
    ] = None,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            help="Show the live screen while a process works on the run; exits with the run's "
            "exit code.",
        ),
    ] = False,
    all_gates: Annotated[
        bool,
        typer.Option("--gates", help="Show the result of every gate, not only of those that fail."),
    ] = False,
) -> None:
    """Show whether traffic is up, what is wrong or awaited, and what to type now.

    The facts behind that are shown with it: the run, its gates, its files and its history.  Without
    RUN, shows a table of all runs; the exit code is 1 if a run cannot be read.  Reads the journals
    and makes no AWS call.  For runs of a fleet, whose journals are in a database, prints the
    command that shows them.
    """
    context = command_context(ctx, home, printing)
    if watch:
        watched = context.runs.find(run) if run else working_run(context)
        stand, code = watch_run(context, watched)
        context.results.print(
            status_text.one(stand, all_gates=all_gates), status_json.one_as_json(stand)
        )
        raise typer.Exit(code)
    if run is None:
        found = status_views(context)
        text = runs_table.text(found, context.invocation)
        context.results.print(text, runs_table.as_json(found, context.invocation))
        if found.unreadable:
            raise typer.Exit(Exit.FAILED)
    else:
        stand = status_view_of(context, context.runs.find(run))
        context.results.print(
            status_text.one(stand, all_gates=all_gates), status_json.one_as_json(stand)
        )
