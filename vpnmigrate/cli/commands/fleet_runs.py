"""Commands of a fleet in a database: ``fleet start``."""

from pathlib import Path
from typing import Annotated

import typer

from vpnmigrate.cli.context import command_context
from vpnmigrate.cli.fleet_database import DatabaseOptions
from vpnmigrate.cli.options import OutputOptions, RunDirectoryOptions


def start(
    ctx: typer.Context,
    plans: Annotated[
        list[str],
        typer.Argument(
            metavar="PLAN|RUN...", show_default=False, help="Plan files, or ids of known runs."
        ),
    ],
    place: DatabaseOptions,
    printing: OutputOptions,
    prepare: Annotated[
        bool,
        typer.Option("--prepare", help="Do what interrupts nothing; the cutover needs a start."),
    ] = False,
) -> None:
    """Start runs of plans on the workers, or continue runs that wait for an operator.

    Who starts a run consents to the interruption of its traffic, once its gates are open.
    """
    from vpnmigrate.cli.fleet_runs import start_runs

    context = command_context(ctx, RunDirectoryOptions(Path()), printing)
    started = start_runs(context, place, plans, prepare=prepare)
    text = "\n".join(f"{run}: workers begin" for run in started)
    context.results.print(text, {"schema": "vpnmigrate/fleet-start/1", "runs": list(started)})
