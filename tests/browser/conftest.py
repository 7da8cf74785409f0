"""Fixture of a headless browser, for every test of a page."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.browser.chromium import MISSING, REQUIRED, Chromium, found


@pytest.fixture
def chromium(tmp_path: Path) -> Chromium:
    program = found()
    if program is None and os.environ.get(REQUIRED) == "required":
        pytest.fail(MISSING)
    if program is None:
        pytest.skip(MISSING)
    return Chromium(program, tmp_path)
