"""Every known edge case is tested by name, or has a reason why not."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "cases.md"
NUMBERS = range(1, 76)
_ROW = re.compile(r"^\| (\d+) \| .+ \| .+ \| (.+) \|$", re.MULTILINE)
_REASON = re.compile(r"^- \*\*(\d+)\*\*: \S.{20,}", re.MULTILINE)


def _tested() -> dict[int, str]:
    page = PAGE.read_text(encoding="utf-8")
    return {int(number): tests for number, tests in _ROW.findall(page)}


def _excused() -> set[int]:
    page = PAGE.read_text(encoding="utf-8")
    return {int(number) for number in _REASON.findall(page)}


def test_the_page_has_every_case() -> None:
    """The tables number the cases from 1 on, without a gap."""
    assert list(_tested()) == list(NUMBERS)


def test_a_case_is_tested_or_excused() -> None:
    """A case has tests, or the page gives the reason why it has none; never both."""
    tested, excused = _tested(), _excused()

    assert [n for n in NUMBERS if (tested[n] != "-") is (n in excused)] == []
