"""Clocks: the interface, the system clock, a virtual clock, and time formatting.

People and NTP set a machine's clock, forward and back.  So durations are measured with a monotonic
time; only calendar times (windows, deadlines, expiry) use the wall clock.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Protocol

_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Clock that also counts while the machine sleeps; on macOS that is CLOCK_MONOTONIC."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

_ZERO = Path("/proc/self/ns/time")


@dataclass(frozen=True)
class Stamp:
    """Uptime of a machine and its boot: comparable only within one boot."""

    boot: str
    up: timedelta


class Timer(Protocol):
    """A clock that measures durations."""

    def now(self) -> datetime:
        """Return the current moment, which is never earlier than one returned before."""
        ...


class Clock(Protocol):
    """A monotonic time, the wall clock, and the only way to wait."""

    def now(self) -> datetime:
        """Return a moment for durations, aware, in UTC: monotonic and without jumps."""
        ...

    def wall(self) -> datetime:
        """Return the wall clock's time, aware, in UTC: it follows every correction."""
        ...

    def ahead(self) -> timedelta:
        """Return how far the wall clock is ahead of ``now`` because it was set since the start."""
        ...

    def stamp(self) -> Stamp:
        """Return the stamp from which another process of this boot can measure durations."""
        ...

    def sleep(self, span: timedelta) -> None:
        """Wait for *span*; a virtual clock jumps instead."""
        ...


class Machine(Protocol):
    """The clocks of a machine."""

    @property
    def boot(self) -> str:
        """An id that is unique to this boot of this machine."""
        ...

    def now(self) -> datetime:
        """Return the time that people and NTP set."""
        ...

    def uptime(self) -> timedelta:
        """Return how long the machine has been up, including sleep; it cannot be set."""
        ...

    def sleep(self, span: timedelta) -> None:
        """Block this thread for *span*."""
        ...


class SystemClock:
    """The machine of this process; on Linux the kernel writes its boot id to *boot_id*."""

    def __init__(self, boot_id: Path = _BOOT_ID) -> None:
        self._boot_id = boot_id

    @cached_property
    def boot(self) -> str:
        """The kernel's id of this boot; without one, an id unique to this process."""
        with suppress(OSError):
            name = self._boot_id.read_bytes()
            # A container with its own time namespace may count uptime from another zero.
            zero = str(_ZERO.readlink()) if _ZERO.is_symlink() else ""
            return hashlib.sha256(name + zero.encode()).hexdigest()[:12]
        return secrets.token_hex(6)

    def now(self) -> datetime:
        """Return the machine's time in UTC."""
        return datetime.now(UTC)

    def uptime(self) -> timedelta:
        """Return how long the machine has been up, including sleep."""
        return timedelta(seconds=time.clock_gettime(_BOOTTIME))

    def sleep(self, span: timedelta) -> None:
        """Block this thread for *span*."""
        time.sleep(max(0.0, span.total_seconds()))


class SteadyClock:
    """A clock that reads the machine's time once and then advances with its uptime."""

    def __init__(self, machine: Machine | None = None) -> None:
        self._machine = machine or SystemClock()
        self._zero = self._machine.now() - self._machine.uptime()

    def now(self) -> datetime:
        """Return the monotonic moment."""
        return self._zero + self._machine.uptime()

    def wall(self) -> datetime:
        """Return the time of the machine's clock."""
        return self._machine.now()

    def ahead(self) -> timedelta:
        """Return by how much the machine's clock was set since this clock started."""
        return self._machine.now() - self.now()

    def stamp(self) -> Stamp:
        """Return the machine's boot and uptime."""
        return Stamp(self._machine.boot, self._machine.uptime())

    def sleep(self, span: timedelta) -> None:
        """Block this thread for *span*."""
        self._machine.sleep(span)


class VirtualClock:
    """A clock that advances only in ``sleep``, for rehearsals, demos and tests."""

    def __init__(self, start: datetime = datetime(2026, 1, 17, 2, 0, tzinfo=UTC)) -> None:
        self._now = start

    def now(self) -> datetime:
        """Return the virtual moment."""
        return self._now

    def wall(self) -> datetime:
        """Return the virtual moment: this clock is never set."""
        return self._now

    def ahead(self) -> timedelta:
        """Return zero: this clock is never set."""
        return timedelta(0)

    def stamp(self) -> Stamp:
        """Return the time since an epoch that all virtual clocks share."""
        return stamp_of("virtual", self._now)

    def sleep(self, span: timedelta) -> None:
        """Advance by *span* at once."""
        self._now += max(timedelta(0), span)


_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def stamp_of(boot: str, moment: datetime) -> Stamp:
    """Return the stamp of a monotonic *moment* for all clocks that share *boot*."""
    return Stamp(boot, moment - _EPOCH)


def moment(at: datetime) -> str:
    """Return date and time of day, UTC, to the second."""
    return f"{str(at)[:19]}Z"


def time_of_day(at: datetime) -> str:
    """Return the time of day, UTC; for progress output, where the date is clear."""
    return f"{str(at)[11:19]}Z"


def rounded(length: timedelta) -> timedelta:
    """Return an expected duration in whole minutes if it has several."""
    minute = timedelta(minutes=1)
    return round(length / minute) * minute if length > 5 * minute else length


def span(length: timedelta) -> str:
    """Return a duration in its two largest units."""
    seconds = max(0, round(length.total_seconds()))
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    first = next((i for i, (amount, _) in enumerate(parts) if amount), len(parts) - 1)
    lines = [f"{amount} {unit}" for amount, unit in parts[first : first + 2] if amount]
    return " ".join(lines) or "0 s"
