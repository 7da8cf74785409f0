"""``vpnmigrate done``."""

from typing import Annotated

import typer

from vpnmigrate.cli.flags import Home, Printing
from vpnmigrate.cli.subjects import RunId


def done(
    context: typer.Context,
    run: RunId,
    step: Annotated[
        int,
        typer.Argument(metavar="STEP", show_default=False, help="The step whose task is done."),
    ],
    home: Home,
    printing: Printing,
) -> None:
    """Say that the task of a step is done.

    From any terminal of this machine.  A process that has the run in hand takes it up at once.
    """
    from vpnmigrate.cli.desk import desk_of
    from vpnmigrate.cli.telling import tell_done
    from vpnmigrate.report import results

    desk = desk_of(context, home, printing)
    stands, task = tell_done(desk, run, step)
    desk.results.give(results.done_text(stands, task), results.done_json(stands, task))
