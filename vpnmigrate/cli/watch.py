"""Watch: the screen of a run from another terminal."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Protocol

from vpnmigrate.cli.context import CommandContext
from vpnmigrate.cli.run_status import status_view_of, status_views
from vpnmigrate.commands import cli
from vpnmigrate.errors import Exit, InterruptedRunError, UsageError
from vpnmigrate.journal.exit_code import exit_code_of_run
from vpnmigrate.journal.records import Entry
from vpnmigrate.journal.run_clock import run_clock
from vpnmigrate.local.journal_file import read_journal
from vpnmigrate.local.live_view import read_live
from vpnmigrate.local.run_directory import Run
from vpnmigrate.report.console import Console
from vpnmigrate.report.progress import Narrator, PlainProgress
from vpnmigrate.report.screen import ScreenContent
from vpnmigrate.report.status import RunStatusView
from vpnmigrate.report.text import RunCommands, hanging

PACE = timedelta(seconds=1)
SHOWN_BEFORE = 10
"""Entries of the journal that are shown to somebody who begins to look on."""
_NO_SCREEN = frozenset({"", "dumb", "unknown"})


def can_draw(console: Console) -> bool:
    """Tell whether something can be drawn in place: a terminal that knows how to go back."""
    return console.stream.isatty() and os.environ.get("TERM", "") not in _NO_SCREEN


def working_run(desk: CommandContext) -> Run:
    """Give the only run that a process works on.

    Raises:
        UsageError: There is none, or there are several.
    """
    stands, _ = status_views(desk)
    at_work = [stand.run for stand in stands if stand.alive]
    if len(at_work) != 1:
        listed = ", ".join(at_work) or "none"
        raise UsageError(
            f"which run is to be watched? At work: {listed}",
            advice=cli("status", "--watch", "RUN"),
        )
    return desk.runs.find(at_work[0])


def watch_run(desk: CommandContext, run: Run) -> tuple[RunStatusView, Exit]:
    """Show *run* until nobody works on it any more; give where it stands then, and its exit code.

    Raises:
        InterruptedRunError: Whoever watched has gone; the run has not.
    """
    try:
        with _window(desk, run) as window:
            while True:
                stand, entries = status_view_of(desk, run), read_journal(run).entries
                window.show(stand, entries)
                if not stand.alive or stand.state.finished:
                    return stand, exit_code_of_run(stand.state, entries)
                desk.parts.clock.sleep(PACE)
    except KeyboardInterrupt:
        raise InterruptedRunError(
            f"no longer watched; run {run.id} goes on", advice=cli("status", "--watch", run.id)
        ) from None


class WatchView(Protocol):
    """Where a run is shown."""

    def show(self, stand: RunStatusView, entries: tuple[Entry, ...]) -> None:
        """Show how it stands now."""
        ...


@contextmanager
def _window(desk: CommandContext, run: Run) -> Iterator[WatchView]:
    if not can_draw(desk.console):
        yield _Lines(desk, run)
        return
    from vpnmigrate.report.terminal import Screen

    with Screen(desk.console) as screen:
        on = RunCommands(run.id, desk.invocation)
        narrator = Narrator(on)
        told: list[int] = []

        class Drawn:
            def show(self, stand: RunStatusView, entries: tuple[Entry, ...]) -> None:
                fresh = _fresh(entries, told)
                above = [hanging(line) for entry in fresh for line in narrator.lines(entry)]
                live = read_live(run)
                shown = ScreenContent(
                    on, stand.state, stand.now, live.waiting, live.sight, ahead=stand.ahead
                )
                screen.draw(shown, above)

        yield Drawn()


class _Lines:
    """A log or a pipe: what is new, line by line."""

    def __init__(self, desk: CommandContext, run: Run) -> None:
        clock = run_clock(desk.parts.clock, read_journal(run).entries)
        on = RunCommands(run.id, desk.invocation)
        self._progress = PlainProgress(desk.console, clock, on=on)
        self._run = run
        self._told: list[int] = []

    def show(self, stand: RunStatusView, entries: tuple[Entry, ...]) -> None:
        for entry in _fresh(entries, self._told):
            self._progress.on_entry(entry)
        if (waiting := read_live(self._run).waiting) is not None:
            self._progress.on_wait(waiting.step, waiting.why, waiting.waited, waiting.limit)


def _fresh(entries: tuple[Entry, ...], told: list[int]) -> tuple[Entry, ...]:
    """Give the entries that were not shown yet, and remember that they are now."""
    fresh = entries[told[-1] :] if told else entries[-SHOWN_BEFORE:]
    told[:] = [len(entries)]
    return fresh
