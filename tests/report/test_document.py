"""One document in three forms, each safe against injection."""

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
    """For any name tag, lines stay within 80 columns and contain no control characters."""
    output = text(DOCUMENT)

    assert all(len(line) <= 80 for line in output.splitlines())
    assert "\x1b" not in output
    assert "!!!!" in output


def test_a_verdict_or_duration_is_not_folded_within_a_word():
    """A narrow column of a wide table broke PASS into two lines."""
    rows = (("gate", "PASS", "9 h 59 min", "some words about it"),)
    page = html(ReportDocument("x", (Section("y", (), DocumentTable(("a", "b"), rows)),)))

    for cell in ("PASS", "9 h 59 min"):
        assert f'<td class="whole">{cell}</td>' in page
    assert "<td>some words about it</td>" in page


def test_markdown_keeps_what_it_quotes_in_its_cell():
    """A bar or a line end in a value creates no cell, heading, link or tag."""
    (row,) = [line for line in markdown(DOCUMENT).splitlines() if line.startswith("| now")]

    assert row.replace("\\|", "").count("|") == 3
    assert "\\<script\\>" in row
    assert "\\[a\\]" in row


def test_html_is_one_page_that_runs_and_loads_nothing():
    """The page has no script, link or image, whatever its values."""
    seen: set[str] = set()

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            seen.add(tag)

    Reader().feed(html(DOCUMENT))
    assert {"table", "section", "h1", "style"} <= seen
    assert not seen & {"script", "link", "img", "a", "iframe"}
    assert 'class="loud"' in html(DOCUMENT)
