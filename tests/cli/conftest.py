"""Fixture of a terminal with a sandbox, in this process and in virtual time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.terminal import Terminal


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """A terminal in an empty directory, with a sandbox of the scenario ``single-bgp``."""
    monkeypatch.chdir(tmp_path)
    return Terminal(tmp_path, capsys)
