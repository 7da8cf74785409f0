"""``vpnmigrate runbook``."""

from pathlib import Path
from typing import Annotated

import typer

from vpnmigrate.cli.flags import Printing
from vpnmigrate.cli.subjects import PlanFile


def runbook(
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
    reads no credentials and opens no connection.  The same plan gives the same document.
    """
    from vpnmigrate.cli.desk import results_of
    from vpnmigrate.cli.documents import as_markdown, book_of, writer_for
    from vpnmigrate.files import load_plan, save_text
    from vpnmigrate.report.console import Console
    from vpnmigrate.report.runbook.views import as_json

    write = as_markdown if output is None else writer_for(output)
    planned = load_plan(plan)
    book = book_of(planned, plan, Console().say)
    text = write(book, planned)
    if output is not None:
        save_text(text, output)
        text = f"wrote {output}"
    results_of(printing).give(text.rstrip("\n"), as_json(book))
