"""Freeze calendar: the events of an iCalendar file (.ics), during which nothing is started."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from vpnmigrate.model.errors import MalformedFileError, UsageError
from vpnmigrate.model.errors.extras import install_command

if TYPE_CHECKING:
    from icalendar import Calendar, Event

EARLIEST_ZONE: Final = timedelta(hours=14)
LATEST_ZONE: Final = timedelta(hours=12)
"""The first and the last time zone in which a day begins (UTC+14, UTC-12)."""


class Freeze(Struct, frozen=True):
    """A time in which nothing is started."""

    start: datetime
    end: datetime
    """First moment after it."""
    summary: str


def freezes_between(text: bytes, name: str, start: datetime, end: datetime) -> tuple[Freeze, ...]:
    """Return the events in *text* that touch *start* to *end*, with their repetitions.

    Messages call the text *name*.  Cancelled events are left out.  An event without a time zone,
    such as a whole day, lasts from its start in the first time zone of the world to its end in the
    last one.

    Raises:
        MalformedFileError: It is not a calendar, or an event cannot be understood.
        UsageError: The libraries that read calendars are not installed.
    """
    calendar = _calendar(text, name)
    from recurring_ical_events import of

    # An event without a time zone is extended afterwards, so more is asked for.
    first, last = start - LATEST_ZONE, end + EARLIEST_ZONE + timedelta(seconds=1)
    try:
        for event in calendar.events:
            _require_understood(event, name)
        events = list(of(calendar, components=["VEVENT"]).between(first, last))
        found = [_freeze(event) for event in events if not _is_cancelled(event)]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _fault(name, f"an event cannot be understood: {error}") from None
    return tuple(
        sorted(
            (each for each in found if each.start <= end and start < each.end),
            key=lambda each: (each.start, each.end, each.summary),
        )
    )


def _calendar(text: bytes, name: str) -> Calendar:
    try:
        from icalendar import Calendar
    except ImportError:
        raise UsageError(
            "a freeze calendar needs libraries that are not installed",
            advice=install_command("fleet"),
        ) from None
    try:
        calendar = Calendar.from_ical(text)
    except (ValueError, IndexError, KeyError) as error:
        raise _fault(name, f"not a calendar: {error}") from None
    return calendar


def _require_understood(event: Event, name: str) -> None:
    """Check that *event* has a start and an end; the library skips what it cannot read.

    Raises:
        MalformedFileError: One is missing or invalid.
    """
    for field, why in event.errors:
        raise _fault(name, f"{field or 'a line'} of {_summary(event)} is invalid: {why}")
    if "DTSTART" not in event:
        raise _fault(name, f"{_summary(event)} has no start")
    if event.end <= event.start:
        raise _fault(name, f"{_summary(event)} has no end after its start")


def _is_cancelled(event: Event) -> bool:
    return str(event.get("STATUS", "")).upper() == "CANCELLED"


def _freeze(event: Event) -> Freeze:
    return Freeze(
        _moment(event.start, -EARLIEST_ZONE), _moment(event.end, LATEST_ZONE), _summary(event)
    )


def _moment(at: date | datetime, without_zone: timedelta) -> datetime:
    """Return *at* in UTC; a local time without a time zone is moved by *without_zone*."""
    if not isinstance(at, datetime):
        at = datetime.combine(at, time())
    if at.tzinfo is None:
        return at.replace(tzinfo=UTC) + without_zone
    return at.astimezone(UTC)


def _summary(event: Event) -> str:
    return str(event.get("SUMMARY", "")).strip() or "an event without a summary"


def _fault(name: str, why: str) -> MalformedFileError:
    return MalformedFileError(
        f"{name}: {why}", advice="export the calendar again; nothing is started without it"
    )
