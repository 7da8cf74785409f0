"""Change windows at four hundred moments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import minutes
from vpnmigrate.planning.window_parser import window_from
from vpnmigrate.planning.windows import (
    BY_DEFAULT,
    ExpectedDurations,
    WindowAhead,
    WindowOpen,
    WindowOver,
    WindowTooLate,
    WindowTooShort,
    back_out_deadline,
    latest_start,
    window_state,
)

NIGHT = window_from("2026-11-28T23:00/03:00 Europe/Berlin")
REHEARSED = ExpectedDurations(minutes(10), minutes(15), "rehearsed")
MARGIN = minutes(30)


def test_the_deadline_leaves_a_rollback_and_the_margin():
    """The back-out deadline is the window's end minus the rollback and the margin."""
    assert back_out_deadline(NIGHT, minutes(15), MARGIN) == NIGHT.end - minutes(45)


def test_the_latest_start_leaves_a_cutover_before_the_deadline():
    """A cutover that begins at the last moment is expected to be over at the deadline."""
    latest = latest_start(NIGHT, REHEARSED, MARGIN)

    assert latest + REHEARSED.cutover == back_out_deadline(NIGHT, REHEARSED.rollback, MARGIN)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (NIGHT.start - timedelta(microseconds=1), WindowAhead(NIGHT.start)),
        (NIGHT.start, WindowOpen(NIGHT.end - minutes(55))),
        (NIGHT.end - minutes(55), WindowOpen(NIGHT.end - minutes(55))),
        (
            NIGHT.end - minutes(55) + timedelta(microseconds=1),
            WindowTooLate(NIGHT.end - minutes(55), NIGHT.end),
        ),
        (NIGHT.end - timedelta(microseconds=1), WindowTooLate(NIGHT.end - minutes(55), NIGHT.end)),
        (NIGHT.end, WindowOver(NIGHT.end)),
        (NIGHT.end + timedelta(days=365), WindowOver(NIGHT.end)),
    ],
)
def test_each_edge_belongs_to_one_side(moment, expected):
    """A window is open at its start and no longer at its end; the latest start is still a start."""
    assert window_state(NIGHT, REHEARSED, MARGIN, moment) == expected


def test_a_window_into_which_nothing_fits_is_never_open():
    """If cutover, rollback and margin are longer than the window, it is too short at any time."""
    short = window_from("2026-11-28T02:00/02:54 UTC")

    for moment in (short.start - minutes(1), short.start, short.end - minutes(1)):
        assert window_state(short, REHEARSED, MARGIN, moment) == WindowTooShort(
            minutes(54), minutes(55)
        )
    assert window_state(short, REHEARSED, MARGIN, short.end) == WindowOver(short.end)


WINDOWS = [
    "2026-11-28T23:00/03:00 Europe/Berlin",
    "2026-10-25T01:00/04:00 Europe/Berlin",
    "2026-03-29T01:00/04:00 Europe/Berlin",
    "2026-11-01T00:30/03:30 America/New_York",
    "2026-12-31T22:00/02:00 Pacific/Auckland",
]


@pytest.mark.parametrize("text", WINDOWS)
def test_at_every_moment_somebody_who_counts_minutes_agrees(text):
    """At eighty moments in and around each window: open means that the remaining time is enough."""
    window = window_from(text)
    step = (window.end - window.start + minutes(60)) / 79
    needs = BY_DEFAULT.cutover + BY_DEFAULT.rollback + MARGIN
    seen = set()

    for count in range(80):
        moment = window.start - minutes(30) + count * step
        found = window_state(window, BY_DEFAULT, MARGIN, moment)
        seen.add(type(found))
        if moment < window.start:
            assert found == WindowAhead(window.start)
        elif moment >= window.end:
            assert found == WindowOver(window.end)
        else:
            assert isinstance(found, WindowOpen) == (moment + needs <= window.end)
            assert isinstance(found, WindowTooLate) == (moment + needs > window.end)
    assert seen == {WindowAhead, WindowOpen, WindowTooLate, WindowOver}


@given(
    st.datetimes(datetime(2026, 11, 28), datetime(2026, 11, 30), timezones=st.just(UTC)),  # noqa: DTZ001
    st.tuples(*(st.timedeltas(timedelta(0), timedelta(hours=3)) for _ in range(3))),
)
def test_a_start_that_is_allowed_can_be_taken_back_in_time(moment, spans):
    """While a window is open, a cutover and a rollback end the margin before its end."""
    cutover, rollback, margin = spans

    found = window_state(NIGHT, ExpectedDurations(cutover, rollback, "made up"), margin, moment)

    fits = NIGHT.start <= moment and moment + cutover + rollback + margin <= NIGHT.end
    assert isinstance(found, WindowOpen) == (fits and moment < NIGHT.end)
