"""The report's page as a browser prints it."""

from __future__ import annotations

import re

from tests.browser.chromium import Chromium
from tests.rehearsal.test_rehearse import a_plan_of
from vpnmigrate.rehearsal.rehearse import rehearsal_world
from vpnmigrate.report.document import html
from vpnmigrate.report.evidence import RunEvidence, document

MOST_PAGES = 12


def test_two_attempts_print_on_few_pages(chromium: Chromium, tmp_path):
    """A cutover, its rollback and another cutover of three connections have at most 12 pages."""
    plan = a_plan_of("three-connections")
    world = rehearsal_world(plan)
    world.runner.apply()
    world.runner.rollback()
    world.runner.apply()
    entries = world.journal.entries
    page = tmp_path / "report.html"
    page.write_text(html(document(RunEvidence("m-1", plan, entries))), encoding="utf-8")

    printed = chromium.printed(page)

    assert 3 < len(re.findall(rb"/Type /Page\b", printed)) <= MOST_PAGES
