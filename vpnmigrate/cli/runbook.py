"""``vpnmigrate runbook``."""

from pathlib import Path
from typing import Annotated

import typer

from vpnmigrate.cli.flags import Home, Printing
from vpnmigrate.cli.subjects import PlanFile


def runbook(
    context: typer.Context,
    plan: PlanFile,
    printing: Printing,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where to write it; its ending says the form: .md or .html.",
        ),
    ] = None,
) -> None:
    """Write the change document of a plan.

    Markdown on standard output, or a file: impact, checks, gates, timed steps, the way back, and
    each step as commands of the AWS CLI too.  Rehearses the plan for its times, in this process;
    reads no credentials and opens no connection.  Its commands name the plan by its
    path, and repeat what this directory and environment decide.
    """
    from vpnmigrate.cli.desk import desk_of
    from vpnmigrate.cli.documents import as_markdown, book_of, writer_for
    from vpnmigrate.local.documents import load_plan, save_text
    from vpnmigrate.report.runbook.render import as_json

    desk = desk_of(context, Home(), printing)
    write = as_markdown if output is None else writer_for(output)
    planned = load_plan(plan)
    book = book_of(planned, desk.file(plan), desk.invocation, desk.console.say)
    text = write(book, planned)
    if output is not None:
        save_text(text, output)
        text = f"wrote {output}"
    desk.results.give(text.rstrip("\n"), as_json(book))
