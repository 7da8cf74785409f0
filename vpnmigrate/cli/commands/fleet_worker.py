"""Commands ``fleet worker`` and ``fleet database``."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vpnmigrate.cli.context import command_context
from vpnmigrate.cli.fleet_database import DatabaseOptions, fleet_database
from vpnmigrate.cli.options import AwsOptions, OutputOptions, RunDirectoryOptions
from vpnmigrate.report.text import wrapped


class DatabaseAction(StrEnum):
    """What ``fleet database`` does."""

    STATUS = "status"
    UPGRADE = "upgrade"


MOST_RUNS = 50
"""Runs of a worker at a time: each has a thread, some megabytes and a connection to the database
while it writes."""


def worker(
    ctx: typer.Context,
    place: DatabaseOptions,
    aws: AwsOptions,
    home: RunDirectoryOptions,
    printing: OutputOptions,
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            metavar="NAME",
            show_default=False,
            help="Name of the worker in status and messages. Default: user and host. Workers with "
            "the same name are shown with their processes.",
        ),
    ] = None,
    runs: Annotated[
        int,
        typer.Option(
            "--runs",
            min=1,
            max=500,
            help="Most runs to work on at a time, beside those that were left in an outage.",
        ),
    ] = MOST_RUNS,
) -> None:
    """Work on the runs of a fleet until interrupted.

    Any number of workers, on any hosts, share the runs of one database.  A run whose worker dies is
    continued by another one.  After SIGTERM or Ctrl-C the worker begins nothing, hands on the runs
    whose traffic flows, and ends when its cutovers are done; a second signal ends it at once.
    """
    from vpnmigrate.cli.fleet_worker import serve

    context = command_context(ctx, home, printing)
    serve(context, place, aws, name, runs)


def database(
    ctx: typer.Context,
    action: Annotated[
        DatabaseAction,
        typer.Argument(
            show_default=False,
            help="status shows the version of the schema; upgrade creates or upgrades it.",
        ),
    ],
    place: DatabaseOptions,
    printing: OutputOptions,
) -> None:
    """Create, upgrade or check the schema of a fleet's database.

    Stop the workers before an upgrade.  Runs and journals are kept.
    """
    from vpnmigrate.cli.fleet_worker import database_version, upgrade_database

    context = command_context(ctx, RunDirectoryOptions(Path()), printing)
    with fleet_database(place, context.redaction, current=False) as opened:
        if action is DatabaseAction.UPGRADE:
            upgrade_database(opened)
        found, needed = database_version(opened)
        state = "current" if found == needed else "empty" if found is None else "other"
        text = {
            "current": f"{opened.address}: version {found}, as this program needs it",
            "empty": f"{opened.address}: no fleet yet; to create it: vpnmigrate fleet database "
            "upgrade",
            "other": f"{opened.address}: version {found}; this program needs {needed}",
        }[state]
        document = {
            "schema": "vpnmigrate/fleet-database/1",
            "database": str(opened.address),
            "version": found,
            "needed": needed,
        }
        context.results.print(wrapped(text), document)
