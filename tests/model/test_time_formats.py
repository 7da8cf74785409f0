"""Text for moments and durations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from vpnmigrate.model.clock import moment, span, time_of_day


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(0), "0 s"),
        (timedelta(seconds=-3), "0 s"),
        (timedelta(seconds=59), "59 s"),
        (timedelta(seconds=101), "1 min 41 s"),
        (timedelta(minutes=45), "45 min"),
        (timedelta(hours=1, seconds=5), "1 h"),
        (timedelta(days=2, hours=3, minutes=4), "2 d 3 h"),
    ],
)
def test_a_span_has_the_two_units_that_matter(length, text):
    """Seconds are left out beside hours."""
    assert span(length) == text


def test_moments_are_utc_to_the_second():
    """Every displayed moment has the mark of UTC."""
    at = datetime(2026, 1, 17, 2, 14, 9, 999, tzinfo=UTC)

    assert moment(at) == "2026-01-17 02:14:09Z"
    assert time_of_day(at) == "02:14:09Z"
