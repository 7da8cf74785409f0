"""Commands ``fleet status`` and ``fleet serve``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from vpnmigrate.cli.context import CommandContext, command_context
from vpnmigrate.cli.fleet_database import DatabaseOptions, fleet_database
from vpnmigrate.cli.fleet_local_view import LocalFleet
from vpnmigrate.cli.options import OutputOptions, RunDirectoryOptions
from vpnmigrate.fleet.campaign_file import ChangingCampaign, load_campaign, names_a_campaign
from vpnmigrate.model.errors import Exit
from vpnmigrate.report import fleet as view
from vpnmigrate.report.fleet import FleetStatus
from vpnmigrate.report.fleet_runs import fleet_json, fleet_text, run_text


def status(
    ctx: typer.Context,
    home: RunDirectoryOptions,
    place: DatabaseOptions,
    printing: OutputOptions,
    campaign: Annotated[
        str | None,
        typer.Argument(
            metavar="[CAMPAIGN|RUN]",
            show_default=False,
            help="A campaign file; or a campaign or run of the database. Default: the database.",
        ),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="List all runs, and members that wait or are done.")
    ] = False,
) -> None:
    """Show the waves of a campaign, what is under way, and what may be started now.

    Reads the runs of this machine; if a database is named, those in the database instead.  From a
    database, also shows its workers and runs, or what one run does and waits for.  Makes no AWS
    call.  The exit code is 1 if a run cannot be read.
    """
    if campaign is None or place.is_named or not names_a_campaign(campaign):
        _print_fleet(ctx, place, printing, campaign, every=every)
        return
    context = command_context(ctx, home, printing)
    found = LocalFleet(context).status(load_campaign(Path(campaign)))
    context.results.print(view.status_text(found, every=every), view.status_json(found))
    if any(member.unreadable for member in found.members):
        raise typer.Exit(Exit.FAILED)


def _print_fleet(
    ctx: typer.Context,
    place: DatabaseOptions,
    printing: OutputOptions,
    named: str | None,
    *,
    every: bool,
) -> None:
    """Print the workers and runs of the database; or a campaign; or what one run waits for.

    Raises:
        Exit: The journal of a run cannot be read.
    """
    context = command_context(ctx, RunDirectoryOptions(), printing)
    with fleet_database(place, context.redaction) as database:
        from vpnmigrate.cli.fleet_database_view import DatabaseFleet

        fleet = DatabaseFleet(context, database)
        if named is not None and fleet.has_campaign(named):
            found = fleet.campaign(named)()
            context.results.print(view.status_text(found, every=every), view.status_json(found))
            unreadable = [member.unreadable for member in found.members]
        else:
            runs = fleet.runs(named) if named or printing.json else fleet.overview()
            text = fleet_text(runs, every=every) if named is None else run_text(runs.runs[0])
            context.results.print(text, fleet_json(runs))
            unreadable = [run.unreadable for run in runs.runs]
        if any(unreadable):
            raise typer.Exit(Exit.FAILED)


def serve(
    ctx: typer.Context,
    campaign: Annotated[
        str,
        typer.Argument(
            metavar="CAMPAIGN",
            show_default=False,
            help="A campaign file, or a campaign of the database.",
        ),
    ],
    home: RunDirectoryOptions,
    place: DatabaseOptions,
    printing: OutputOptions,
    port: Annotated[
        int,
        typer.Option("--port", min=0, max=65535, help="Loopback port; 0 selects a free one."),
    ] = 0,
) -> None:
    """Serve a page with the status of a campaign on loopback until interrupted.

    The page is read-only and updates itself: waves, runs, traffic, the clocks of outages, closed
    gates, and what is awaited.  While a page is open, reads the campaign and the runs of this
    machine again; if a database is named, those in the database instead.  Makes no AWS call.
    """
    context = command_context(ctx, home, printing)
    if place.is_named or not names_a_campaign(campaign):
        with fleet_database(place, context.redaction) as database:
            from vpnmigrate.cli.fleet_database_view import DatabaseFleet

            read = DatabaseFleet(context, database).campaign(campaign)
            read()  # A page would only say that there is no such campaign.
            _serve(context, campaign, port, read)
        return
    fleet, file = LocalFleet(context), ChangingCampaign(Path(campaign))
    fleet.status(file.now())  # A page would only say that it cannot be read.
    _serve(context, campaign, port, lambda: fleet.status(file.now()))


def _serve(
    context: CommandContext, campaign: str, port: int, read: Callable[[], FleetStatus]
) -> None:
    from vpnmigrate.cli.fleet_board import HOST, board_server, listening

    server = board_server(read)
    with listening(port) as place:
        url = f"http://{HOST}:{place.getsockname()[1]}/"
        context.results.print(
            f"{url} shows {campaign} until Ctrl-C",
            {"schema": "vpnmigrate/fleet-board/1", "url": url},
        )
        server.run(sockets=[place])
