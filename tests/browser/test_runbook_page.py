"""The runbook's page in a real browser: its elements, pixels and PDF."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.report.books import EVIL, a_large_plan, a_plan, a_rehearsal, an_evil_plan
from tests.report.test_runbook import Elements
from vpnmigrate.errors.commands import Invocation
from vpnmigrate.report.runbook import runbook_of
from vpnmigrate.report.runbook.render import CHAPTERS, html

WHITE = (255, 255, 255)
GREEN, RED, GREY = (0x1A, 0x7F, 0x37), (0xB4, 0x23, 0x18), (0xAF, 0xB8, 0xC1)
"""The style sheet's colours: carries traffic, should carry it, carries none."""


@pytest.fixture
def page(tmp_path: Path):
    """Return a function that writes the page of a plan to a file."""

    def written(plan):
        file = tmp_path / "change.html"
        file.write_text(
            html(runbook_of(plan, a_rehearsal(), "plan.json", Invocation()), plan), encoding="utf-8"
        )
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
    image = chromium.painted(page(a_large_plan()), 900, 3600)

    colours = image.colours()
    assert colours.most_common(1)[0][0] == WHITE
    assert min(colours[GREEN], colours[RED], colours[GREY]) > 20
    assert image.column(0) | image.column(image.width - 1) == {WHITE}


def test_it_prints(chromium, page):
    """The PDF has pages, with every chapter."""
    printed = chromium.printed(page(a_plan()))

    assert printed.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type /Page\b", printed)) > len(CHAPTERS)
