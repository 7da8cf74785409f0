"""Progress bars: on a terminal that can draw in place, and what is shown elsewhere."""

from __future__ import annotations

import io
import re

import pytest

from tests.support.builders import a_plan
from vpnmigrate.rehearsal.rehearse import PARTS, rehearse
from vpnmigrate.report.colour import ColourChoice
from vpnmigrate.report.console import Console
from vpnmigrate.report.progress_bars import RehearsalProgress, ScanProgress


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Return that it is one."""
        return True


def told(stream: io.StringIO) -> str:
    """Rehearse a small plan with its progress on *stream*; return what was written."""
    console = Console(stream, colour=ColourChoice.NEVER)
    with RehearsalProgress(console, PARTS) as progress:
        rehearse(a_plan(), progress.begin)
    return stream.getvalue()


def test_elsewhere_each_part_is_a_line():
    """Without a terminal nothing is drawn in place."""
    lines = told(io.StringIO()).splitlines()

    assert len(lines) == PARTS
    assert lines[0] == "migration, steps 1 to 10"
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize(("name", "drawn"), [("xterm-256color", True), ("dumb", False)])
def test_on_a_terminal_the_bar_says_what_is_left(monkeypatch, name, drawn):
    """The last part has none left; a terminal that cannot draw gets lines."""
    monkeypatch.setenv("TERM", name)

    written = told(Screen())

    assert ("0 parts left" in written) is drawn
    assert bool(re.search(r"\x1b\[\d*[AKlh]|\x1b\[\?25", written)) is drawn


@pytest.mark.parametrize(("name", "drawn"), [("xterm-256color", True), ("dumb", False)])
def test_a_scan_is_drawn_or_silent(monkeypatch, name, drawn):
    """Its work grows while it is done; a terminal that cannot draw gets nothing."""
    monkeypatch.setenv("TERM", name)
    stream = Screen()

    with ScanProgress(Console(stream, colour=ColourChoice.NEVER), 1) as progress:
        progress.advance(more=2, gateways=1, unread=1)

    assert ("1/3" in stream.getvalue()) is drawn
    assert ("1 gateway, 1 NOT READ" in stream.getvalue()) is drawn
    assert bool(stream.getvalue()) is drawn
