"""Console: results on standard output, messages on standard error."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO, cast

from vpnmigrate.model.errors import VpnMigrateError
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.model.redaction import Redaction
from vpnmigrate.report.colour import PLAIN_TERMINALS, ColourChoice, coloured, uses_colour

if TYPE_CHECKING:
    from rich.console import Console as RichConsole

    from vpnmigrate.report.input_line import InputLine

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors of a full disk.  The file is read later, so what is missing must be reported."""


class Results(Protocol):
    """Output of a command's result."""

    def print(self, text: str, document: Mapping[str, Any]) -> None:
        """Print *text* or *document*, depending on the requested form; once per process."""
        ...

    def print_made(
        self, text: Callable[[], str], document: Callable[[], Mapping[str, Any]]
    ) -> None:
        """Print what *text* or *document* returns: for results that are costly to make."""
        ...


class MessageOutput(Protocol):
    """Output of messages to the operator."""

    def print_line(self, text: str = "") -> None:
        """Print *text* and a line end immediately."""
        ...

    def without_screen(self, text: str) -> AbstractContextManager[None]:
        """Print *text* and remove what is drawn in place, until the context ends."""
        ...

    @property
    def input_line(self) -> InputLine | None:
        """What is typed below this output; None where the terminal itself shows it."""
        ...


class Stream:
    """Text stream whose reader may disappear: unread output is dropped without an error.

    A closed pager, or a terminal that was connected through the VPN, must not end a run.
    *redaction* removes keys from all output.
    """

    def __init__(self, stream: TextIO, redaction: Redaction | None = None) -> None:
        self._stream = stream
        self._redaction = redaction or Redaction()
        self.full = ""
        """The error of a full disk; empty if no output to a file was dropped."""

    def write(self, text: str) -> int:
        """Write *text*, or drop it if the stream is closed."""
        text = self._redaction.text(text)
        try:
            return self._stream.write(_encodable(text, self._stream.encoding))
        except (OSError, ValueError) as error:
            self._drop(error)
            return len(text)
        except RuntimeError:
            # A signal interrupted a write, and its handler writes a message.
            self._write_past_the_buffer(text)
            return len(text)

    def flush(self) -> None:
        """Flush the stream, or drop what cannot be written."""
        try:
            self._stream.flush()
        except (OSError, ValueError) as error:
            self._drop(error)
        except RuntimeError:
            return  # Standard error is unbuffered, and the message was written directly.

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        try:
            return self._stream.isatty()
        except ValueError:
            return False

    def _write_past_the_buffer(self, text: str) -> None:
        try:
            os.write(self._stream.fileno(), text.encode(errors="backslashreplace"))
        except (OSError, ValueError) as error:
            self._drop(error)

    def _drop(self, error: OSError | ValueError) -> None:
        if isinstance(error, OSError) and error.errno in _FULL:
            self.full = error.strerror or "no space left"
        # The interpreter flushes its streams at exit, which would report the error again.
        with suppress(OSError, ValueError):
            lost = self._stream.fileno()
            nowhere = os.open(os.devnull, os.O_WRONLY)
            if nowhere != lost:
                os.dup2(nowhere, lost)
                os.close(nowhere)


def in_background(terminal: TextIO) -> bool:
    """Return whether *terminal* controls this process, but another job has its input.

    A process that reads it then is stopped (SIGTTIN), for example one that was started with ``&``.
    """
    try:
        return os.tcgetpgrp(terminal.fileno()) != os.getpgrp()
    except (OSError, ValueError):
        return False


def _encodable(text: str, encoding: str | None) -> str:
    name = encoding or "ascii"
    return text.encode(name, "backslashreplace").decode(name)


class Console:
    """Messages and progress on standard error."""

    input_line: InputLine | None = None

    def __init__(
        self,
        stream: TextIO | None = None,
        redaction: Redaction | None = None,
        colour: ColourChoice = ColourChoice.AUTO,
    ) -> None:
        self.redaction = redaction or Redaction()
        self.stream = Stream(sys.stderr if stream is None else stream, self.redaction)
        self.colour = uses_colour(colour, os.environ, is_terminal=self.stream.isatty())

    def print_line(self, text: str = "") -> None:
        """Print *text* and a line end immediately."""
        self.stream.write(f"{coloured(text) if self.colour else text}\n")
        self.stream.flush()

    @contextmanager
    def without_screen(self, text: str) -> Iterator[None]:
        """Print *text*."""
        self.print_line(text)
        yield

    @property
    def can_draw(self) -> bool:
        """Whether it is a terminal that can redraw in place."""
        return self.stream.isatty() and os.environ.get("TERM", "") not in PLAIN_TERMINALS

    def rich(self) -> RichConsole:
        """Return Rich's console on the same stream, to draw in place."""
        from rich.console import Console as RichConsole

        stream = cast("TextIO", self.stream)
        return RichConsole(file=stream, highlight=False, markup=False, no_color=not self.colour)


class TerminalCopy:
    """Messages to *output*, which is not a terminal, and to the terminal of this process.

    A question is seen although the output is redirected to a file.
    """

    input_line = None

    def __init__(self, output: MessageOutput, redaction: Redaction) -> None:
        self._output = output
        self._redaction = redaction

    def print_line(self, text: str = "") -> None:
        """Print *text* to both; to the terminal only while this process may write to it."""
        self._output.print_line(text)
        with suppress(OSError), Path("/dev/tty").open("w", encoding="utf-8") as terminal:
            if not in_background(terminal):
                Stream(terminal, self._redaction).write(f"{text}\n")

    @contextmanager
    def without_screen(self, text: str) -> Iterator[None]:
        """Print *text* to both."""
        self.print_line(text)
        yield


def on_terminal(output: MessageOutput) -> MessageOutput:
    """Return *output*, with a copy to the terminal if it is redirected."""
    if isinstance(output, Console) and not output.stream.isatty():
        return TerminalCopy(output, output.redaction)
    return output


def _write_result(stream: Stream, text: str) -> None:
    """Write a result.

    Raises:
        VpnMigrateError: Standard output is a file on a full disk.
    """
    stream.write(f"{text}\n")
    stream.flush()
    if stream.full:
        raise VpnMigrateError(
            f"the result could not be written to standard output: {stream.full}",
            advice=("free disk space, then check the runs:", cli("status")),
        )


class TextResults:
    """Results as text."""

    def __init__(
        self,
        stream: TextIO | None = None,
        redaction: Redaction | None = None,
        colour: ColourChoice = ColourChoice.AUTO,
    ) -> None:
        self._stream = Stream(sys.stdout if stream is None else stream, redaction)
        self._colour = uses_colour(colour, os.environ, is_terminal=self._stream.isatty())

    def print(self, text: str, document: Mapping[str, Any]) -> None:
        """Print *text*."""
        _write_result(self._stream, coloured(text) if self._colour else text)

    def print_made(
        self, text: Callable[[], str], document: Callable[[], Mapping[str, Any]]
    ) -> None:
        """Print what *text* returns."""
        del document
        self.print(text(), {})


class JsonResults:
    """Results as one JSON document."""

    def __init__(self, stream: TextIO | None = None, redaction: Redaction | None = None) -> None:
        self._redaction = redaction or Redaction()
        self._stream = Stream(sys.stdout if stream is None else stream, self._redaction)

    def print(self, text: str, document: Mapping[str, Any]) -> None:
        """Print *document*."""
        # Redact each string before encoding: a redaction up to the end of a text must not cut
        # off the rest of the document.
        output = self._redaction.value(document)
        _write_result(self._stream, json.dumps(output, indent=2, sort_keys=False))

    def print_made(
        self, text: Callable[[], str], document: Callable[[], Mapping[str, Any]]
    ) -> None:
        """Print what *document* returns."""
        del text
        self.print("", document())
