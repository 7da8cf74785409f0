"""The change document for the command line: which form a file has, and from which rehearsal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vpnmigrate.commands import Invocation, cli
from vpnmigrate.errors import RefusedError, UsageError
from vpnmigrate.model.plan import Plan
from vpnmigrate.rehearsal.rehearse import rehearse
from vpnmigrate.report.runbook import runbook_of
from vpnmigrate.report.runbook.content import Runbook
from vpnmigrate.report.runbook.render import html, markdown

Writer = Callable[[Runbook, Plan], str]


def as_markdown(book: Runbook, plan: Plan) -> str:
    """Write Markdown, which has no pictures of *plan*."""
    del plan
    return markdown(book)


_WRITERS: dict[str, Writer] = {".md": as_markdown, ".html": html}


def writer_for(file: Path) -> Writer:
    """Give what writes the form that *file*'s name asks for.

    Raises:
        UsageError: It asks for none that there is.
    """
    if file.suffix not in _WRITERS:
        raise UsageError(
            f"{file}: a runbook is Markdown or HTML",
            advice="give -o a file that ends in .md or .html",
        )
    return _WRITERS[file.suffix]


def book_of(plan: Plan, file: str, invocation: Invocation, tell: Callable[[str], None]) -> Runbook:
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
