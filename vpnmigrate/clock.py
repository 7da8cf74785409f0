"""The one source of time and of waiting, so that a test or a rehearsal can drive both."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Aware UTC time that never goes back for its reader, and the only way to wait."""

    def now(self) -> datetime:
        """Give the present moment, aware, in UTC."""
        ...

    def sleep(self, span: timedelta) -> None:
        """Wait for *span*; a virtual clock jumps instead."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Give the machine's time in UTC."""
        return datetime.now(UTC)

    def sleep(self, span: timedelta) -> None:
        """Block this thread for *span*."""
        time.sleep(max(0.0, span.total_seconds()))


class VirtualClock:
    """A clock that moves only when somebody waits on it, for rehearsals, demos and tests."""

    def __init__(self, start: datetime = datetime(2026, 1, 17, 2, 0, tzinfo=UTC)) -> None:
        self._now = start

    def now(self) -> datetime:
        """Give the virtual moment."""
        return self._now

    def sleep(self, span: timedelta) -> None:
        """Move on by *span* at once."""
        self._now += max(timedelta(0), span)
