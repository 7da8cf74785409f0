"""Progress of a rehearsal: a bar with what is left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO, cast

from vpnmigrate.report.colour import PLAIN_TERMINALS
from vpnmigrate.report.console import Console
from vpnmigrate.report.text import count

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PER_SECOND = 4
"""Redraws; more would fill up a slow line to the terminal."""


class RehearsalProgress:
    """Tells which of *parts* runs is in progress; the bar disappears at the end."""

    def __init__(self, console: Console, parts: int) -> None:
        self._console = console
        self._parts = parts
        self._begun = 0
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        if console.stream.isatty() and os.environ.get("TERM", "") not in PLAIN_TERMINALS:
            self._bar = _bar(console)
            self._task = self._bar.add_task("", total=parts)

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

    def begin(self, part: str) -> None:
        """Show that *part* begins, and how many parts are left after it."""
        done, self._begun = self._begun, self._begun + 1
        if self._bar is None or self._task is None:
            self._console.print_line(part)
            return
        left = count(max(0, self._parts - self._begun), "part")
        self._bar.update(self._task, completed=done, description=f"{part}; {left} left")


def _bar(console: Console) -> Progress:
    from rich.console import Console as RichConsole
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    stream = cast("TextIO", console.stream)
    rich = RichConsole(file=stream, highlight=False, markup=False, no_color=not console.colour)
    return Progress(
        BarColumn(bar_width=12),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
        console=rich,
        transient=True,
        refresh_per_second=PER_SECOND,
        redirect_stdout=False,
        redirect_stderr=False,
    )
