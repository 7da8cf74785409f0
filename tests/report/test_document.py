"""One document in three forms, none of which what it quotes can break out of."""

from __future__ import annotations

from html.parser import HTMLParser

from vpnmigrate.report.document import DocumentTable, ReportDocument, Section, html, markdown, text

HOSTILE = "<script>alert('x')</script> | [a](javascript:b) `c` \x1b[2J\n# d"
DOCUMENT = ReportDocument(
    "A & B",
    (
        Section("Loud", ("take care",), loud=True),
        Section("Rows", (), DocumentTable(("when", "what"), (("now", HOSTILE),))),
    ),
)


def test_text_fits_a_terminal_and_moves_no_cursor():
    """Whatever a name tag holds, lines stay within eighty columns and hold no control codes."""
    output = text(DOCUMENT)

    assert all(len(line) <= 80 for line in output.splitlines())
    assert "\x1b" not in output
    assert "!!!!" in output


def test_markdown_keeps_what_it_quotes_in_its_cell():
    """A bar or a line's end in a value makes no new cell, no heading, no link and no tag."""
    (row,) = [line for line in markdown(DOCUMENT).splitlines() if line.startswith("| now")]

    assert row.replace("\\|", "").count("|") == 3
    assert "\\<script\\>" in row
    assert "\\[a\\]" in row


def test_html_is_one_page_that_runs_and_loads_nothing():
    """The page has no script, no link and no image, whatever was put into it."""
    seen: set[str] = set()

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            seen.add(tag)

    Reader().feed(html(DOCUMENT))
    assert {"table", "section", "h1", "style"} <= seen
    assert not seen & {"script", "link", "img", "a", "iframe"}
    assert 'class="loud"' in html(DOCUMENT)
