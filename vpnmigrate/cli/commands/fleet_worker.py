"""Commands ``fleet worker`` and ``fleet database``."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vpnmigrate.cli.context import command_context
from vpnmigrate.cli.fleet_database import DatabaseOptions, fleet_database
from vpnmigrate.cli.options import AwsOptions, OutputOptions, RunDirectoryOptions
from vpnmigrate.model.errors.commands import Advice, cli, one_line
from vpnmigrate.report.text import advised, wrapped


class DatabaseAction(StrEnum):
    """What ``fleet database`` does."""

    STATUS = "status"
    UPGRADE = "upgrade"


_ROLES = "if workers and operators have roles of their own: run docs/fleet-roles.sql as the owner"
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
            help="Maximum number of runs at a time, in addition to runs left in an outage.",
        ),
    ] = MOST_RUNS,
) -> None:
    """Work on the runs of a fleet until interrupted.

    Any number of workers, on any hosts, share the runs of one database.  A run whose worker dies is
    continued by another one.  After SIGTERM or Ctrl-C the worker starts no run, passes on the runs
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
    from vpnmigrate.report.fleet_runs import worker_command

    context = command_context(ctx, RunDirectoryOptions(Path()), printing)
    with fleet_database(place, context.redaction, current=False) as opened:
        if action is DatabaseAction.UPGRADE:
            upgrade_database(opened)
        found, needed = database_version(opened)
        if found is None or found == needed:
            state = "empty" if found is None else "current"
        else:
            state = "older" if found < needed else "newer"
        text = {
            "current": f"{opened.address}: version {found}, as this program needs it",
            "empty": f"{opened.address}: no fleet yet",
        }.get(state, f"{opened.address}: version {found}; this program needs {needed}")
        upgrade = context.invocation.complete(cli("fleet", "database", "upgrade"))
        start = worker_command(context.invocation)
        following: dict[str, Advice] = {
            "current": ("to start a worker:", start),
            "empty": ("to create it:", upgrade),
            "older": ("stop the workers of the old version, then:", upgrade),
            "newer": "use the version of vpnmigrate that the workers use",
        }
        if action is DatabaseAction.UPGRADE:
            following["current"] = (_ROLES, "to start a worker:", start)
        advice = following[state]
        document = {
            "schema": "vpnmigrate/fleet-database/1",
            "database": str(opened.address),
            "version": found,
            "needed": needed,
            "next": one_line(advice),
        }
        context.results.print(f"{wrapped(text)}\n{advised(advice, first='  ')}", document)
