"""Runbook schedule: the rehearsed steps as bars against window and decision deadline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from vpnmigrate.journal.timing import StepTiming
from vpnmigrate.model.clock import moment, span, time_of_day
from vpnmigrate.model.plan import FIRST_OF_CUTOVER, LAST_OF_CUTOVER, Plan
from vpnmigrate.planning.windows import ExpectedDurations, back_out_deadline, latest_start
from vpnmigrate.rehearsal.rehearse import Rehearsal
from vpnmigrate.report.timeline import (
    LANE,
    LEFT,
    RIGHT,
    BarStyle,
    Flag,
    OutageBar,
    StepBar,
    TimelineLane,
    TimelinePicture,
    bar,
    timeline_with,
)


def schedule_of(plan: Plan, rehearsal: Rehearsal) -> TimelinePicture:
    """Return the bars: the window, the rehearsed cutover and the rehearsed rollback."""
    return timeline_with(
        "Steps against window and decision deadline",
        [_window(plan, rehearsal), _cutover(rehearsal), _rollback(rehearsal)],
    )


def expected_durations(rehearsal: Rehearsal) -> ExpectedDurations:
    """Return the rehearsed cutover and the longest rehearsed rollback."""
    rollback = max(rehearsal_run.restored for rehearsal_run in rehearsal.back)
    return ExpectedDurations(rehearsal.forward.cutover, rollback, "rehearsed")


def _window(plan: Plan, rehearsal: Rehearsal) -> TimelineLane:
    """Return the window with a cutover that begins at once and the time kept for a rollback.

    Without a window it is the shortest one: cutover, rollback and margin.
    """
    expected, margin = expected_durations(rehearsal), plan.decisions.waits.margin
    cutover, rollback = expected.cutover, expected.rollback
    window = plan.decisions.window
    whole = cutover + rollback + margin if window is None else window.end - window.start
    scale = _Scale(whole)
    decide = whole - rollback - margin
    bars = (
        scale.bar(timedelta(0), cutover, BarStyle.CUTOVER, "cutover"),
        scale.bar(decide, decide + rollback, BarStyle.CLEAN_UP, "rollback"),
        scale.bar(decide + rollback, whole, BarStyle.RESERVED, f"margin {span(margin)}"),
    )
    if window is None:
        flag = scale.flag(decide, "decision deadline")
        return TimelineLane(0, "a window needs at least", span(whole), bars, (), flags=(flag,))
    deadline = back_out_deadline(window, rollback, margin)
    start = latest_start(window, expected, margin)
    flag = scale.flag(
        decide, f"latest start {time_of_day(start)}, decision deadline {time_of_day(deadline)}"
    )
    title = f"window, {window.written}"
    length = f"{moment(window.start)} to {moment(window.end)}"
    return TimelineLane(0, title, length, bars, (), flags=(flag,))


def _cutover(rehearsal: Rehearsal) -> TimelineLane:
    steps = [
        timing
        for timing in rehearsal.forward.timings
        if FIRST_OF_CUTOVER <= timing.step <= LAST_OF_CUTOVER
    ]
    return _steps(
        LANE, "cutover as rehearsed, T+0 is the start of step 7", steps, rehearsal.forward.outage
    )


def _rollback(rehearsal: Rehearsal) -> TimelineLane:
    last = rehearsal.back[-1]
    steps = [timing for timing in last.timings if timing.step != 1 or timing.cleaning]
    title = f"rollback after step {last.boundary} as rehearsed, B+0 is its start"
    return _steps(2 * LANE, title, steps, last.restored)


def _steps(y: int, title: str, steps: Sequence[StepTiming], outage: timedelta) -> TimelineLane:
    if not steps:
        return TimelineLane(y, title, "not rehearsed", (), ())
    start = steps[0].begun
    whole = max(timing.settled for timing in steps) - start
    scale = _Scale(whole)
    down = OutageBar(
        LEFT,
        max(1, scale.x(outage) - LEFT),
        f"traffic is down for {span(outage)}",
        LEFT,
        "start",
    )
    bars = tuple(_bars(steps, start, scale))
    return TimelineLane(y, title, span(whole), bars, (down,) if outage else ())


def _bars(steps: Sequence[StepTiming], start: timedelta, scale: _Scale) -> Iterator[StepBar]:
    for timing in steps:
        style = BarStyle.CLEAN_UP if timing.cleaning else BarStyle.CUTOVER
        yield scale.bar(timing.begun - start, timing.settled - start, style, str(timing.step))


class _Scale:
    def __init__(self, whole: timedelta) -> None:
        self._whole = max(whole, timedelta(seconds=1))

    def x(self, at: timedelta) -> int:
        return round(LEFT + min(max(at / self._whole, 0), 1) * (RIGHT - LEFT))

    def bar(self, start: timedelta, end: timedelta, style: BarStyle, label: str) -> StepBar:
        x = self.x(start)
        text = f"{label}: {span(end - start)}"
        return bar(x, self.x(end) - x, style, label, text)

    def flag(self, at: timedelta, label: str) -> Flag:
        x = self.x(at)
        return Flag(x, label, "end" if x > (LEFT + RIGHT) // 2 else "start")
