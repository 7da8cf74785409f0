"""Progress bars: of a rehearsal and of a scan, drawn in place where a terminal can do that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from vpnmigrate.report.console import Console
from vpnmigrate.report.text import count

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, TaskID

PER_SECOND = 4
"""Redraws; more would fill up a slow line to the terminal."""


class ProgressBar:
    """A bar that disappears at the end; nothing if the console cannot draw in place."""

    def __init__(
        self, console: Console, total: int, columns: Callable[[], Sequence[ProgressColumn]]
    ) -> None:
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        if console.can_draw:
            from rich.progress import Progress

            self._bar = Progress(
                *columns(),
                console=console.rich(),
                transient=True,
                refresh_per_second=PER_SECOND,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._task = self._bar.add_task("", total=total)

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

    def _draw(self, done: int, total: int, text: str) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=total, description=text)


class RehearsalProgress(ProgressBar):
    """Tells which of *parts* runs is in progress; a line for each where no bar is drawn."""

    def __init__(self, console: Console, parts: int) -> None:
        super().__init__(console, parts, _rehearsal_columns)
        self._console = console
        self._parts = parts
        self._begun = 0

    def begin(self, part: str) -> None:
        """Show that *part* begins, and how many parts are left after it."""
        done, self._begun = self._begun, self._begun + 1
        if not self._console.can_draw:
            self._console.print_line(part)
            return
        left = count(max(0, self._parts - self._begun), "part")
        self._draw(done, self._parts, f"{part}; {left} left")


class ScanProgress(ProgressBar):
    """Shows how many of the *works* of a scan are done, and what was found."""

    def __init__(self, console: Console, works: int) -> None:
        super().__init__(console, works, _scan_columns)
        self._total = works
        self._done = 0

    def advance(self, *, more: int, gateways: int, unread: int) -> None:
        """Show that one piece of work is done and brought *more*, and what was found so far."""
        self._total += more
        self._done += 1
        lost = f", {unread} NOT READ" if unread else ""
        self._draw(self._done, self._total, f"{count(gateways, 'gateway')}{lost}")


def _rehearsal_columns() -> Sequence[ProgressColumn]:
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

    return BarColumn(bar_width=12), TimeElapsedColumn(), TextColumn("{task.description}")


def _scan_columns() -> Sequence[ProgressColumn]:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

    bar = BarColumn(bar_width=30)
    return TextColumn("Reading"), MofNCompleteColumn(), bar, TextColumn("{task.description}")
