"""Live view: the latest observation in a small file, for other terminals.

It shows what the journal does not contain: what the run is waiting for now.  No decision depends on
it, so it is neither durable nor chained, and a disk error does not affect the run.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime, timedelta

import msgspec

from vpnmigrate.journal.records import Entry, StepBegun
from vpnmigrate.journal.usual_times import UsualTimes
from vpnmigrate.local.private_files import FILE_MODE
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.progress import CutoverView, Sighting, Unreadable, Waiting
from vpnmigrate.model.redaction import Redaction

PACE = timedelta(seconds=1)
"""Minimum time between two writes; screens read it no more often."""


class LiveView(msgspec.Struct, frozen=True):
    """What a run is waiting for, its latest observation, and whether AWS can be read."""

    waiting: Waiting | None = None
    sight: CutoverView | None = None
    unreadable: Unreadable | None = None
    usual_outage: str = ""
    """How long the outage usually is, with the source; empty if that is not known."""


class LiveFile:
    """Observer of a run that keeps the file up to date; its process removes the file."""

    def __init__(
        self,
        run: Run,
        clock: Clock,
        redaction: Redaction | None = None,
        usual: UsualTimes | None = None,
    ) -> None:
        self._path = run.live
        self._aside = run.live.with_name(f".{run.live.name}")
        self._clock = clock
        self._redaction = redaction or Redaction()
        self._usual = usual or UsualTimes()
        self._now = LiveView()
        self._written: datetime | None = None

    def on_entry(self, entry: Entry) -> None:
        """Clear the wait of the last step when another step begins."""
        self._usual.read(entry)
        if isinstance(entry.record, StepBegun):
            self._now = msgspec.structs.replace(self._now, waiting=None)
            self._write()

    def on_wait(self, step: int, why: str, waited: timedelta, limit: timedelta) -> None:
        """Write the wait."""
        usual = self._usual.of_wait(step, limit)
        waiting = Waiting(self._clock.now(), step, why, waited, limit, usual)
        self._now = msgspec.structs.replace(
            self._now, waiting=waiting, usual_outage=self._usual.of_outage
        )
        self._write()

    def on_view(self, sighting: Sighting) -> None:
        """Keep the observation; it is written with the next wait."""
        self._now = msgspec.structs.replace(self._now, sight=sighting())

    def on_reading(self, unreadable: Unreadable | None) -> None:
        """Write whether AWS can be read."""
        self._now = msgspec.structs.replace(self._now, unreadable=unreadable)
        self._write(at_once=unreadable is None)

    def close(self) -> None:
        """Remove the file: this process no longer works on the run."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _write(self, *, at_once: bool = False) -> None:
        now = self._clock.now()
        if not at_once and self._written is not None and now - self._written < PACE:
            return
        self._written = now
        document = self._redaction.value(msgspec.to_builtins(self._now))
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK
        with suppress(OSError):
            with os.fdopen(os.open(self._aside, flags, FILE_MODE), "wb") as file:
                file.write(msgspec.json.encode(document))
            self._aside.replace(self._path)


def read_live(run: Run) -> LiveView:
    """Return what the running process wrote last; an empty view if that cannot be read."""
    try:
        return msgspec.json.decode(run.live.read_bytes(), type=LiveView)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return LiveView()
