"""Console: results on standard output, messages on standard error."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Mapping
from typing import Any, Protocol, TextIO

from vpnmigrate.commands import cli
from vpnmigrate.errors import VpnMigrateError
from vpnmigrate.model.redaction import Redaction

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What a disk says that takes no more: there the reader is still to come."""


class Results(Protocol):
    """How a verb's result leaves the process."""

    def print(self, text: str, document: Mapping[str, Any]) -> None:
        """Print the one of the two that was asked for, once for each process."""
        ...


class MessageOutput(Protocol):
    """Whoever can say something to the person who watches."""

    def print_line(self, text: str = "") -> None:
        """Print *text* and a line's end, at once."""
        ...

    def operator_typed(self) -> None:
        """Take notice of a line that a person typed: the cursor has moved down with it."""
        ...


class Stream:
    """A text stream whose reader may go away: what nobody reads is dropped, and nothing fails.

    A pager that was closed, or a terminal that died with the VPN under it, must not end a run.
    *redaction* cuts keys out of all that is shown.
    """

    def __init__(self, stream: TextIO, redaction: Redaction | None = None) -> None:
        self._stream = stream
        self._redaction = redaction or Redaction()
        self.full = ""
        """Why a file took no more; empty as long as nothing is missing in one."""

    def write(self, text: str) -> int:
        """Write *text*, or drop it."""
        text = self._redaction.text(text)
        try:
            return self._stream.write(_encodable(text, self._stream.encoding))
        except (OSError, ValueError) as error:
            self._drop(error)
            return len(text)
        except RuntimeError:
            # A signal came in the middle of a write, and its handler has something to say.
            self._write_past_the_buffer(text)
            return len(text)

    def flush(self) -> None:
        """Push out what was written, or drop it."""
        try:
            self._stream.flush()
        except (OSError, ValueError) as error:
            self._drop(error)
        except RuntimeError:
            return  # standard error holds nothing back, and was written past its buffer

    def isatty(self) -> bool:
        """Return whether a person reads along."""
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
            self.full = error.strerror or "it takes no more"
        # The interpreter flushes its streams at exit, which would complain a second time.
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
        except (OSError, ValueError):
            return


def _encodable(text: str, encoding: str | None) -> str:
    name = encoding or "ascii"
    return text.encode(name, "backslashreplace").decode(name)


class Console:
    """Messages and progress: standard error."""

    def __init__(self, stream: TextIO | None = None, redaction: Redaction | None = None) -> None:
        self.stream = Stream(sys.stderr if stream is None else stream, redaction)

    def print_line(self, text: str = "") -> None:
        """Print *text* and a line's end, at once."""
        self.stream.write(f"{text}\n")
        self.stream.flush()

    def operator_typed(self) -> None:
        """Go on: nothing here is drawn in place."""


def _hand_over(stream: Stream, text: str) -> None:
    """Write a result.

    Raises:
        VpnMigrateError: Standard output is a file that did not take all of it.
    """
    stream.write(f"{text}\n")
    stream.flush()
    if stream.full:
        raise VpnMigrateError(
            f"the result could not be written to standard output: {stream.full}",
            advice=("make room, then see where runs stand:", cli("status")),
        )


class TextResults:
    """Results for a person."""

    def __init__(self, stream: TextIO | None = None, redaction: Redaction | None = None) -> None:
        self._stream = Stream(sys.stdout if stream is None else stream, redaction)

    def print(self, text: str, document: Mapping[str, Any]) -> None:
        """Print *text*."""
        _hand_over(self._stream, text)


class JsonResults:
    """Results for a program: one document."""

    def __init__(self, stream: TextIO | None = None, redaction: Redaction | None = None) -> None:
        self._redaction = redaction or Redaction()
        self._stream = Stream(sys.stdout if stream is None else stream, self._redaction)

    def print(self, text: str, document: Mapping[str, Any]) -> None:
        """Print *document*."""
        # Text by text first: what is cut to its end must not take the document's end along.
        output = self._redaction.value(document)
        _hand_over(self._stream, json.dumps(output, indent=2, sort_keys=False))
