"""Watch: the live screen of a run, from another terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import Protocol

from vpnmigrate.cli.context import CommandContext
from vpnmigrate.cli.options import PromptOptions
from vpnmigrate.cli.run_status import status_view_of, status_views
from vpnmigrate.cli.signals import at_suspension
from vpnmigrate.journal import replay
from vpnmigrate.journal.exit_code import exit_code_of_run
from vpnmigrate.journal.records import Entry
from vpnmigrate.journal.run_clock import run_clock
from vpnmigrate.local.documents import read_plan
from vpnmigrate.local.journal_file import read_journal
from vpnmigrate.local.live_view import read_live
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.errors import Exit, InterruptedRunError, UsageError
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.report.names import NamesOfRun
from vpnmigrate.report.progress import Narrator, PlainProgress
from vpnmigrate.report.screen import ScreenContent
from vpnmigrate.report.status import RunStatusView
from vpnmigrate.report.text import RunCommands

PACE = timedelta(seconds=1)
SHOWN_BEFORE = 10
"""Journal entries that are shown when watching starts."""


def working_run(context: CommandContext) -> Run:
    """Return the only run that a process works on.

    Raises:
        UsageError: No run is active, or several are.
    """
    at_work = [view.run for view in status_views(context).views if view.alive]
    if len(at_work) != 1:
        listed = ", ".join(at_work) or "none"
        raise UsageError(
            f"name the run to watch; active runs: {listed}",
            advice=cli("status", "--watch", "RUN"),
        )
    return context.runs.find(at_work[0])


def watch_run(context: CommandContext, run: Run) -> tuple[RunStatusView, Exit]:
    """Show *run* while a process works on it; return its status then, and its exit code.

    Raises:
        InterruptedRunError: The operator stopped watching; the run continues.
    """
    try:
        with _window(context, run) as window:
            while True:
                view = status_view_of(context, run)
                window.show(view)
                if not view.alive or view.state.finished:
                    return view, exit_code_of_run(view.state, view.entries)
                context.dependencies.clock.sleep(PACE)
    except KeyboardInterrupt:
        raise InterruptedRunError(
            f"stopped watching; run {run.id} continues", advice=cli("status", "--watch", run.id)
        ) from None


class WatchView(Protocol):
    """Display of a run."""

    def show(self, view: RunStatusView) -> None:
        """Show the status, and the new entries of the journal."""
        ...


@contextmanager
def _window(context: CommandContext, run: Run) -> Iterator[WatchView]:
    if not context.console.can_draw:
        yield _Lines(context, run)
        return
    from vpnmigrate.report.input_line import muted
    from vpnmigrate.report.terminal import ProgressLine, Screen

    at_terminal = context.dependencies.operator_present(PromptOptions())
    with (
        Screen(context.console) as screen,
        at_suspension(lambda: screen.leave(())),
        muted(sys.stdin) if at_terminal else nullcontext(),
    ):
        on = RunCommands(run.id, context.invocation)
        narrator = _narrator(run, on)
        lines: list[int] = []

        class Drawn:
            def show(self, view: RunStatusView) -> None:
                fresh = _fresh(view.entries, lines)
                above = [ProgressLine(each) for entry in fresh for each in narrator.lines(entry)]
                live = read_live(run)
                shown = ScreenContent(
                    on,
                    view.state,
                    view.now,
                    live.waiting,
                    live.sight,
                    ahead=view.ahead,
                    names=view.names,
                    usual_outage=live.usual_outage,
                    devices=view.devices,
                )
                screen.draw(shown, above)

        yield Drawn()


class _Lines:
    """Display for a log or a pipe: new entries, line by line."""

    def __init__(self, context: CommandContext, run: Run) -> None:
        clock = run_clock(context.dependencies.clock, read_journal(run).entries)
        on = RunCommands(run.id, context.invocation)
        self._progress = PlainProgress(context.console, clock, narrator=_narrator(run, on))
        self._run = run
        self._journal_facts: list[int] = []

    def show(self, view: RunStatusView) -> None:
        for entry in _fresh(view.entries, self._journal_facts):
            self._progress.on_entry(entry)
        if (waiting := read_live(self._run).waiting) is not None:
            self._progress.on_wait(waiting.step, waiting.why, waiting.waited, waiting.limit)


def _narrator(run: Run, on: RunCommands) -> Narrator:
    """Return a narrator that has read the entries that are not shown."""
    before = read_journal(run).entries[:-SHOWN_BEFORE]
    return Narrator(on, NamesOfRun(read_plan(run.plan), before), replay(before))


def _fresh(entries: tuple[Entry, ...], lines: list[int]) -> tuple[Entry, ...]:
    """Return the entries that were not shown yet, and record them in *lines* as shown."""
    fresh = entries[lines[-1] :] if lines else entries[-SHOWN_BEFORE:]
    lines[:] = [len(entries)]
    return fresh
