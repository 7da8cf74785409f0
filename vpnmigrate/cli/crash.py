"""Where the traceback of a defect goes: a private file, and never the terminal."""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from vpnmigrate import __version__
from vpnmigrate.errors import VpnMigrateError
from vpnmigrate.private_files import make_folder, open_to_append
from vpnmigrate.settings import settings_of


def keep(error: BaseException, arguments: Sequence[str]) -> Path | None:
    """Append *error*'s traceback to the crash log and give its path; None if it cannot be."""
    told = traceback.format_exception(error)
    entry = f"vpnmigrate {__version__} {' '.join(arguments)}\n{''.join(told)}\n"
    with suppress(OSError, VpnMigrateError):
        path = settings_of(os.environ, _run_dir(arguments)).home / "crash.log"
        make_folder(path.parent)
        handle = open_to_append(path)
        with os.fdopen(handle, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(entry)
        return path
    return None


class Keeping(logging.Handler):
    """Keeps the traceback of whatever fails behind the scenes; its client is told by an answer."""

    def __init__(self, arguments: Sequence[str]) -> None:
        super().__init__(logging.ERROR)
        self._arguments = tuple(arguments)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the exception of *record*, if it has one."""
        if record.exc_info and record.exc_info[1]:
            keep(record.exc_info[1], self._arguments)


def _run_dir(arguments: Sequence[str]) -> Path | None:
    """Find ``--run-dir`` in a command line that may never have been understood."""
    for index, argument in enumerate(arguments):
        if argument == "--run-dir" and index + 1 < len(arguments):
            return Path(arguments[index + 1])
        if argument.startswith("--run-dir="):
            return Path(argument.partition("=")[2])
    return None
