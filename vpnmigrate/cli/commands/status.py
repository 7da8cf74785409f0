"""Command ``status``."""

from typing import Annotated

import typer

from vpnmigrate.cli.context import desk_of
from vpnmigrate.cli.options import Home, Printing, runs
from vpnmigrate.cli.run_status import standing_of, standings_of
from vpnmigrate.cli.watch import look_on, the_run_at_work
from vpnmigrate.report import status as view


def status(
    context: typer.Context,
    home: Home,
    printing: Printing,
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]", show_default=False, autocompletion=runs, help="One run, in full."
        ),
    ] = None,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            help="Show a run's screen until nobody works on it; ends with that run's exit code.",
        ),
    ] = False,
) -> None:
    """Tell where runs stand.

    Phase, step, traffic, what is waited for, and the next command.  Reads the journals and asks
    AWS nothing.
    """
    desk = desk_of(context, home, printing)
    if watch:
        found = desk.runs.find(run) if run else the_run_at_work(desk)
        stand, code = look_on(desk, found)
        desk.results.give(view.one(stand), view.one_as_json(stand))
        raise typer.Exit(code)
    if run is None:
        stands, unreadable = standings_of(desk)
        text = view.every(stands, unreadable, desk.invocation)
        desk.results.give(text, view.every_as_json(stands, unreadable))
    else:
        stand = standing_of(desk, desk.runs.find(run))
        desk.results.give(view.one(stand), view.one_as_json(stand))
