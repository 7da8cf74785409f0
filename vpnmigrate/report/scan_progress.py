"""Progress of a scan: a bar on a terminal, nothing elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO, cast

from vpnmigrate.report.console import Console
from vpnmigrate.report.text import count

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PER_SECOND = 4
"""Redraws; more would fill up a slow line to the terminal."""


class ScanProgress:
    """A bar on standard error that disappears at the end, if a person can see it there."""

    def __init__(self, console: Console, works: int) -> None:
        self._total = works
        self._done = 0
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        if console.stream.isatty():
            self._bar = _bar(console)
            self._task = self._bar.add_task("Reading", total=works)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, *, more: int, gateways: int, unread: int) -> None:
        """Show that one piece of work is done and brought *more*, and what was found so far."""
        self._total += more
        self._done += 1
        if self._bar is not None and self._task is not None:
            lost = f", {unread} NOT READ" if unread else ""
            self._bar.update(
                self._task,
                completed=self._done,
                total=self._total,
                description=f"{count(gateways, 'gateway')}{lost}",
            )


def _bar(console: Console) -> Progress:
    from rich.console import Console as RichConsole
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    stream = cast("TextIO", console.stream)
    rich = RichConsole(file=stream, highlight=False, markup=False, no_color=not console.colour)
    return Progress(
        TextColumn("Reading"),
        MofNCompleteColumn(),
        BarColumn(bar_width=30),
        TextColumn("{task.description}"),
        console=rich,
        transient=True,
        refresh_per_second=PER_SECOND,
        redirect_stdout=False,
        redirect_stderr=False,
    )
