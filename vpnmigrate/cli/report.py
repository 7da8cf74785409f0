"""``vpnmigrate report RUN`` and ``vpnmigrate report verify FILE``."""

from pathlib import Path
from typing import Annotated

import typer

from vpnmigrate.cli.flags import Aws, Home, Printing
from vpnmigrate.cli.subjects import RunId


def show(
    context: typer.Context,
    run: RunId,
    aws: Aws,
    home: Home,
    printing: Printing,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write it there: .md or .html."),
    ] = None,
    survey: Annotated[
        bool,
        typer.Option("--survey", help="Read AWS once more and compare; kept with the run."),
    ] = False,
) -> None:
    """Tell what a run did, for whoever was not there.

    Outages, planned against actual, people, every call with its request id, timeline.  The word
    show may be left out.  Asks AWS nothing without --survey.
    """
    from vpnmigrate.cli.desk import desk_of
    from vpnmigrate.cli.reporting import evidence_of, survey_after, write
    from vpnmigrate.report import document as forms
    from vpnmigrate.report import evidence as view

    desk = desk_of(context, home, printing)
    found = desk.runs.find(run)
    if survey:
        survey_after(desk, aws, found)
    evidence = evidence_of(found)
    told = view.document(evidence)
    if output is not None:
        write(told, output)
    text = forms.text(told) if output is None else f"Written to {output}."
    desk.results.give(text, view.as_json(evidence))
