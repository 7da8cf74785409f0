"""Parsing of windows, also at every change of clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpnmigrate.model.decisions import Window
from vpnmigrate.model.errors import UsageError
from vpnmigrate.planning.window_parser import window_from

MINUTE = timedelta(minutes=1)


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026-11-28T02:00/04:00 Europe/Berlin", "2026-11-28T01:00", "2026-11-28T03:00"),
        ("2026-11-28T23:00/03:00 Europe/Berlin", "2026-11-28T22:00", "2026-11-29T02:00"),
        ("2026-12-31T23:30/00:30 UTC", "2026-12-31T23:30", "2027-01-01T00:30"),
        ("2026-11-28T23:00/2026-11-30T03:00 utc", "2026-11-28T23:00", "2026-11-30T03:00"),
        ("2026-11-28T02:00/04:00 +05:30", "2026-11-27T20:30", "2026-11-27T22:30"),
        ("2026-11-28T02:00Z/04:00Z", "2026-11-28T02:00", "2026-11-28T04:00"),
        ("2026-11-28T02:00-03:00/04:00Z", "2026-11-28T05:00", "2026-11-29T04:00"),
        # The night is an hour longer, then an hour shorter, than its clocks say.
        ("2026-10-25T01:00/04:00 Europe/Berlin", "2026-10-24T23:00", "2026-10-25T03:00"),
        ("2026-03-29T01:00/04:00 Europe/Berlin", "2026-03-29T00:00", "2026-03-29T02:00"),
        # Either of the two 02:30, with an offset.
        ("2026-10-25T02:30+02:00/04:00 Europe/Berlin", "2026-10-25T00:30", "2026-10-25T03:00"),
        ("2026-10-25T02:30+01:00/04:00 Europe/Berlin", "2026-10-25T01:30", "2026-10-25T03:00"),
        ("2026-10-25T02:30+02:00/02:15+01:00", "2026-10-25T00:30", "2026-10-25T01:15"),
        # The time that occurs twice is before the window.
        ("2026-10-25T23:00/02:30 Europe/Berlin", "2026-10-25T22:00", "2026-10-26T01:30"),
    ],
)
def test_a_window_is_two_moments(text, start, end):
    """A window has two definite moments, across midnight and across a change of clocks."""
    assert window_from(text) == Window(utc(start), utc(end), text)


@pytest.mark.parametrize(
    ("text", "output", "advice"),
    [
        ("", "is not a window", "write it like 2026-"),
        ("tonight", "is not a window", "write it like 2026-"),
        ("02:00/04:00 UTC", "is not a window", "write it like 2026-"),
        ("2026-11-28T02:00/04:00", "names no time zone", "Europe/Berlin, or with offsets"),
        ("2026-11-28T02:00Z/04:00", "04:00 names no time zone", "Europe/Berlin, or with offsets"),
        ("2026-11-28T02:00/04:00 Europe/Berln", "no time zone called", "Europe/Berlin"),
        ("2026-11-28T02:00/04:00 Europe", "no time zone called Europe", "write "),
        ("2026-11-28T02:00/04:00 ../../etc/passwd", "no time zone called", "Europe/Berlin"),
        ("2026-11-28T02:00/04:00 +25:00", "+25:00 is not a valid UTC offset", "write it like"),
        ("2026-11-31T02:00/04:00 UTC", "2026-11-31T02:00 is not a valid time", "write it like"),
        ("2026-11-28T24:00/04:00 UTC", "2026-11-28T24:00 is not a valid time", "write it like"),
        ("2026-11-28T02:00/02:00 UTC", "the same time of day", "write the second date too"),
        ("2026-11-28T02:00/2026-11-28T01:00 UTC", "ends before it begins", "leave the second"),
        ("2026-11-28T02:00/2027-11-28T04:00 UTC", "longer than 7 days", "check its dates"),
        ("2026-11-28T02:00+05:00/04:00 Europe/Berlin", "does not exist in Europe/", "leave out"),
    ],
)
def test_a_fault_comes_with_what_to_write(text, output, advice):
    """An error about a window says what is wrong, and what to write."""
    with pytest.raises(UsageError) as caught:
        window_from(text)

    assert output in caught.value.message
    assert advice in caught.value.advice_text


@pytest.mark.parametrize(
    ("text", "comes", "readings"),
    [
        (
            "2026-10-25T02:30/04:00 Europe/Berlin",
            "occurs twice",
            ("2026-10-25T02:30+02:00 (00:30Z)", "2026-10-25T02:30+01:00 (01:30Z)"),
        ),
        (
            "2026-10-24T23:00/02:30 Europe/Berlin",
            "occurs twice",
            ("2026-10-25T02:30+02:00 (00:30Z)", "2026-10-25T02:30+01:00 (01:30Z)"),
        ),
        (
            "2026-03-29T02:30/04:00 Europe/Berlin",
            "does not exist",
            ("2026-03-29T01:30+01:00 (00:30Z)", "2026-03-29T03:30+02:00 (01:30Z)"),
        ),
        (
            "2026-03-08T01:00/02:15 America/New_York",
            "does not exist",
            ("2026-03-08T01:15-05:00 (06:15Z)", "2026-03-08T03:15-04:00 (07:15Z)"),
        ),
        (
            "2026-04-05T01:45/04:00 Australia/Lord_Howe",
            "occurs twice",
            ("2026-04-05T01:45+11:00 (14:45Z)", "2026-04-05T01:45+10:30 (15:15Z)"),
        ),
    ],
)
def test_a_time_that_clocks_show_twice_or_never_is_refused(text, comes, readings):
    """An ambiguous time is refused; both readings are named, and either can be written."""
    with pytest.raises(UsageError) as caught:
        window_from(text)

    assert comes in caught.value.message
    for reading in readings:
        assert reading in caught.value.message
        assert reading.partition(" ")[0] in caught.value.advice_text


CHANGES = [
    ("Europe/Berlin", "2026-03-28"),
    ("Europe/Berlin", "2026-10-24"),
    ("America/New_York", "2026-03-07"),
    ("America/New_York", "2026-10-31"),
    ("Australia/Lord_Howe", "2026-04-04"),
    ("Australia/Lord_Howe", "2026-10-03"),
    ("Asia/Kolkata", "2026-10-24"),
    ("America/Havana", "2026-11-01"),  # Clocks change at midnight.
]


@pytest.mark.parametrize(("zone", "day"), CHANGES)
def test_agrees_with_a_clock_that_is_watched(zone, day):
    """At every half hour around a change of clocks, a window has the moments of an oracle.

    The oracle goes through the minutes of two days and lists the local time of each.
    """
    watched: dict[str, list[datetime]] = {}
    moment = utc(f"{day}T00:00") - timedelta(hours=15)
    for _ in range(4 * 24 * 60):
        shown = moment.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M")
        watched.setdefault(shown, []).append(moment)
        moment += MINUTE
    wall = datetime.fromisoformat(f"{day}T00:00")

    for half_hours in range(52):
        shown = wall + half_hours * timedelta(minutes=30)
        text = f"{shown:%Y-%m-%dT%H:%M}/{shown + timedelta(days=1):%Y-%m-%dT%H:%M} {zone}"
        at = [watched.get(t, []) for t in text.removesuffix(f" {zone}").split("/")]
        if [len(moments) for moments in at] == [1, 1]:
            assert window_from(text) == Window(at[0][0], at[1][0], text)
        else:
            with pytest.raises(UsageError, match=r"occurs twice|does not exist"):
                window_from(text)


@given(st.text(max_size=80))
def test_any_text_is_a_window_or_a_named_fault(text):
    """For any text the result is a window or one clear error."""
    found = read(text)

    assert found.advice if isinstance(found, UsageError) else found.start < found.end


def read(text):
    try:
        return window_from(text)
    except UsageError as fault:
        return fault


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001  the wall's
    st.sampled_from(["Europe/Berlin", "America/St_Johns", "Pacific/Apia", "UTC", "-03:30"]),
    st.times(),
)
def test_what_was_written_with_offsets_means_the_same(local, zone, ends):
    """A window written out with the offsets of its two moments is the same window."""
    text = f"{local:%Y-%m-%dT%H:%M}/{ends:%H:%M} {zone}"
    try:
        found = window_from(text)
    except UsageError:
        return

    plain = f"{found.start:%Y-%m-%dT%H:%MZ}/{found.end:%Y-%m-%dT%H:%MZ}"
    again = window_from(plain)

    assert (again.start, again.end) == (found.start, found.end)
