"""Change windows: latest start, back-out deadline and expected duration.

A cutover may begin only while it, and after it a whole rollback, would be over a margin before the
window ends.  So two moments matter: the latest start, and the back-out deadline, by which a
cutover that is not verified has to turn round.

Pure arithmetic over moments.  A window is fixed as two moments when a plan is made; the time zone
it was written in has no say after that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.decisions import Waits, Window


@dataclass(frozen=True)
class ExpectedDurations:
    """How long a cutover and a rollback are expected to take, and how that is known."""

    cutover: timedelta
    """From the first call of step 7 until traffic is verified."""
    rollback: timedelta
    """From turning round until traffic flows on the old side, from wherever that takes longest."""
    source: str


BY_DEFAULT = ExpectedDurations(
    timedelta(minutes=20),
    timedelta(minutes=20),
    "not rehearsed: AWS's part after domain.md 12.3, and a quarter of an hour at the devices",
)
"""The upper ends of domain.md 12.3 add up to less than six minutes; the rest is a guess."""


def expected(fingerprint: str, rehearsed: RehearsalResult | None) -> ExpectedDurations:
    """Return what is expected of the plan with *fingerprint*: what was rehearsed, or the defaults."""
    if rehearsed is None or not rehearsed.passed or rehearsed.fingerprint != fingerprint:
        return BY_DEFAULT
    return ExpectedDurations(
        rehearsed.cutover, rehearsed.rollback, f"rehearsed {rehearsed.at:%Y-%m-%d %H:%M}Z"
    )


def with_soak(awaited: ExpectedDurations, waits: Waits) -> ExpectedDurations:
    """Add the soak of a plan to what is expected of it; what was rehearsed has it already."""
    if awaited is not BY_DEFAULT:
        return awaited
    return replace(awaited, cutover=awaited.cutover + waits.soak)


@dataclass(frozen=True)
class WindowAhead:
    """It has not opened yet."""

    opens: datetime


@dataclass(frozen=True)
class WindowOpen:
    """A cutover may begin now, and until ``latest``."""

    latest: datetime


@dataclass(frozen=True)
class WindowTooLate:
    """It is open still, but a cutover and a rollback no longer fit."""

    latest: datetime
    ends: datetime


@dataclass(frozen=True)
class WindowOver:
    """It is over."""

    ended: datetime


@dataclass(frozen=True)
class WindowTooShort:
    """It is too short for a cutover, a rollback and the margin at any time."""

    length: timedelta
    needs: timedelta


Stand = WindowAhead | WindowOpen | WindowTooLate | WindowOver | WindowTooShort


def back_out_deadline(window: Window, rollback: timedelta, margin: timedelta) -> datetime:
    """Return the moment by which an unverified cutover has to turn round to be back in time."""
    return window.end - rollback - margin


def latest_start(window: Window, expected: ExpectedDurations, margin: timedelta) -> datetime:
    """Return the last moment at which a cutover may begin: it is to be over by the deadline."""
    return back_out_deadline(window, expected.rollback, margin) - expected.cutover


def window_state(
    window: Window, expected: ExpectedDurations, margin: timedelta, now: datetime
) -> Stand:
    """Return how *now* stands to *window*.  It is open from its start on, and not at its end."""
    latest = latest_start(window, expected, margin)
    if now >= window.end:
        return WindowOver(window.end)
    if latest < window.start:
        needs = expected.cutover + expected.rollback + margin
        return WindowTooShort(window.end - window.start, needs)
    if now < window.start:
        return WindowAhead(window.start)
    return WindowOpen(latest) if now <= latest else WindowTooLate(latest, window.end)
