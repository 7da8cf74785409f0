"""Document: sections, sentences and tables as text, Markdown and HTML.

The content may come from name tags and other outside sources: each form escapes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from vpnmigrate.report.text import WIDTH, columns, heading, item, safe, wrapped


@dataclass(frozen=True)
class DocumentTable:
    """Rows under a head; the first column is the key of a row."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Section:
    """A section with a title: sentences, then a table."""

    title: str
    says: tuple[str, ...] = ()
    table: DocumentTable | None = None
    loud: bool = False
    """Whether the section is marked as a warning."""


@dataclass(frozen=True)
class ReportDocument:
    """A whole document."""

    title: str
    sections: tuple[Section, ...]


def text(document: ReportDocument) -> str:
    """Return *document* as text of 80 columns."""
    return "\n\n".join([wrapped(document.title), *map(_section_text, document.sections)])


def _section_text(section: Section) -> str:
    mark = "!" * WIDTH + "\n" if section.loud else ""
    lines = [item(sentence) for sentence in section.says]
    if section.table is not None:
        lines.append(
            columns((first, ", ".join(filter(None, rest))) for first, *rest in section.table.rows)
        )
    return mark + heading(section.title) + "\n".join(lines)


def markdown(document: ReportDocument) -> str:
    """Return *document* as Markdown."""
    return "\n\n".join([f"# {_md(document.title)}", *map(_section_md, document.sections)]) + "\n"


def _section_md(section: Section) -> str:
    title = f"**{_md(section.title)}**" if section.loud else _md(section.title)
    parts = [f"## {title}"]
    if section.says:
        parts.append("\n".join(f"- {_md(sentence)}" for sentence in section.says))
    if section.table is not None:
        parts.append("\n".join(_table_md(section.table)))
    return "\n\n".join(parts)


def _table_md(table: DocumentTable) -> Iterator[str]:
    yield f"| {' | '.join(map(_md, table.head))} |"
    yield f"| {' | '.join('---' for _ in table.head)} |"
    for row in table.rows:
        yield f"| {' | '.join(map(_md, row))} |"


def _md(text: str) -> str:
    """Escape everything in *text* that Markdown, or HTML within it, would interpret."""
    return _SPECIAL.sub(r"\\\g<0>", safe(text))


_SPECIAL = re.compile(r"[\\`*_{}\[\]<>#|~]")


def html(document: ReportDocument) -> str:
    """Return *document* as one self-contained HTML page without scripts."""
    title = escape(safe(document.title))
    body = "\n".join(map(_section_html, document.sections))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{title}</title>\n<style>\n{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{title}</h1>\n{body}\n</body>\n</html>\n"
    )


def _section_html(section: Section) -> str:
    loud = ' class="loud"' if section.loud else ""
    parts = [f"<section{loud}>", f"<h2>{escape(safe(section.title))}</h2>"]
    if section.says:
        text = "".join(f"<li>{escape(safe(sentence))}</li>" for sentence in section.says)
        parts.append(f"<ul>{text}</ul>")
    if section.table is not None:
        parts += ["<table>", _row_html(section.table.head, "th")]
        parts += [_row_html(row, "td") for row in section.table.rows]
        parts.append("</table>")
    return "\n".join([*parts, "</section>"])


def _row_html(row: tuple[str, ...], kind: str) -> str:
    cells = "".join(f"<{kind}>{escape(safe(cell))}</{kind}>" for cell in row)
    return f"<tr>{cells}</tr>"


_STYLE = """\
body { font: 15px/1.4 sans-serif; max-width: 75em; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; width: 100%; }
th, td { border: 1px solid #999; padding: 0.2em 0.5em; text-align: left; vertical-align: top; }
td { font-family: monospace; overflow-wrap: anywhere; }
.loud { border: 4px solid #b00; padding: 0 1em; }
@media print { section { break-inside: avoid-page; } body { margin: 0; } }
"""
