"""Runbook as Markdown, HTML and JSON."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from vpnmigrate.model.plan import Plan
from vpnmigrate.report import timeline
from vpnmigrate.report.diagrams import ROW, WIDTH, pictures_of
from vpnmigrate.report.html_templates import html_templates
from vpnmigrate.report.runbook.content import Runbook
from vpnmigrate.report.text import safe, safe_lines
from vpnmigrate.report.timeline import TimelinePicture

if TYPE_CHECKING:
    from jinja2 import Environment


def markdown(book: Runbook) -> str:
    """Return the document as Markdown; each fenced shell block names its direction and row."""
    return _markdown().get_template("runbook.md.j2").render(book=book)


def html(book: Runbook, plan: Plan, schedule: TimelinePicture) -> str:
    """Return the document as one page, with its *schedule* and pictures of *plan*.

    It is self-contained, and its content security policy forbids a browser to fetch anything.
    """
    template = html_templates().get_template("runbook.html.j2")
    return template.render(
        book=book,
        pictures=pictures_of(plan),
        schedule=schedule,
        timeline_width=timeline.WIDTH,
        bar_height=timeline.BAR_HEIGHT,
        width=WIDTH,
        row=ROW,
        chapters=CHAPTERS,
        # The only value in the style sheet, where it cannot be escaped: a hexadecimal number.
        fingerprint=f"{int(plan.fingerprint or '0', 16):064x}",
    )


def as_json(book: Runbook) -> dict[str, Any]:
    """Return the document as JSON."""
    document: dict[str, Any] = msgspec.to_builtins(book)
    return document


class _Written(str):
    """Markdown that must not be escaped again."""

    __slots__ = ()


CHAPTERS = (
    "Before, during, after",
    "Impact",
    "Preconditions",
    "Pre-checks",
    "Go or no-go: cutover",
    "Staging: steps 1 to 6",
    "Cutover: steps 7 to 10",
    "Decision deadline",
    "Rollback",
    "Stuck",
    "Post-checks",
    "Communications",
    "Finalize: a separate change",
    "Known failures",
    "Appendix A: without this program",
    "Appendix B: sources of the limits",
    "Appendix C: tunnel options, old and new",
    "Appendix D: for the engineer of each device",
)
"""Chapters of the HTML page; Markdown has no pictures, and the shell beside each row."""


@cache
def _markdown() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # Markdown, not HTML: ``finalize`` escapes every value.
    environment = Environment(  # noqa: S701
        loader=PackageLoader("vpnmigrate.report"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_escaped,
    )
    environment.filters.update(code=_code, fenced=_fenced, written=_Written)
    environment.globals["blank"] = _Written("\\_" * 16)
    return environment


_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~])")


def _escaped(value: object) -> object:
    """Return data escaped for Markdown; output of macros and filters is left unchanged."""
    if not isinstance(value, str) or isinstance(value, _Written):
        return value
    return _Written(_SPECIAL.sub(r"\\\1", safe(value)))


def _code(text: str) -> _Written:
    """Return a command as code, inside or outside a table; empty for an empty text."""
    if not text:
        return _Written()
    fence = "`" * (_longest_run(text) + 1)
    return _Written(f"{fence}{safe(text).replace('|', chr(92) + '|')}{fence}")


def _fenced(text: str, info: str) -> _Written:
    """Return a block of code with a fence that no line of it can close."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return _Written(f"{fence}{info}\n{safe_lines(text)}\n{fence}")


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)
