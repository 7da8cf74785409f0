"""Change windows: latest start, back-out deadline and expected duration.

A cutover may begin only if it and a full rollback after it would end a margin before the window
ends.  So two moments matter: the latest start, and the back-out deadline, at which a cutover that
is not verified must be rolled back.

Everything here is arithmetic on moments.  A window is fixed as two moments when a plan is made;
its time zone is not used after that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.decisions import Waits, Window


@dataclass(frozen=True)
class ExpectedDurations:
    """Expected durations of a cutover and a rollback, with their source."""

    cutover: timedelta
    """From the first call of step 7 until traffic is verified."""
    rollback: timedelta
    """From the start of the longest rollback until traffic flows on the old side."""
    source: str


BY_DEFAULT = ExpectedDurations(
    timedelta(minutes=20),
    timedelta(minutes=20),
    "not rehearsed: AWS's usual times, less than 6 min, plus 15 min at the devices",
)
"""The upper limits of domain.md 12.3 add up to less than six minutes; the rest is an estimate."""


def expected(fingerprint: str, rehearsed: RehearsalResult | None) -> ExpectedDurations:
    """Return the durations for the plan with *fingerprint*: rehearsed, or the defaults."""
    if rehearsed is None or not rehearsed.passed or rehearsed.fingerprint != fingerprint:
        return BY_DEFAULT
    return ExpectedDurations(
        rehearsed.cutover, rehearsed.rollback, f"rehearsed {rehearsed.at:%Y-%m-%d %H:%M}Z"
    )


def with_soak(awaited: ExpectedDurations, waits: Waits) -> ExpectedDurations:
    """Return *awaited* with the soak time added; rehearsed durations already include it."""
    if awaited is not BY_DEFAULT:
        return awaited
    return replace(awaited, cutover=awaited.cutover + waits.soak)


@dataclass(frozen=True)
class WindowAhead:
    """The window has not opened yet."""

    opens: datetime


@dataclass(frozen=True)
class WindowOpen:
    """The window is open: a cutover may begin until ``latest``."""

    latest: datetime


@dataclass(frozen=True)
class WindowTooLate:
    """The window is open, but a cutover and a rollback no longer fit."""

    latest: datetime
    ends: datetime


@dataclass(frozen=True)
class WindowOver:
    """The window is over."""

    ended: datetime


@dataclass(frozen=True)
class WindowTooShort:
    """The window is too short for a cutover, a rollback and the margin."""

    length: timedelta
    needs: timedelta


Stand = WindowAhead | WindowOpen | WindowTooLate | WindowOver | WindowTooShort


def back_out_deadline(window: Window, rollback: timedelta, margin: timedelta) -> datetime:
    """Return when an unverified cutover must be rolled back to end within the window."""
    return window.end - rollback - margin


def latest_start(window: Window, expected: ExpectedDurations, margin: timedelta) -> datetime:
    """Return the last moment at which a cutover may begin: it must end by the deadline."""
    return back_out_deadline(window, expected.rollback, margin) - expected.cutover


def window_state(
    window: Window, expected: ExpectedDurations, margin: timedelta, now: datetime
) -> Stand:
    """Return the state of *window* at *now*; its start is included, its end is not."""
    latest = latest_start(window, expected, margin)
    if now >= window.end:
        return WindowOver(window.end)
    if latest < window.start:
        needs = expected.cutover + expected.rollback + margin
        return WindowTooShort(window.end - window.start, needs)
    if now < window.start:
        return WindowAhead(window.start)
    return WindowOpen(latest) if now <= latest else WindowTooLate(latest, window.end)
