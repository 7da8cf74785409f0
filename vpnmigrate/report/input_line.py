"""Input line: what a person types below the live screen, read key by key.

The terminal does not echo it, because the screen is drawn over its own last lines; the screen draws
what is typed instead.
"""

from __future__ import annotations

import codecs
import os
import signal
import termios
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from vpnmigrate.local.readable import readable
from vpnmigrate.report.console import in_background
from vpnmigrate.report.screen import TypedLine

_ENTER = frozenset("\r\n")
_BACKSPACE = frozenset("\x7f\x08")
_END, _KILL_LINE, _KILL_WORD, _ESCAPE = "\x04", "\x15", "\x17", "\x1b"
_SEQUENCES = frozenset("[O")
"""What follows Escape in the sequence of a key such as an arrow; another key ends it at once."""

GLANCE = 0.2
"""Seconds to wait for a key, and between two looks while another job has the terminal."""
_Modes = list[Any]
"""The attributes of ``termios``: numbers, and the list of control characters."""
_LOCAL_MODES, _CONTROL = 3, 6
_LINE_BY_LINE = termios.ICANON | termios.ECHO


class LineEditor:
    """The text of a line that is being typed: letters, Backspace, Ctrl-U, Ctrl-W and Enter."""

    def __init__(self) -> None:
        self.text = ""
        self.ended = False
        """Whether the person has typed Ctrl-D on an empty line: there is no more input."""
        self._sequence = ""

    def type(self, keys: str) -> list[str]:
        """Return the lines that *keys* complete; the rest stays in the text."""
        return [line for key in keys if (line := self._key(key)) is not None]

    def _key(self, key: str) -> str | None:
        if self._sequence:
            self._skip(key)
        elif key in _ENTER:
            line, self.text = self.text, ""
            return line
        elif key in _BACKSPACE:
            self.text = self.text[:-1]
        elif key == _KILL_LINE:
            self.text = ""
        elif key == _KILL_WORD:
            words, space, _ = self.text.rstrip().rpartition(" ")
            self.text = words + space
        elif key == _ESCAPE:
            self._sequence = key
        elif key == _END and not self.text:
            self.ended = True
        elif key.isprintable():
            self.text += key
        return None

    def _skip(self, key: str) -> None:
        """Leave out a key of a sequence; its last one is a letter or a tilde."""
        starts = self._sequence == _ESCAPE and key in _SEQUENCES
        self._sequence = self._sequence + key if starts or not "@" <= key <= "~" else ""


class InputLine:
    """The keyboard of a terminal whose echo is off, and the line that is being typed at it."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._editor = LineEditor()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._lines: deque[str] = deque()
        self._before: _Modes | None = None
        """The modes of the terminal before, while it is read key by key."""
        # A signal handler may close it while it is being opened.
        self._lock = threading.RLock()
        self.answers: tuple[str, ...] = ()
        """What can be typed now: the answers to the open questions."""
        self.question = ""
        """The open question, if its answers alone do not say what is asked."""

    @property
    def is_open(self) -> bool:
        """Whether keys are read here; else whole lines are read from the terminal."""
        return self._before is not None

    @property
    def shown(self) -> TypedLine | None:
        """The line as the screen shows it; None if the terminal shows it."""
        if not self.is_open:
            return None
        return TypedLine(self._editor.text, self.answers, self.question)

    def open(self) -> None:
        """Turn off the terminal's echo and its own line, unless that is impossible."""
        with self._lock, suppress(OSError, ValueError, termios.error):
            before = termios.tcgetattr(self._terminal)
            self._set(_key_by_key(before))
            self._before = before

    def close(self) -> None:
        """Restore the terminal, unless another job has it."""
        with self._lock, suppress(OSError, ValueError, termios.error):
            before, self._before = self._before, None
            if before is not None and not in_background(self._terminal):
                self._set(before)

    def listen(self, on_key: Callable[[], None]) -> None:
        """Read keys until it is closed or the input ends; call *on_key* after each change."""
        while self.is_open and not self._editor.ended:
            if in_background(self._terminal):
                threading.Event().wait(GLANCE)
            elif self._read():
                on_key()

    def line(self) -> str | None:
        """Return the next whole line with its end, None if there is none, or "" after the last."""
        if self._lines:
            return f"{self._lines.popleft()}\n"
        return "" if self._editor.ended else None

    def _read(self) -> bool:
        """Wait a moment for keys, and return whether there were any."""
        self._stay_key_by_key()
        try:
            if not readable(self._terminal, GLANCE) or not self.is_open:
                return False
            typed = os.read(self._terminal.fileno(), 1024)
        except (OSError, ValueError):
            typed = b""
        if not typed:
            self._editor.ended = True
            return False
        self._take(typed)
        return True

    def _take(self, typed: bytes) -> None:
        """Edit the line with the keys that were *typed*."""
        self._lines.extend(self._editor.type(self._decoder.decode(typed)))

    def _stay_key_by_key(self) -> None:
        """Turn the echo off again if the shell has turned it on: after Ctrl-Z and ``fg``."""
        with self._lock, suppress(OSError, ValueError, termios.error):
            modes = termios.tcgetattr(self._terminal)
            if self.is_open and modes[_LOCAL_MODES] & _LINE_BY_LINE:
                self._set(_key_by_key(modes))

    def _set(self, modes: _Modes) -> None:
        """Set the modes at once: to wait for the output hangs if the terminal is not read."""
        # Another job may get the terminal in this moment; this process must not be stopped then.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        try:
            termios.tcsetattr(self._terminal, termios.TCSANOW, modes)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class MutedInputLine(InputLine):
    """The keyboard of a terminal at which no question is asked: its keys are dropped.

    Without it the terminal would echo them over the screen, and the shell would run them later.
    """

    @property
    def shown(self) -> None:
        """None: there is no line to show."""
        return None

    def _take(self, typed: bytes) -> None:
        del typed


@contextmanager
def muted(terminal: TextIO) -> Iterator[None]:
    """Drop what is typed at *terminal* inside the context."""
    keyboard = MutedInputLine(terminal)
    keyboard.open()
    reads = threading.Thread(target=lambda: keyboard.listen(lambda: None), daemon=True)
    reads.start()
    try:
        yield
    finally:
        keyboard.close()
        reads.join(2 * GLANCE)


def _key_by_key(modes: _Modes) -> _Modes:
    """Return *modes* without echo and lines; keys such as Ctrl-C still send their signals."""
    found = [*modes]
    found[_LOCAL_MODES] = modes[_LOCAL_MODES] & ~_LINE_BY_LINE
    found[_CONTROL] = [*modes[_CONTROL]]
    found[_CONTROL][termios.VMIN], found[_CONTROL][termios.VTIME] = 1, 0
    return found
