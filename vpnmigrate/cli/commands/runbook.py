"""Command ``runbook``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from vpnmigrate.cli.context import command_context
from vpnmigrate.cli.options import OutputOptions, PlanFile, RunDirectoryOptions
from vpnmigrate.commands import Invocation, cli
from vpnmigrate.errors import RefusedError, UsageError
from vpnmigrate.local.documents import load_plan, save_text
from vpnmigrate.model.plan import Plan
from vpnmigrate.rehearsal.rehearse import rehearse
from vpnmigrate.report.runbook import runbook_of
from vpnmigrate.report.runbook.content import Runbook
from vpnmigrate.report.runbook.render import html, markdown


def runbook(
    ctx: typer.Context,
    plan: PlanFile,
    printing: OutputOptions,
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
    from vpnmigrate.report.runbook.render import as_json

    context = command_context(ctx, RunDirectoryOptions(), printing)
    write = as_markdown if output is None else writer_for(output)
    planned = load_plan(plan)
    book = runbook_for(planned, context.file(plan), context.invocation, context.console.print_line)
    text = write(book, planned)
    if output is not None:
        save_text(text, output)
        text = f"wrote {output}"
    context.results.print(text.rstrip("\n"), as_json(book))


Writer = Callable[[Runbook, Plan], str]


def as_markdown(book: Runbook, plan: Plan) -> str:
    """Write Markdown, which has no pictures of *plan*."""
    del plan
    return markdown(book)


_WRITERS: dict[str, Writer] = {".md": as_markdown, ".html": html}


def writer_for(file: Path) -> Writer:
    """Return what writes the form that *file*'s name asks for.

    Raises:
        UsageError: It asks for none that there is.
    """
    if file.suffix not in _WRITERS:
        raise UsageError(
            f"{file}: a runbook is Markdown or HTML",
            advice="give -o a file that ends in .md or .html",
        )
    return _WRITERS[file.suffix]


def runbook_for(
    plan: Plan, file: str, invocation: Invocation, tell: Callable[[str], None]
) -> Runbook:
    """Rehearse *plan* and write its document; its commands name *file*.

    Raises:
        RefusedError: The rehearsal did not come back from everywhere: nobody should carry it out.
    """
    rehearsal = rehearse(plan, tell)
    if not rehearsal.good:
        raise RefusedError(
            f"the rehearsal of {file} failed, so there is no runbook for it",
            advice=cli("rehearse", file),
        )
    return runbook_of(plan, rehearsal, file, invocation)
