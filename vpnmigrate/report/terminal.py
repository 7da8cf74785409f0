"""Progress on a terminal: the lines of a log, and under them one that changes in place."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import TracebackType
from typing import Self, TextIO, cast

from rich.console import Console as RichConsole
from rich.live import Live
from rich.text import Text

from vpnmigrate.clock import Clock
from vpnmigrate.records import Entry
from vpnmigrate.report.console import Console
from vpnmigrate.report.progress import Narrator, OutageClock
from vpnmigrate.report.words import hanging


class TerminalProgress:
    """What is waited for stays on the last line, redrawn with every look.

    Nothing is drawn from a thread: a terminal that dies must not be able to hurt the run.
    """

    def __init__(self, console: Console, clock: Clock, down_since: datetime | None = None) -> None:
        self._narrator = Narrator()
        self._outage = OutageClock(clock, down_since)
        self._rich = RichConsole(file=cast("TextIO", console.stream), highlight=False, markup=False)
        self._live = Live(console=self._rich, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def saw(self, entry: Entry) -> None:
        """Print *entry* above the waiting line, and clear that."""
        self._outage.saw(entry)
        for line in self._narrator.lines(entry):
            self._rich.print(hanging(line), soft_wrap=True)
        self._live.update(Text(), refresh=True)

    def waits(self, step: int, why: str, waited: timedelta, limit: timedelta) -> None:
        """Redraw the waiting line."""
        line = self._outage.waiting(step, why, waited, limit)
        self._live.update(Text(hanging(line), overflow="fold"), refresh=True)

    def say(self, text: str = "") -> None:
        """Print *text* above the waiting line."""
        self._rich.print(text, soft_wrap=True)
