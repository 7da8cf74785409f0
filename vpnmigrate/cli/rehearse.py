"""``vpnmigrate rehearse``."""

from typing import Annotated

import typer

from vpnmigrate.cli.flags import Home, Printing
from vpnmigrate.cli.subjects import PlanFile
from vpnmigrate.errors import Exit


def rehearse(
    context: typer.Context,
    plan: PlanFile,
    home: Home,
    printing: Printing,
    faults: Annotated[
        int,
        typer.Option(
            "--faults",
            min=0,
            metavar="N",
            help="Rehearse N times more, with kills, lost answers and stale reads.",
        ),
    ] = 0,
    seed: Annotated[
        int,
        typer.Option("--seed", min=0, metavar="S", help="Which faults; the same seed, the same."),
    ] = 0,
) -> None:
    """Try a plan on a sandbox of its own survey, both ways.

    Runs the program's own runner on a model of EC2 in this process: forward, then back from the
    end of every step; and proves a way back from every state in between.  It reads no credentials
    and opens no connection.  Times are the model's.  The result is kept for the gates and
    deadlines of this very plan.
    """
    from vpnmigrate import __version__
    from vpnmigrate.cli.desk import desk_of
    from vpnmigrate.cli.rehearsing import tried
    from vpnmigrate.commands import cli
    from vpnmigrate.local.documents import load_plan
    from vpnmigrate.local.rehearsals import Rehearsals
    from vpnmigrate.report import rehearsal as view

    desk = desk_of(context, home, printing)
    found, hard, result = tried(
        load_plan(plan),
        faults,
        seed,
        at=desk.parts.clock.wall(),
        tool=__version__,
        tell=desk.console.say,
    )
    file, kept = str(plan), str(Rehearsals(desk.settings.home).keep(result))
    more = [view.faults_text(each) for each in hard]
    on = desk.invocation.complete(cli("apply", desk.file(plan))) if result.passed else None
    document = view.as_json(found, file=file, kept=kept, on=on)
    told = [view.faults_json(each) for each in hard]
    desk.results.give(
        view.text(found, file=file, kept=kept, on=on, more=more),
        {**document, "hardship": told[0] if told else None},
    )
    if not result.passed:
        raise typer.Exit(Exit.FAILED)
