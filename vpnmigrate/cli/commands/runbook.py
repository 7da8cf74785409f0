"""Command ``runbook``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from vpnmigrate.cli.context import command_context
from vpnmigrate.cli.options import OutputOptions, PlanFile, RunDirectoryOptions
from vpnmigrate.errors import RefusedError, UsageError
from vpnmigrate.errors.commands import Invocation, cli
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
            help="File to write; the suffix selects the format: .md or .html.",
        ),
    ] = None,
) -> None:
    """Write the change document of a plan.

    Contains impact, checks, gates, timed steps, the rollback, and the AWS CLI commands of each
    step.  Writes Markdown to standard output, or a file.  To get the times, rehearses the plan in
    this process; reads no credentials and opens no connection.  Its commands contain the path of
    the plan and the settings of this environment.
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
    """Return the runbook as Markdown, which has no pictures of *plan*."""
    del plan
    return markdown(book)


_WRITERS: dict[str, Writer] = {".md": as_markdown, ".html": html}


def writer_for(file: Path) -> Writer:
    """Return the writer of the format that the suffix of *file* selects.

    Raises:
        UsageError: No format has this suffix.
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
    """Rehearse *plan* and return its runbook, whose commands name *file*.

    Raises:
        RefusedError: The rehearsal failed, so the plan should not be applied.
    """
    rehearsal = rehearse(plan, tell)
    if not rehearsal.good:
        raise RefusedError(
            f"the rehearsal of {file} failed, so there is no runbook for it",
            advice=cli("rehearse", file),
        )
    return runbook_of(plan, rehearsal, file, invocation)
