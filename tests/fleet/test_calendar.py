"""Freeze calendar: events with and without time zones, repetitions, and what cannot be read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from vpnmigrate.fleet.calendar import Freeze, freezes_between
from vpnmigrate.model.errors import MalformedFileError

HOUR = timedelta(hours=1)


def at(day: int, hour: int = 0, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


def calendar(*lines: str, before: str = "") -> bytes:
    """Return a calendar with one event of *lines*."""
    event = ["BEGIN:VEVENT", "UID:1", "DTSTAMP:20261101T000000Z", *lines, "END:VEVENT"]
    head = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", *before.split()]
    return "\r\n".join([*head, *event, "END:VCALENDAR", ""]).encode()


def found(text: bytes, day: int, hour: int = 0, month: int = 11) -> tuple[Freeze, ...]:
    """Return the freezes of one moment."""
    now = at(day, hour, month)
    return freezes_between(text, "freeze.ics", now, now)


def test_an_event_lasts_from_its_start_to_its_end() -> None:
    """In the time zone of the event; the end is the first moment after it."""
    text = calendar(
        "SUMMARY:Black Friday",
        "DTSTART;TZID=Europe/Berlin:20261127T000000",
        "DTEND;TZID=Europe/Berlin:20261128T000000",
    )
    freeze = Freeze(at(26, 23), at(27, 23), "Black Friday")

    assert found(text, 26, 23) == found(text, 27, 22) == (freeze,)
    assert found(text, 26, 22) == found(text, 27, 23) == ()
    assert freezes_between(text, "f", at(26, 20), at(26, 23)) == (freeze,)


def test_a_day_without_a_time_zone_is_frozen_everywhere() -> None:
    """From its begin in the first time zone of the world to its end in the last one."""
    text = calendar("SUMMARY:Peak", "DTSTART;VALUE=DATE:20261127", "DTEND;VALUE=DATE:20261128")
    floating = calendar("SUMMARY:Peak", "DTSTART:20261127T000000", "DTEND:20261128T000000")
    one_day = calendar("SUMMARY:Peak", "DTSTART;VALUE=DATE:20261127")

    for each in (text, floating, one_day):
        assert found(each, 26, 10) == (Freeze(at(26, 10), at(28, 12), "Peak"),)
        assert found(each, 28, 11)
        assert found(each, 26, 9) == found(each, 28, 12) == ()


def test_repetitions_and_their_exceptions_count() -> None:
    """A weekly freeze, once left out."""
    text = calendar(
        "SUMMARY:Close",
        "DTSTART:20261102T200000Z",
        "DURATION:PT10H",
        "RRULE:FREQ=WEEKLY;BYDAY=MO",
        "EXDATE:20261109T200000Z",
    )

    assert found(text, 16, 22) == (Freeze(at(16, 20), at(17, 6), "Close"),)
    assert found(text, 9, 22) == ()
    assert found(text, 7, 22, month=12)


def test_a_cancelled_event_is_no_freeze() -> None:
    """Calendars keep what was called off."""
    lines = ("DTSTART:20261127T000000Z", "DTEND:20261128T000000Z")

    assert found(calendar("STATUS:CANCELLED", *lines), 27) == ()
    assert found(calendar("TRANSP:TRANSPARENT", *lines), 27)[0].summary == (
        "an event without a summary"
    )


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"BEGIN:VCALENDAR\r\n",
        b"not a calendar",
        b"BEGIN:VEVENT\r\nDTSTART:20261127T000000Z\r\nEND:VEVENT\r\n",
        b"\xff\xfe\x00",
        calendar("SUMMARY:without a start"),
        calendar("DTSTART:sometime", "DTEND:20261128T000000Z"),
        calendar("DTSTART:20261127T000000Z"),
        calendar("DTSTART:20261127T000000Z", "DTEND:20261126T000000Z"),
        calendar("DTSTART:20261127T000000Z", "DTEND:20261128T000000Z", "RRULE:FREQ=OFTEN"),
    ],
)
def test_what_cannot_be_understood_stops_everything(text) -> None:
    """A freeze that is skipped would let a cutover begin in it."""
    with pytest.raises(MalformedFileError, match=r"^freeze\.ics: "):
        found(text, 27)
