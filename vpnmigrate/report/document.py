"""Document: sections, sentences and tables as text, Markdown and HTML.

The content may come from name tags and other outside sources: each form escapes it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html import escape

from msgspec import Struct
from msgspec.structs import replace

from vpnmigrate.report.html_templates import html_templates
from vpnmigrate.report.text import WIDTH, columns, heading, item, safe, wrapped
from vpnmigrate.report.timeline import BAR_HEIGHT, LEGEND, TimelinePicture
from vpnmigrate.report.timeline import WIDTH as WIDTH_OF_TIMELINE


class DocumentTable(Struct, frozen=True):
    """Rows under a head; the first column is the key of a row."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Section(Struct, frozen=True):
    """A section with a title: sentences, then a table."""

    title: str
    says: tuple[str, ...] = ()
    table: DocumentTable | None = None
    loud: bool = False
    """Whether the section is marked as a warning."""
    boxed: bool = False
    """Whether the section is the box at the top of the document."""
    timeline: TimelinePicture | None = None
    """A picture, for HTML; text and Markdown have its lanes as a list."""

    def mapped(self, change: Callable[[str], str]) -> Section:
        """Return the section with *change* applied to its sentences and cells."""
        table = self.table
        if table is not None:
            rows = tuple(tuple(map(change, row)) for row in table.rows)
            table = replace(table, rows=rows)
        return replace(self, says=tuple(map(change, self.says)), table=table)


class ReportDocument(Struct, frozen=True):
    """A whole document."""

    title: str
    sections: tuple[Section, ...]


def text(document: ReportDocument) -> str:
    """Return *document* as text of 80 columns."""
    return "\n\n".join([wrapped(document.title), *map(_section_text, document.sections)])


def _section_text(section: Section) -> str:
    mark = "!" * WIDTH + "\n" if section.loud else ""
    lines = [item(sentence) for sentence in _sentences(section)]
    if section.table is not None:
        lines.append(
            columns((first, ", ".join(filter(None, rest))) for first, *rest in section.table.rows)
        )
    return mark + heading(section.title) + "\n".join(lines)


def _sentences(section: Section) -> Iterator[str]:
    yield from section.says
    for lane in section.timeline.lanes if section.timeline else ():
        yield ", ".join((f"{lane.title}: {lane.length}", *(down.label for down in lane.outages)))


def markdown(document: ReportDocument) -> str:
    """Return *document* as Markdown."""
    return "\n\n".join([f"# {_md(document.title)}", *map(_section_md, document.sections)]) + "\n"


def _section_md(section: Section) -> str:
    title = f"**{_md(section.title)}**" if section.loud else _md(section.title)
    parts = [f"## {title}"]
    if lines := [f"- {_md(sentence)}" for sentence in _sentences(section)]:
        parts.append("\n".join(lines))
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
        f"<title>{title}</title>\n{_POLICY}\n<style>\n{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{title}</h1>\n{body}\n</body>\n</html>\n"
    )


_POLICY = (
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
)


def _section_html(section: Section) -> str:
    kind = "loud" if section.loud else "box" if section.boxed else ""
    parts = [f'<section class="{kind}">' if kind else "<section>"]
    parts += [f"<h2>{escape(safe(section.title))}</h2>"]
    if section.says:
        text = "".join(f"<li>{escape(safe(sentence))}</li>" for sentence in section.says)
        parts.append(f"<ul>{text}</ul>")
    if section.timeline is not None:
        parts.append(_timeline_html(section.timeline))
    if section.table is not None:
        parts.append(_table_html(section.table))
    return "\n".join([*parts, "</section>"])


def _table_html(table: DocumentTable) -> str:
    """Return the table; without a head, the first cell of a row is the head of the row."""
    if any(table.head):
        head = [f"<thead>{_row_html(table.head, 'th')}</thead>"]
        rows = [_row_html(row, "td") for row in table.rows]
    else:
        head = []
        rows = [_row_html(row[:1], "th", row[1:]) for row in table.rows]
    return "\n".join(["<table>", *head, "<tbody>", *rows, "</tbody></table>"])


def _timeline_html(timeline: TimelinePicture) -> str:
    drawn = html_templates().get_template("timeline.svg.j2").module.drawn  # type: ignore[attr-defined]
    return f"{drawn(timeline, WIDTH_OF_TIMELINE, BAR_HEIGHT)}<p>{escape(LEGEND)}</p>"


def _row_html(row: tuple[str, ...], kind: str, rest: tuple[str, ...] = ()) -> str:
    """Return a row of cells of one *kind*, and the *rest* as data."""
    cells = [_cell_html(cell, kind) for cell in row]
    cells += [_cell_html(cell, "td") for cell in rest]
    return f"<tr>{''.join(cells)}</tr>"


def _cell_html(cell: str, kind: str) -> str:
    whole = ' class="whole"' if _MOMENT.fullmatch(cell) or len(cell) <= SHORT else ""
    return f"<{kind}{whole}>{escape(safe(cell))}</{kind}>"


SHORT = len("9 h 59 min")
"""Longest text of a cell that is not folded: a verdict, a kind, a duration."""

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ")


_STYLE = """\
:root { --ink: #1b1f24; --soft: #57606a; --rule: #d0d7de; --wash: #f6f8fa; --stop: #b42318; }
body { font: 15px/1.4 system-ui, "Liberation Sans", Arial, sans-serif; color: var(--ink);
  max-width: 75em; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.35em; overflow-wrap: anywhere; }
p { margin: 0.3em 0; color: var(--soft); }
h2 { font-size: 1.2em; margin: 1.6em 0 0.4em; }
ul { margin: 0.3em 0; padding-left: 1.3em; }
table { border-collapse: collapse; width: 100%; margin: 0.4em 0; font-size: 0.9em; }
th, td { border: 1px solid var(--rule); padding: 0.2em 0.5em; text-align: left;
  vertical-align: top; overflow-wrap: anywhere; }
thead th { background: var(--wash); }
td:first-child, tbody th, .whole { white-space: nowrap; font-variant-numeric: tabular-nums; }
.loud { border: 4px solid var(--stop); padding: 0 1em 0.5em; }
.box { border: 2px solid var(--ink); padding: 0 1em 0.5em; }
.box h2 { margin-top: 0.5em; }
.box th, .box td { border: 0; border-top: 1px solid var(--rule); }
svg.timeline { width: 100%; height: auto; display: block; }
svg text { font: 15px "Liberation Sans", Arial, sans-serif; fill: var(--ink); }
svg text.head { font-weight: 700; }
svg text.outage { fill: var(--stop); font-weight: 700; }
svg .axis { stroke: var(--soft); stroke-width: 1; }
svg .bar rect { stroke: #fff; stroke-width: 1; }
svg .prepare rect { fill: #b6d4f2; } svg .cutover rect { fill: #f5c26b; }
svg .finalize rect { fill: #c9b8ea; } svg .clean-up rect { fill: #d0d7de; }
svg .person { fill: var(--ink); }
svg rect.outage { fill: var(--stop); }
@page { size: A4; margin: 14mm 13mm 16mm; }
@page { @bottom-right { content: counter(page) " / " counter(pages);
  font: 8pt "Liberation Sans", Arial, sans-serif; color: #57606a; } }
@media print {
  body { margin: 0; padding: 0; max-width: none; font-size: 9pt; }
  h2 { break-after: avoid; } tr, .box, svg { break-inside: avoid; }
  table { font-size: 8pt; } th, td { padding: 0.1em 0.4em; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
