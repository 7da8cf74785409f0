"""``vpnmigrate rehearse``."""

import typer

from vpnmigrate.cli.flags import Printing
from vpnmigrate.cli.subjects import PlanFile
from vpnmigrate.errors import Exit


def rehearse(plan: PlanFile, printing: Printing) -> None:
    """Try a plan on a sandbox of its own survey, both ways.

    Runs the program's own runner on a model of EC2 in this process: forward, then back from the
    end of every step.  It reads no credentials and opens no connection.  Times are the model's.
    """
    from vpnmigrate.cli.desk import results_of
    from vpnmigrate.files import load_plan
    from vpnmigrate.rehearsal import rehearse as tried
    from vpnmigrate.report import rehearsal as view
    from vpnmigrate.report.console import Console

    found = tried(load_plan(plan), Console().say)
    file = str(plan)
    results_of(printing).give(view.text(found, file=file), view.as_json(found, file=file))
    if not found.good:
        raise typer.Exit(Exit.FAILED)
