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
    """Return whether something can be drawn in place: a terminal that knows how to go back."""
    return console.stream.isatty() and os.environ.get("TERM", "") not in _NO_SCREEN


def working_run(context: CommandContext) -> Run:
    """Return the only run that a process works on.

    Raises:
        UsageError: There is none, or there are several.
    """
    view, _ = status_views(context)
    at_work = [view.run for view in view if view.alive]
    if len(at_work) != 1:
        listed = ", ".join(at_work) or "none"
        raise UsageError(
            f"which run is to be watched? At work: {listed}",
            advice=cli("status", "--watch", "RUN"),
        )
    return context.runs.find(at_work[0])


def watch_run(context: CommandContext, run: Run) -> tuple[RunStatusView, Exit]:
    """Show *run* until nobody works on it any more; give where it stands then, and its exit code.

    Raises:
        InterruptedRunError: Whoever watched has gone; the run has not.
    """
    try:
        with _window(context, run) as window:
            while True:
                view, entries = status_view_of(context, run), read_journal(run).entries
                window.show(view, entries)
                if not view.alive or view.state.finished:
                    return view, exit_code_of_run(view.state, entries)
                context.parts.clock.sleep(PACE)
    except KeyboardInterrupt:
        raise InterruptedRunError(
            f"no longer watched; run {run.id} goes on", advice=cli("status", "--watch", run.id)
        ) from None


class WatchView(Protocol):
    """Where a run is shown."""

    def show(self, view: RunStatusView, entries: tuple[Entry, ...]) -> None:
        """Show how it stands now."""
        ...


@contextmanager
def _window(context: CommandContext, run: Run) -> Iterator[WatchView]:
    if not can_draw(context.console):
        yield _Lines(context, run)
        return
    from vpnmigrate.report.terminal import Screen

    with Screen(context.console) as screen:
        on = RunCommands(run.id, context.invocation)
        narrator = Narrator(on)
        lines: list[int] = []

        class Drawn:
            def show(self, view: RunStatusView, entries: tuple[Entry, ...]) -> None:
                fresh = _fresh(entries, lines)
                above = [hanging(line) for entry in fresh for line in narrator.lines(entry)]
                live = read_live(run)
                shown = ScreenContent(
                    on, view.state, view.now, live.waiting, live.sight, ahead=view.ahead
                )
                screen.draw(shown, above)

        yield Drawn()


class _Lines:
    """A log or a pipe: what is new, line by line."""

    def __init__(self, context: CommandContext, run: Run) -> None:
        clock = run_clock(context.parts.clock, read_journal(run).entries)
        on = RunCommands(run.id, context.invocation)
        self._progress = PlainProgress(context.console, clock, on=on)
        self._run = run
        self._journal_facts: list[int] = []

    def show(self, view: RunStatusView, entries: tuple[Entry, ...]) -> None:
        for entry in _fresh(entries, self._journal_facts):
            self._progress.on_entry(entry)
        if (waiting := read_live(self._run).waiting) is not None:
            self._progress.on_wait(waiting.step, waiting.why, waiting.waited, waiting.limit)


def _fresh(entries: tuple[Entry, ...], lines: list[int]) -> tuple[Entry, ...]:
    """Return the entries that were not shown yet, and remember that they are now."""
    fresh = entries[lines[-1] :] if lines else entries[-SHOWN_BEFORE:]
    lines[:] = [len(entries)]
    return fresh
