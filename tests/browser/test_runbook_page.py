"""The runbook's page in a real browser: its elements, pixels and PDF."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.pdf import pages_of, smallest
from tests.rehearsal.test_rehearse import a_plan_of
from tests.report.books import EVIL, a_large_plan, a_page, a_plan, an_evil_plan
from tests.report.test_runbook import Elements
from vpnmigrate.report.runbook.render import CHAPTERS

WHITE = (255, 255, 255)
GREEN, RED, GREY = (0x1A, 0x7F, 0x37), (0xB4, 0x23, 0x18), (0xAF, 0xB8, 0xC1)
"""The style sheet's colours: carries traffic, should carry it, carries none."""
MOST_PAGES = 15
"""Without the appendix."""
LEAST_POINTS = 7
HEADING_POINTS = 11
"""The headings of chapters have 12."""


@pytest.fixture
def page(tmp_path: Path):
    """Return a function that writes the page of a plan to a file."""

    def written(plan):
        file = tmp_path / "change.html"
        file.write_text(a_page(plan), encoding="utf-8")
        return file

    return written


def test_an_account_full_of_markup_shows_as_text(chromium, page):
    """The browser shows a tag or name as text, without elements."""
    understood = Elements(chromium.dom(page(an_evil_plan())))

    assert not understood.named("script")
    assert {tag for tag, _ in understood.elements} <= {
        tag for tag, _ in Elements(page(a_plan()).read_text(encoding="utf-8")).elements
    }
    assert any(EVIL.split("\n", maxsplit=1)[0] in text for text in understood.texts)


def test_it_is_painted_without_being_cut_off(chromium, page):
    """With ten connections and sixty tables all three pictures are drawn without overflow."""
    image = chromium.painted(page(a_large_plan()), 900, 4700)

    colours = image.colours()
    assert colours.most_common(1)[0][0] == WHITE
    assert min(colours[GREEN], colours[RED], colours[GREY]) > 80
    assert image.column(0) | image.column(image.width - 1) == {WHITE}


def test_it_prints_on_few_pages_in_legible_letters(chromium, page):
    """Three connections take at most 15 pages and the appendix; no letter is under 7 points."""
    printed = pages_of(chromium.printed(page(a_plan_of("three-connections"))))

    heads = {
        piece.text: number
        for number, texts in enumerate(printed, start=1)
        for piece in texts
        if piece.points > HEADING_POINTS
    }
    assert set(CHAPTERS) <= heads.keys()
    assert 5 < heads[CHAPTERS[-4]] - 1 <= MOST_PAGES
    assert smallest(printed) >= LEAST_POINTS


def test_pictures_of_a_large_plan_are_legible_too(chromium, page):
    """Pictures of ten connections and sixty tables are not shrunk below 7 points."""
    printed = pages_of(chromium.printed(page(a_large_plan())), most=5)

    assert any(piece.text.startswith("vpn-") for piece in printed[-1])
    assert smallest(printed) >= LEAST_POINTS
