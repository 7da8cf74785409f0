"""Crash log: private files for tracebacks.

The message of a library's exception may quote its input, for example a key.  So the message is
written only for exceptions of this program and of Python; for all others only the class is.
"""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from vpnmigrate import __version__
from vpnmigrate.local.private_files import make_folder, open_to_append
from vpnmigrate.local.settings import settings_of
from vpnmigrate.model.errors import VpnMigrateError
from vpnmigrate.model.redaction import Redaction

LONGEST = 300
"""Characters of a message that are written."""
_SAFE_MESSAGES = ("builtins", "vpnmigrate")
_DEEPEST = 10


def keep(
    error: BaseException, arguments: Sequence[str], redaction: Redaction | None = None
) -> Path | None:
    """Append *error*'s traceback to the crash log and return its path; None if that fails."""
    text = f"vpnmigrate {__version__} {' '.join(arguments)}\n{''.join(_lines(error))}\n"
    entry = (redaction or Redaction()).text(text)
    with suppress(OSError, VpnMigrateError):
        path = settings_of(os.environ, _run_dir(arguments)).home / "crash.log"
        make_folder(path.parent)
        handle = open_to_append(path)
        with os.fdopen(handle, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(entry)
        return path
    return None


def _lines(error: BaseException, depth: int = 0) -> Iterator[str]:
    """Yield *error* after its causes, the first cause first, as Python does."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and depth < _DEEPEST:
        yield from _lines(cause, depth + 1)
        yield "\nand from that, or while it was handled:\n\n"
    yield from traceback.format_tb(error.__traceback__)
    kind = type(error)
    safe = kind.__module__.partition(".")[0] in _SAFE_MESSAGES
    message = str(error)[:LONGEST] if safe and not isinstance(error, UnicodeError) else ""
    yield f"{kind.__module__}.{kind.__qualname__}: {message}\n"


class Keeping(logging.Handler):
    """Log handler: writes the traceback of a failed request; its client receives an error."""

    def __init__(self, arguments: Sequence[str]) -> None:
        super().__init__(logging.ERROR)
        self._arguments = tuple(arguments)

    def emit(self, record: logging.LogRecord) -> None:
        """Write the exception of *record*, if it has one."""
        if record.exc_info and record.exc_info[1]:
            keep(record.exc_info[1], self._arguments)


def _run_dir(arguments: Sequence[str]) -> Path | None:
    """Return ``--run-dir`` from a command line that may not have been parsed."""
    for index, argument in enumerate(arguments):
        if argument == "--run-dir" and index + 1 < len(arguments):
            return Path(arguments[index + 1])
        if argument.startswith("--run-dir="):
            return Path(argument.partition("=")[2])
    return None
