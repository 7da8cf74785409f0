"""``vpnmigrate rehearse``."""

import typer

from vpnmigrate.cli.flags import Home, Printing
from vpnmigrate.cli.subjects import PlanFile
from vpnmigrate.errors import Exit


def rehearse(context: typer.Context, plan: PlanFile, home: Home, printing: Printing) -> None:
    """Try a plan on a sandbox of its own survey, both ways.

    Runs the program's own runner on a model of EC2 in this process: forward, then back from the
    end of every step.  It reads no credentials and opens no connection.  Times are the model's.
    The result is kept for the gates and deadlines of this very plan.
    """
    from vpnmigrate import __version__
    from vpnmigrate.cli.desk import desk_of
    from vpnmigrate.files import load_plan
    from vpnmigrate.rehearsal import rehearse as tried
    from vpnmigrate.rehearsal import result_of
    from vpnmigrate.rehearsals import Rehearsals
    from vpnmigrate.report import rehearsal as view

    desk = desk_of(context, home, printing)
    loaded = load_plan(plan)
    found = tried(loaded, desk.console.say)
    result = result_of(found, loaded, desk.parts.clock.now(), __version__)
    file, kept = str(plan), str(Rehearsals(desk.settings.home).keep(result))
    desk.results.give(
        view.text(found, file=file, kept=kept), view.as_json(found, file=file, kept=kept)
    )
    if not found.good:
        raise typer.Exit(Exit.FAILED)
