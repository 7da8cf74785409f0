"""Clocks: the interface, the system clock, a virtual clock, and time formatting.

People and NTP set a machine's clock, forward and back.  So durations are measured with a time
that only goes forward, and only calendars (windows, deadlines, expiry) ask the clock on the wall.
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
"""Counts while the machine sleeps: Linux has a clock for it, macOS counts so in CLOCK_MONOTONIC."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

_ZERO = Path("/proc/self/ns/time")


@dataclass(frozen=True)
class Stamp:
    """How long a machine has been up, and since which boot: comparable within one boot alone."""

    boot: str
    up: timedelta


class Timer(Protocol):
    """Time to measure durations with."""

    def now(self) -> datetime:
        """Return a moment that is none before any it has returned."""
        ...


class Clock(Protocol):
    """Time that only goes forward, the time on the wall, and the only way to wait."""

    def now(self) -> datetime:
        """Return a moment for durations, aware, in UTC: it never goes back, and jumps nowhere."""
        ...

    def wall(self) -> datetime:
        """Return what the machine's clock shows, aware, in UTC: it follows every correction."""
        ...

    def ahead(self) -> timedelta:
        """Return how far the wall is ahead of ``now``: it was set since this clock began."""
        ...

    def stamp(self) -> Stamp:
        """Return what another process of this boot can measure durations from."""
        ...

    def sleep(self, span: timedelta) -> None:
        """Wait for *span*; a virtual clock jumps instead."""
        ...


class Machine(Protocol):
    """What a machine knows of time."""

    @property
    def boot(self) -> str:
        """What tells this boot from every other, of this machine and of others."""
        ...

    def now(self) -> datetime:
        """Return the time that people and NTP set."""
        ...

    def uptime(self) -> timedelta:
        """Return how long the machine has been up, asleep or not; nobody sets that."""
        ...

    def sleep(self, span: timedelta) -> None:
        """Block this thread for *span*."""
        ...


class SystemClock:
    """The machine that this process runs on, whose kernel names its boot in *boot_id* (Linux)."""

    def __init__(self, boot_id: Path = _BOOT_ID) -> None:
        self._boot_id = boot_id

    @cached_property
    def boot(self) -> str:
        """The kernel's name for this boot; where it has none, one that no other process shares."""
        with suppress(OSError):
            name = self._boot_id.read_bytes()
            # Containers may count their uptime from another zero.
            zero = str(_ZERO.readlink()) if _ZERO.is_symlink() else ""
            return hashlib.sha256(name + zero.encode()).hexdigest()[:12]
        return secrets.token_hex(6)

    def now(self) -> datetime:
        """Return the machine's time in UTC."""
        return datetime.now(UTC)

    def uptime(self) -> timedelta:
        """Return how long the machine has been up, asleep or not."""
        return timedelta(seconds=time.clock_gettime(_BOOTTIME))

    def sleep(self, span: timedelta) -> None:
        """Block this thread for *span*."""
        time.sleep(max(0.0, span.total_seconds()))


class SteadyClock:
    """A clock that is set by the machine's once, and goes on with its uptime from there."""

    def __init__(self, machine: Machine | None = None) -> None:
        self._machine = machine or SystemClock()
        self._zero = self._machine.now() - self._machine.uptime()

    def now(self) -> datetime:
        """Return the steady moment."""
        return self._zero + self._machine.uptime()

    def wall(self) -> datetime:
        """Return what the machine's clock shows."""
        return self._machine.now()

    def ahead(self) -> timedelta:
        """Return how far the machine's clock was set since this one began."""
        return self._machine.now() - self.now()

    def stamp(self) -> Stamp:
        """Return the machine's boot and uptime."""
        return Stamp(self._machine.boot, self._machine.uptime())

    def sleep(self, span: timedelta) -> None:
        """Block this thread for *span*."""
        self._machine.sleep(span)


class VirtualClock:
    """A clock that moves only when somebody waits on it, for rehearsals, demos and tests."""

    def __init__(self, start: datetime = datetime(2026, 1, 17, 2, 0, tzinfo=UTC)) -> None:
        self._now = start

    def now(self) -> datetime:
        """Return the virtual moment."""
        return self._now

    def wall(self) -> datetime:
        """Return the virtual moment: nobody sets this clock."""
        return self._now

    def ahead(self) -> timedelta:
        """Return zero: nobody sets this clock."""
        return timedelta(0)

    def stamp(self) -> Stamp:
        """Return how long it is since an epoch that all virtual clocks share."""
        return stamp_of("virtual", self._now)

    def sleep(self, span: timedelta) -> None:
        """Move on by *span* at once."""
        self._now += max(timedelta(0), span)


_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def stamp_of(boot: str, moment: datetime) -> Stamp:
    """Return the stamp of a *moment* that only goes forward, for all readers of the time *boot*."""
    return Stamp(boot, moment - _EPOCH)


def moment(at: datetime) -> str:
    """Return date and time of day, UTC, to the second."""
    return f"{at:%Y-%m-%d %H:%M:%S}Z"


def time_of_day(at: datetime) -> str:
    """Return the time of day, UTC; for progress, where the date goes without saying."""
    return f"{at:%H:%M:%S}Z"


def span(length: timedelta) -> str:
    """Return a length of time with the two units that matter at its size."""
    seconds = max(0, round(length.total_seconds()))
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    first = next((i for i, (amount, _) in enumerate(parts) if amount), len(parts) - 1)
    lines = [f"{amount} {unit}" for amount, unit in parts[first : first + 2] if amount]
    return " ".join(lines) or "0 s"
