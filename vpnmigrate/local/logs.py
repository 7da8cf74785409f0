"""Run log: structured JSON lines.

The journal is the record; the log repeats it, with the waits of the run.  It never goes to stdout,
and a failed write never stops a run.

Keys do not reach it: it contains only the events that ``Event`` lists, the values of fields that
are named like a secret are replaced, and ``Redaction`` removes known keys from the others.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from enum import StrEnum
from typing import Any, TextIO

import msgspec
import structlog
from structlog.typing import BindableLogger, EventDict, WrappedLogger

from vpnmigrate.journal.records import Entry
from vpnmigrate.local.private_files import open_to_append
from vpnmigrate.local.run_directory import Run
from vpnmigrate.local.settings import LogTo
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.errors import VpnMigrateError
from vpnmigrate.model.progress import Sighting, Unreadable
from vpnmigrate.model.redaction import HIDDEN, Redaction

_SECRET = re.compile(
    r"pre.?shared|psk|secret|passw|token|credential|private.?key|access.?key"
    r"|gateway.?configuration|sample.?configuration",
    re.IGNORECASE,
)


class Event(StrEnum):
    """Every event of the log."""

    JOURNALLED = "journal.written"
    WAITED = "step.waited"
    PRINTED = "hook.printed"
    DRIVER_PRINTED = "driver.printed"
    NOTICED = "run.noticed"
    """Events of this process: an incomplete journal line, a take-over."""


class RunLog:
    """Observer that writes the events of a run to the log."""

    def __init__(self, logger: BindableLogger, clock: Clock) -> None:
        self._logger: Any = logger
        self._clock = clock

    def on_entry(self, entry: Entry) -> None:
        """Log a journal entry, which is durable by then."""
        self._say(Event.JOURNALLED, seq=entry.seq, record=msgspec.to_builtins(entry.record))

    def on_wait(self, step: int, why: str, waited: timedelta, limit: timedelta) -> None:
        """Log an observation that found the step's goal not reached."""
        self._say(
            Event.WAITED,
            step=step,
            why=why,
            waited=waited.total_seconds(),
            limit=limit.total_seconds(),
        )

    def on_view(self, sighting: Sighting) -> None:
        """Do nothing: the next wait names what is missing."""

    def on_reading(self, unreadable: Unreadable | None) -> None:
        """Do nothing: each wait says that AWS cannot be read."""

    def printed(self, moment: str, program: str, output: str) -> None:
        """Log what a hook printed, as far as it was kept."""
        self._say(Event.PRINTED, moment=moment, program=program, output=output)

    def driver_printed(self, verb: str, connection: str, output: str) -> None:
        """Log what a driver printed on its standard error, as far as it was kept."""
        self._say(Event.DRIVER_PRINTED, verb=verb, connection=connection, output=output)

    def notice(self, text: str) -> None:
        """Log what the operator was told about this process."""
        self._say(Event.NOTICED, text=text)

    def _say(self, event: Event, **values: object) -> None:
        self._logger.info(event.value, at=self._clock.wall().isoformat(), **values)


@contextmanager
def log_of(
    run: Run, to: LogTo, clock: Clock, stderr: TextIO, redaction: Redaction | None = None
) -> Iterator[RunLog]:
    """Open the log of *run* for this process; *redaction* removes keys from it.

    Raises:
        VpnMigrateError: The log file cannot be opened.
    """
    guard = redaction or Redaction()
    streams: list[TextIO] = [stderr] if to in (LogTo.STDERR, LogTo.BOTH) else []
    if to not in (LogTo.FILE, LogTo.BOTH):
        yield RunLog(_logger(run, streams, guard), clock)
        return
    with _opened(run) as file:
        yield RunLog(_logger(run, [*streams, file], guard), clock)


def without_secret_fields(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace every value whose field name suggests a secret, at any depth."""
    return {key: _unless_secret(key, value) for key, value in event.items()}


def _unless_secret(key: object, value: object) -> object:
    if _SECRET.search(str(key)):
        return HIDDEN
    match value:
        case dict():
            return {inner: _unless_secret(inner, below) for inner, below in value.items()}
        case list() | tuple():
            return [_unless_secret("", below) for below in value]
        case _:
            return value


class _Lines:
    """Writer of each line to every stream that still works."""

    def __init__(self, streams: Sequence[TextIO]) -> None:
        self._streams = list(streams)

    def info(self, line: str) -> None:
        for stream in tuple(self._streams):
            try:
                stream.write(line + "\n")
                stream.flush()
            except (OSError, ValueError):
                # A full disk or a lost terminal must not stop a cutover.
                self._streams.remove(stream)


def _logger(run: Run, streams: Sequence[TextIO], redaction: Redaction) -> BindableLogger:
    def without_keys(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {name: redaction.value(value) for name, value in event.items()}

    logger: BindableLogger = structlog.wrap_logger(
        _Lines(streams),
        processors=[without_secret_fields, without_keys, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.BoundLogger,
        context_class=dict,
    )
    return logger.bind(run=run.id)


@contextmanager
def _opened(run: Run) -> Iterator[TextIO]:
    try:
        handle = open_to_append(run.log)
    except OSError as exc:
        raise VpnMigrateError(
            f"the log {run.log} cannot be written: {exc.strerror}",
            advice="check free space and permissions, or set VPNMIGRATE_LOG=off",
        ) from exc
    file = os.fdopen(handle, "a", encoding="utf-8")
    try:
        yield file
    finally:
        with suppress(OSError):  # Flushing on close may repeat an earlier write error.
            file.close()
