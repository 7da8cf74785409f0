"""The live screen on a real pseudo-terminal: redraw rate, and a terminal that is not read."""

from __future__ import annotations

import os
import pty
import re
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TextIO

import pyte
import pytest

from tests.report.examples import a_journal
from vpnmigrate.journal.records import Noted, OutageBegan, StepBegun
from vpnmigrate.model.clock import SteadyClock
from vpnmigrate.report.console import Console
from vpnmigrate.report.progress import Narrator
from vpnmigrate.report.terminal import TerminalProgress
from vpnmigrate.report.text import RunCommands

PATIENCE = 30
"""Seconds for written output to be read on a busy machine."""
WATCHED = 2.2
"""Seconds for which the first test watches the screen."""


def narrator() -> Narrator:
    """Return the narrator of a run."""
    return Narrator(RunCommands("m-1"))


class Window:
    """Terminal of 80 columns and 24 lines, which is not read before *watch*."""

    def __init__(self) -> None:
        self._ours, theirs = pty.openpty()
        self.stream: TextIO = os.fdopen(theirs, "w", encoding="utf-8")
        self._shown = b""
        self._reader = threading.Thread(target=self._read, daemon=True)

    def watch(self) -> None:
        self._reader.start()

    def _read(self) -> None:
        # A read fails only when no writer is left and all output was read.
        with suppress(OSError):
            while True:
                self._shown += os.read(self._ours, 65_536)

    def lines(self) -> list[str]:
        """Return the lines of the window as they are now, when no more is written."""
        seen = -1
        while seen != len(self._shown):
            seen = len(self._shown)
            time.sleep(WATCHED / 4)
        screen = pyte.Screen(80, 24)
        pyte.ByteStream(screen).feed(self._shown)
        return [line.rstrip() for line in screen.display]

    def shown(self) -> bytes:
        """Close the writer's side and return everything that was written.

        A run waits two seconds for its last lines, which a busy machine may draw later.
        """
        for thread in threading.enumerate():
            if thread.name == "screen":
                thread.join(PATIENCE)
        self.stream.close()
        self._reader.join(PATIENCE)
        return self._shown

    def close(self) -> None:
        os.close(self._ours)


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> Iterator[Window]:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    window = Window()
    yield window
    window.close()
    with suppress(OSError):  # Unread output.
        window.stream.close()


def test_draws_once_a_second_however_much_happens(window):
    """The screen is drawn once a second, without colour, however fast observations come."""
    window.watch()
    began = time.monotonic()

    with TerminalProgress(
        Console(window.stream), SteadyClock(), Narrator(RunCommands("m-1"))
    ) as progress:
        for entry in a_journal(OutageBegan(SteadyClock().now()), StepBegun(10, "Switch")):
            progress.on_entry(entry)
        while time.monotonic() - began < WATCHED:
            progress.on_wait(10, "not yet", timedelta(seconds=1), timedelta(minutes=60))
            threading.Event().wait(0.01)
        took = time.monotonic() - began

    shown = window.shown()
    assert 1 <= shown.count(b"waits ") <= took + 1
    assert b"OUTAGE" in shown
    assert b"\x1b[3" not in shown.replace(b"\x1b[3J", b"")


def test_an_unread_terminal_does_not_block_the_run(window):
    """With Ctrl-S, or a dead connection, the screen waits and the run continues."""
    with TerminalProgress(
        Console(window.stream), SteadyClock(), Narrator(RunCommands("m-1"))
    ) as progress:
        for entry in a_journal(*(Noted("x" * 200) for _ in range(400))):
            progress.on_entry(entry)
            progress.on_wait(8, "not yet", timedelta(), timedelta(minutes=45))
        progress.print_line("still there?")

    # The run has reached this point; the writer is blocked until the terminal is read.
    assert any(thread.name == "screen" for thread in threading.enumerate())


def test_a_suspended_run_leaves_a_whole_window_to_the_shell(window):
    """The screen is removed before the process is stopped, and drawn anew below the shell's lines.

    Before, the shell wrote over it, and the next redraw left a part of it above.
    """
    window.watch()
    with TerminalProgress(Console(window.stream), SteadyClock(), narrator()) as progress:
        for entry in a_journal(OutageBegan(SteadyClock().now()), StepBegun(10, "Switch")):
            progress.on_entry(entry)
        progress.on_wait(10, "not yet", timedelta(seconds=1), timedelta(minutes=60))
        progress.print_line("before")
        with progress.without_screen("Suspended"):
            suspended = window.lines()
            print("[1]+  Stopped\r\n$ fg\r", file=window.stream, flush=True)
        progress.print_line("after")
        resumed = window.lines()

    assert "Suspended" in suspended
    assert not [line for line in suspended if line.startswith(("waits", "OUTAGE"))]
    told = [line for line in resumed if line in {"before", "Suspended", "$ fg", "after"}]
    assert told == ["before", "Suspended", "$ fg", "after"]
    assert len([line for line in resumed if line.startswith("waits")]) == 1


class Hiccup(SteadyClock):
    """Clock that fails at its first use for drawing."""

    failed = False

    def now(self) -> datetime:
        if threading.current_thread().name == "screen" and not self.failed:
            self.failed = True
            raise OverflowError("date value out of range")
        return super().now()


def test_after_a_drawing_error_progress_continues_line_by_line(window):
    """After a drawing error, progress continues line by line."""
    window.watch()

    with TerminalProgress(
        Console(window.stream), Hiccup(), Narrator(RunCommands("m-1"))
    ) as progress:
        progress.print_line("begun")
        progress.on_wait(8, "vgw-1 is detaching", timedelta(), timedelta(minutes=45))
        for entry in a_journal(StepBegun(9, "Restore routing")):
            progress.on_entry(entry)
        progress.print_line("still there")

    shown = window.shown().decode()
    assert shown.count("The live screen failed") == 1
    assert "OverflowError: date value out of range" in " ".join(shown.split())
    lines = [
        shown.index(t) for t in ("begun", "step 8 waits 0 s", "Restore routing", "still there")
    ]
    assert lines == sorted(lines)


def test_the_screen_under_new_lines_is_as_new_as_they_are(window):
    """The screen below a new line shows the same state as the line."""
    window.watch()

    with TerminalProgress(
        Console(window.stream), SteadyClock(), Narrator(RunCommands("m-1"))
    ) as progress:
        for step in (7, 10):
            for entry in a_journal(StepBegun(step, "Switch")):
                progress.on_entry(entry)
            progress.print_line(f"begun: {step}")

    under_the_line = re.findall(rb"step (\d+) of 11", window.shown().partition(b"begun: 10")[2])
    # Rich draws the old screen with the line; the new screen follows immediately.
    assert b"10" in under_the_line[:2]


class Packets:
    """Lines beside the run: how often they were asked for."""

    pace = 0.05

    def __init__(self) -> None:
        self.asked = 0

    def lines(self) -> list[str]:
        self.asked += 1
        return [f"packets  {self.asked}"]


def test_lines_beside_the_run_are_redrawn_at_their_own_pace(window):
    """What the run does not observe itself, as packets of the lab, is below the first line."""
    window.watch()
    beside = Packets()
    progress = TerminalProgress(Console(window.stream), SteadyClock(), narrator())
    progress.beside = beside

    with progress:
        progress.on_entry(a_journal(StepBegun(10, "Switch"))[-1])
        end = time.monotonic() + PATIENCE
        while beside.asked < 5 and time.monotonic() < end:
            time.sleep(0.05)

    shown = window.shown()
    assert beside.asked >= 5
    assert b"step 10 of 11" in shown
    assert b"packets  4" in shown
