"""Window parser: the notation of change windows and their time zones.

::

    window := start "/" end [" " zone]
    start  := date "T" time [offset]
    end    := [date "T"] time [offset]        without a date: the next such time after the start
    zone   := a name of the IANA database | "UTC" | offset
    offset := "Z" | "+hh:mm" | "-hh:mm"

A time without an offset is local to the zone.  When clocks are set back it may occur twice, and
when they are set forward not at all: then it is refused, because a guess would be an hour wrong.
An offset beside the time says which one is meant.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from difflib import get_close_matches
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from vpnmigrate.model.decisions import Window
from vpnmigrate.model.errors import UsageError

FORM = "2026-11-28T02:00/04:00 Europe/Berlin"
"""An example, for messages and help."""
LONGEST = timedelta(days=7)
"""Longest change window: windows are hours long, and more than a week is a typing error."""

_DATE = r"20\d\d-\d\d-\d\d"
_TIME = r"\d\d:\d\d"
_OFFSET = r"Z|[+-]\d\d:\d\d"
PATTERN = rf"^({_DATE})T({_TIME})({_OFFSET})?/(?:({_DATE})T)?({_TIME})({_OFFSET})?(?: +([^ ]+))?$"
"""The grammar above as a pattern for editors; the parser checks more."""

_WINDOW = re.compile(PATTERN, re.ASCII)
_ALIKE = 0.7
"""How similar a name must be to be suggested."""


@dataclass(frozen=True)
class _Said:
    """One end of a window, as written."""

    day: date
    time: time
    offset: tzinfo | None

    def __str__(self) -> str:
        return f"{self.day}T{self.time:%H:%M}"


@dataclass(frozen=True)
class _Place:
    """A time zone with its name."""

    name: str
    zone: tzinfo

    def shows(self, said: _Said, moment: datetime) -> bool:
        local = moment.astimezone(self.zone)
        return (local.date(), local.time()) == (said.day, said.time)

    def describe(self, moment: datetime) -> str:
        return moment.astimezone(self.zone).isoformat(timespec="minutes")


def window_from(text: str) -> Window:
    """Return the window in *text*.

    Raises:
        UsageError: It is not a window, or a time in it is ambiguous; says what to write instead.
    """
    found = _WINDOW.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{text!r} is not a window", advice=f"write it like {FORM}")
    day, at, offset, end_day, end_at, end_offset, name = found.groups()
    place = _Place(name, _zone(name)) if name else None
    start = _moment(_said(day, at, offset), place)
    ends = _said(end_day or day, end_at, end_offset)
    end = _moment(ends, place) if end_day else _next(ends, start, place)
    if end <= start:
        raise UsageError(
            f"the window {text!r} ends before it begins",
            advice="leave the second date out for the next such time after the start",
        )
    if not end_day and end - start >= timedelta(days=1):
        raise UsageError(
            f"the window {text!r} begins and ends at the same time of day",
            advice="if a whole day is meant, write the second date too",
        )
    if end - start > LONGEST:
        raise UsageError(
            f"the window {text!r} is longer than {LONGEST.days} days",
            advice=f"check its dates; write it like {FORM}",
        )
    return Window(start, end, " ".join(text.split()))


def example_window(now: datetime) -> str:
    """Return a window of the day after *now*, as an example."""
    return f"{(now + timedelta(days=1)).date()}T02:00/04:00 Europe/Berlin"


def _said(day: str, at: str, offset: str | None) -> _Said:
    try:
        return _Said(
            date.fromisoformat(day),
            time.fromisoformat(at),
            _fixed(offset) if offset else None,
        )
    except ValueError as error:
        raise UsageError(
            f"{day}T{at}{offset or ''} is not a valid time: {error}",
            advice=f"write it like {FORM}",
        ) from None


def _next(said: _Said, start: datetime, place: _Place | None) -> datetime:
    """Return the first moment after *start* at the time of day of *said*."""
    if any(moment > start for moment in _near(said, place)):
        return _moment(said, place)
    return _moment(replace(said, day=said.day + timedelta(days=1)), place)


def _moment(said: _Said, place: _Place | None) -> datetime:
    """Return the moment that *said* means.

    Raises:
        UsageError: There are two such moments, or none.
    """
    near = _near(said, place)
    meant = [moment for moment in near if place is None or place.shows(said, moment)]
    if place is None or len(meant) == 1:
        return near[0]
    if said.offset is not None:
        raise UsageError(
            f"{said} with that offset does not exist in {place.name}: "
            f"the local time is {place.describe(near[0])} then",
            advice="leave out the offset or the time zone",
        )
    occurs = "occurs twice" if meant else "does not exist"
    lines = [place.describe(moment) for moment in near]
    instants = [f"{text} ({moment:%H:%M}Z)" for text, moment in zip(lines, near, strict=True)]
    raise UsageError(
        f"{said} {occurs} in {place.name}, because clocks change then; "
        f"it could be {' or '.join(instants)}",
        advice=f"write which one is meant, with its offset: {' or '.join(lines)}",
    )


def _near(said: _Said, place: _Place | None) -> list[datetime]:
    """Return the moments that *said* may mean: two if clocks change then, else one."""
    zone = said.offset or (place.zone if place else None)
    if zone is None:
        raise UsageError(
            f"{said} names no time zone", advice=f"write the window like {FORM}, or with offsets"
        )
    local = datetime.combine(said.day, said.time, zone)
    return sorted({local.replace(fold=fold).astimezone(UTC) for fold in (0, 1)})


def _zone(name: str) -> tzinfo:
    if re.fullmatch(_OFFSET, name):
        return _fixed(name)
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        known = available_timezones()
    if not known:
        raise UsageError(
            f"{name}: this machine has no time zone database",
            advice="write offsets, like 2026-11-28T02:00+01:00/04:00+01:00, or install tzdata",
        )
    plain = {zone.lower(): zone for zone in known}
    alike = get_close_matches(name.lower(), plain, n=3, cutoff=_ALIKE)
    names = ", ".join(plain[one] for one in alike) or "a name like Europe/Berlin, UTC or +01:00"
    raise UsageError(f"there is no time zone called {name}", advice=f"write {names}")


def _fixed(offset: str) -> tzinfo:
    """Return the time zone for ``Z`` or ``+01:00``.

    Raises:
        UsageError: It is outside the range of real UTC offsets.
    """
    if offset == "Z":
        return UTC
    hours, minutes = int(offset[1:3]), int(offset[4:6])
    span = timedelta(hours=hours, minutes=minutes)
    if minutes >= 60 or span > timedelta(hours=14):  # noqa: PLR2004  minutes of an hour; +14:00
        raise UsageError(f"{offset} is not a valid UTC offset", advice=f"write it like {FORM}")
    return timezone(-span if offset.startswith("-") else span)
