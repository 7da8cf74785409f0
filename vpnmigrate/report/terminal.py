"""Terminal output: log lines with a live screen below them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

from rich.live import Live
from rich.text import Text

from vpnmigrate.journal import RunState, replay
from vpnmigrate.journal.records import Entry, StepBegun
from vpnmigrate.journal.usual_times import UsualTimes
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.progress import CutoverView, Sighting, Unreadable, Waiting
from vpnmigrate.report.colour import STYLES
from vpnmigrate.report.console import Console
from vpnmigrate.report.device_progress import DeviceProgress, device_progress
from vpnmigrate.report.input_line import InputLine
from vpnmigrate.report.progress import Narrator, PlainProgress
from vpnmigrate.report.screen import Beside, ScreenContent, input_text, screen
from vpnmigrate.report.text import Labelled, hanging, wrapped

PACE = 1.0
"""Seconds between two redraws: more would fill up a slow line to the terminal."""
HEARD = 0.5
"""Seconds that ``print_line`` waits for its text to be drawn before the run continues."""
LEAVING = 2.0
"""Seconds for the last lines to reach a terminal that may be closed."""


class Screen:
    """A part of the window that is redrawn in place, below the log lines."""

    def __init__(self, console: Console) -> None:
        self._colour = console.colour
        self._rich = console.rich()
        self._live = Live(
            console=self._rich,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        self._live.start()
        # It stands where the next key is drawn, and stays visible if the process is killed.
        self._rich.show_cursor(show=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def draw(self, shown: ScreenContent, above: Sequence[str | ProgressLine]) -> None:
        """Print the lines *above*, and draw *shown* below them in the current window size."""
        width, height = self._rich.size
        lines = [*screen(shown, width, height), input_text(shown, width)]
        self._live.update(self._styled(Text("\n".join(lines), no_wrap=True, overflow="crop")))
        if above:
            # Rich redraws the previous screen below them.
            self._print(above, width)
        self._live.refresh()

    def _print(self, lines: Sequence[str | ProgressLine], width: int) -> None:
        folded = [line if isinstance(line, str) else hanging(line.text, width) for line in lines]
        self._rich.print(self._styled(Text("\n".join(folded))), soft_wrap=True)

    def _styled(self, text: Text) -> Text:
        for words, style in STYLES.items() if self._colour else ():
            text.highlight_regex(words, style)
        return text

    def leave(self, above: Sequence[str | ProgressLine]) -> None:
        """Remove the screen and print the lines *above*."""
        self._live.update(Text())
        if above:
            self._print(above, self._rich.size.width)
        self._live.refresh()


@dataclass(frozen=True)
class ProgressLine:
    """A line of progress, which is folded at the width of the window; messages are folded."""

    text: str | Labelled


@dataclass(frozen=True)
class _Message:
    text: str
    drawn: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class _Removal(_Message):
    """A message below which no screen is drawn until *over*."""

    over: threading.Event = field(default_factory=threading.Event)


class _Keys:
    """Keys were typed, which the input line shows at once."""


class _End:
    pass


_Item = Entry | Waiting | CutoverView | _Message | _Keys | _End


class TerminalProgress:
    """Live screen of a run, drawn once a second by its own thread.

    A terminal can stop reading at any time: Ctrl-S, or a connection through the VPN.  A write then
    hangs, which may block this thread, but never the run.
    """

    def __init__(
        self,
        console: Console,
        clock: Clock,
        narrator: Narrator | None = None,
        before: RunState | None = None,
        input_line: InputLine | None = None,
        usual: UsualTimes | None = None,
    ) -> None:
        self.input_line = input_line
        self.beside: Beside | None = None
        self._console = console
        self._screen = Screen(console)
        self._clock = clock
        self._state = before or RunState()
        self._waiting: Waiting | None = None
        self._sight: CutoverView | None = None
        self._narrator = narrator or Narrator()
        self._usual = usual or UsualTimes()
        self._above: list[str | ProgressLine] = []
        self._ended = False
        # Putting into this queue never blocks, so a signal handler may do it too.
        self._post: SimpleQueue[_Item] = SimpleQueue()
        self._threads = [threading.Thread(target=self._draw_until_end, name="screen", daemon=True)]
        if input_line is not None:
            reads = threading.Thread(target=self._read_keys, name="keyboard", daemon=True)
            self._threads.append(reads)

    def __enter__(self) -> Self:
        if self.input_line is not None:
            self.input_line.open()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._post.put(_End())
        if self.input_line is not None:
            self.input_line.close()
        for thread in self._threads:
            thread.join(LEAVING)

    def _read_keys(self) -> None:
        if self.input_line is not None:
            self.input_line.listen(lambda: self._post.put(_Keys()))

    def on_entry(self, entry: Entry) -> None:
        """Print *entry* above the screen."""
        self._usual.read(entry)
        self._post.put(entry)

    def on_wait(self, step: int, why: str, waited: timedelta, limit: timedelta) -> None:
        """Show the wait."""
        usual = self._usual.of_wait(step, limit)
        self._post.put(Waiting(self._clock.now(), step, why, waited, limit, usual))

    def on_view(self, sighting: Sighting) -> None:
        """Show the state of the last observation."""
        self._post.put(sighting())

    def on_reading(self, unreadable: Unreadable | None) -> None:
        """Show nothing: the wait says that AWS cannot be read."""

    def print_line(self, text: str = "") -> None:
        """Print *text* above the screen now; return after a short wait if the terminal hangs."""
        message = _Message(text)
        self._post.put(message)
        message.drawn.wait(HEARD)

    @contextmanager
    def without_screen(self, text: str) -> Iterator[None]:
        """Print *text* and remove the screen; draw it below the cursor when the context ends."""
        removal = _Removal(text)
        self._post.put(removal)
        removal.drawn.wait(HEARD)
        try:
            yield
        finally:
            removal.over.set()

    def _draw_until_end(self) -> None:
        # An error of the terminal must not reach the run.
        try:
            with self._screen:
                self._draw_items()
        except Exception as error:  # noqa: BLE001  messages must still be printed
            self._continue_in_lines(error)

    def _draw_items(self) -> None:
        due = time.monotonic()
        while True:
            item = self._next(due)
            if isinstance(item, _End):
                self._screen.leave(self._above)
                return
            if isinstance(item, _Removal):
                self._screen.leave(self._above)
                self._above = []
                item.drawn.set()
                item.over.wait(LEAVING)
            elif isinstance(item, _Message | _Keys) or time.monotonic() >= due:
                self._draw()
                due = time.monotonic() + (PACE if self.beside is None else self.beside.pace)
            if isinstance(item, _Message):
                item.drawn.set()

    def _continue_in_lines(self, error: Exception) -> None:
        """Print progress line by line after the screen has failed, with one message about it."""
        if self.input_line is not None:
            self.input_line.close()
        why = f"{type(error).__name__}: {error}"
        self._console.print_line(
            wrapped(f"The live screen failed ({why}); continuing line by line.")
        )
        for line in self._above:
            self._console.print_line(line if isinstance(line, str) else hanging(line.text))
        state = self._state
        plain = PlainProgress(
            self._console,
            self._clock,
            state.outage.since if state.outage.open else None,
            None if state.deadline is None else state.deadline.at,
            narrator=self._narrator,
            usual=self._usual,
        )
        while not self._ended:
            with suppress(Exception):  # The next item may be printable.
                self._print(self._post.get(), plain)

    def _print(self, item: _Item, plain: PlainProgress) -> None:
        match item:
            case Entry():
                plain.on_entry(item)
            case Waiting(step=step, why=why, waited=waited, limit=limit):
                plain.on_wait(step, why, waited, limit)
            case _Message():
                self._console.print_line(item.text)
                item.drawn.set()
            case _End():
                self._ended = True
            case CutoverView() | _Keys():
                pass  # Nothing is redrawn in line mode.

    def _next(self, due: float) -> _Item | None:
        try:
            item = self._post.get(timeout=max(0.0, due - time.monotonic()))
        except Empty:
            return None
        match item:
            case Entry():
                self._state = replay([item], self._state)
                self._above += map(ProgressLine, self._narrator.lines(item))
                if isinstance(item.record, StepBegun):
                    self._waiting = None
            case Waiting():
                self._waiting = item
            case CutoverView():
                self._sight = item
            case _Message():
                self._above.append(item.text)
            case _Keys():
                pass  # The input line has them.
            case _End():
                self._ended = True
        return item

    def _devices(self) -> tuple[DeviceProgress, ...]:
        """Return the devices of the open task, and whether it is done there."""
        plan = self._narrator.names.plan
        return () if plan is None else device_progress(self._state, plan)

    def _draw(self) -> None:
        now, ahead = self._clock.now(), self._clock.ahead()
        shown = ScreenContent(
            self._narrator.on,
            self._state,
            now,
            self._waiting,
            self._sight,
            ahead=ahead,
            names=self._narrator.names.now,
            usual_outage=self._usual.of_outage,
            devices=self._devices(),
            typing=None if self.input_line is None else self.input_line.shown,
            beside=() if self.beside is None else self.beside.lines(),
        )
        self._screen.draw(shown, self._above)
        self._above = []
