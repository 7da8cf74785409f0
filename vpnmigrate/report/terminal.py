"""Terminal output: log lines with a live screen below them."""

from __future__ import annotations

import select
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self, TextIO, cast

from rich.console import Console as RichConsole
from rich.control import Control
from rich.live import Live
from rich.text import Text

from vpnmigrate.journal import RunState, replay
from vpnmigrate.journal.records import Entry, StepBegun
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.progress import CutoverView, Sighting, Waiting
from vpnmigrate.report.console import Console
from vpnmigrate.report.progress import Narrator, PlainProgress
from vpnmigrate.report.screen import ScreenContent, screen
from vpnmigrate.report.text import RunCommands, hanging, wrapped

PACE = 1.0
"""Seconds between two redraws: faster is not read, and a slow line to the terminal fills up."""
HEARD = 0.5
"""Seconds that ``print_line`` waits to be seen before the run goes on regardless."""
LEAVING = 2.0
"""Seconds that the last lines have to reach a terminal that may be gone."""


class Screen:
    """A part of the window that is drawn over in place, under the lines that stay."""

    def __init__(self, console: Console) -> None:
        self._rich = RichConsole(file=cast("TextIO", console.stream), highlight=False, markup=False)
        self._live = Live(
            console=self._rich,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

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

    def draw(self, shown: ScreenContent, above: list[str]) -> None:
        """Print the lines *above*, and draw *shown* under them as wide as the window is now."""
        width, height = self._rich.size
        # The last line is left for what a person types.
        lines = [*screen(shown, width, height), ""]
        self._live.update(Text("\n".join(lines), no_wrap=True, overflow="crop"))
        if above:
            # Rich draws the screen under them as it was.
            self._rich.print("\n".join(above), soft_wrap=True)
        self._live.refresh()

    def move_up(self) -> None:
        """Follow the cursor, which went down when somebody typed a line."""
        self._rich.control(Control.move(0, -1))

    def leave(self, above: list[str]) -> None:
        """Print the lines *above* in the place of the screen."""
        self._live.update(Text())
        if above:
            self._rich.print("\n".join(above), soft_wrap=True)


@dataclass(frozen=True)
class _Said:
    text: str
    seen: threading.Event = field(default_factory=threading.Event)


class _Heard:
    pass


class _End:
    pass


_Item = Entry | Waiting | CutoverView | _Said | _Heard | _End


class TerminalProgress:
    """Shows a run on a terminal, once a second, from a thread of its own.

    A terminal can stop reading at any moment: Ctrl-S, or a connection through the VPN that is being
    cut.  Whoever writes to it then hangs; that may be this thread, and never the run.
    """

    def __init__(
        self,
        console: Console,
        clock: Clock,
        on: RunCommands | None = None,
        before: RunState | None = None,
    ) -> None:
        self._console = console
        self._screen = Screen(console)
        self._clock = clock
        self._on = on
        self._state = before or RunState()
        self._waiting: Waiting | None = None
        self._sight: CutoverView | None = None
        self._narrator = Narrator(on)
        self._above: list[str] = []
        self._unread = False
        self._ended = False
        # Putting into this queue never blocks, and a signal handler may do it too.
        self._post: SimpleQueue[_Item] = SimpleQueue()
        self._thread = threading.Thread(target=self._draw_on, name="screen", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._post.put(_End())
        self._thread.join(LEAVING)

    def on_entry(self, entry: Entry) -> None:
        """Have *entry* printed above the screen."""
        self._post.put(entry)

    def on_wait(self, step: int, why: str, waited: timedelta, limit: timedelta) -> None:
        """Have the wait shown."""
        self._post.put(Waiting(self._clock.now(), step, why, waited, limit))

    def on_view(self, sighting: Sighting) -> None:
        """Have what a look saw shown."""
        self._post.put(sighting())

    def print_line(self, text: str = "") -> None:
        """Have *text* printed above the screen now; goes on without, if nobody reads."""
        said = _Said(text)
        self._post.put(said)
        said.seen.wait(HEARD)

    def operator_typed(self) -> None:
        """Have the cursor followed."""
        self._post.put(_Heard())

    def _draw_on(self) -> None:
        # Whatever a terminal does to its writer is the screen's trouble, and never the run's.
        try:
            with self._screen:
                self._draw_to_the_end()
        except Exception as error:  # noqa: BLE001  nobody may be left without a word
            self._tell_on(error)

    def _draw_to_the_end(self) -> None:
        due = time.monotonic()
        while True:
            item = self._next(due)
            if isinstance(item, _End):
                self._screen.leave(self._above)
                return
            if isinstance(item, _Said) or time.monotonic() >= due:
                self._draw()
                due = time.monotonic() + PACE
            if isinstance(item, _Said):
                item.seen.set()

    def _tell_on(self, error: Exception) -> None:
        """Report line by line what cannot be drawn any more, as in a log; say so once."""
        why = f"{type(error).__name__}: {error}"
        self._console.print_line(
            wrapped(f"The screen cannot be drawn any more ({why}); line by line now.")
        )
        for line in self._above:
            self._console.print_line(line)
        state = self._state
        plain = PlainProgress(
            self._console,
            self._clock,
            state.outage_since if state.outage_open else None,
            None if state.deadline is None else state.deadline.at,
            narrator=self._narrator,
        )
        while not self._ended:
            with suppress(Exception):  # the next one may be told better
                self._tell(self._post.get(), plain)

    def _tell(self, item: _Item, plain: PlainProgress) -> None:
        match item:
            case Entry():
                plain.on_entry(item)
            case Waiting(step=step, why=why, waited=waited, limit=limit):
                plain.on_wait(step, why, waited, limit)
            case _Said():
                self._console.print_line(item.text)
                item.seen.set()
            case _End():
                self._ended = True
            case CutoverView() | _Heard():
                pass  # nothing is drawn over

    def _next(self, due: float) -> _Item | None:
        try:
            item = self._post.get(timeout=max(0.0, due - time.monotonic()))
        except Empty:
            return None
        match item:
            case Entry():
                self._state = replay([item], self._state)
                self._above += map(hanging, self._narrator.lines(item))
                if isinstance(item.record, StepBegun):
                    self._waiting = None
            case Waiting():
                self._waiting = item
            case CutoverView():
                self._sight = item
            case _Said():
                self._above.append(item.text)
            case _Heard() if self._unread:
                self._unread = False  # seen before it was read
            case _Heard():
                self._screen.move_up()
            case _End():
                self._ended = True
        return item

    def _follow_cursor(self) -> None:
        """Notice a line that was typed and not read yet, before drawing over the wrong lines."""
        if not self._unread and _line_is_waiting():
            self._unread = True
            self._screen.move_up()

    def _draw(self) -> None:
        self._follow_cursor()
        now, ahead = self._clock.now(), self._clock.ahead()
        shown = ScreenContent(self._on, self._state, now, self._waiting, self._sight, ahead=ahead)
        self._screen.draw(shown, self._above)
        self._above = []


def _line_is_waiting() -> bool:
    """Return whether a whole line has been typed on this terminal and nobody has read it."""
    with suppress(OSError, ValueError, AttributeError):
        return sys.stdin.isatty() and bool(select.select([sys.stdin], [], [], 0)[0])
    return False
