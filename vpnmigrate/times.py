"""Moments and spans in words, the same in every message and every view."""

from __future__ import annotations

from datetime import datetime, timedelta


def moment(at: datetime) -> str:
    """Give date and time of day, UTC, to the second."""
    return f"{at:%Y-%m-%d %H:%M:%S}Z"


def time_of_day(at: datetime) -> str:
    """Give the time of day, UTC; for progress, where the date goes without saying."""
    return f"{at:%H:%M:%S}Z"


def span(length: timedelta) -> str:
    """Give a length of time with the two units that matter at its size."""
    seconds = max(0, round(length.total_seconds()))
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    first = next((i for i, (amount, _) in enumerate(parts) if amount), len(parts) - 1)
    told = [f"{amount} {unit}" for amount, unit in parts[first : first + 2] if amount]
    return " ".join(told) or "0 s"
