"""Picture of a cutover: rows of facts over one time axis, as SVG that stands alone.

``panel_of`` returns shapes with positions and without markup, which the template draws.  Times are
seconds on any clock that all rows share.  ``journal_rows`` has the rows of a journal; the lab adds
packets, routes and tunnels (``report.lab_picture``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from vpnmigrate.journal.directions import adherence_of
from vpnmigrate.journal.history import OutagePeriod, sorted_entries
from vpnmigrate.journal.records import Entry
from vpnmigrate.model.plan import Plan
from vpnmigrate.report.html_templates import html_templates
from vpnmigrate.report.text import count

WIDTH: Final = 1000
LEFT, RIGHT = 190, 985
"""Edges of the time axis; the titles of the rows are left of it."""
_LINE, _BAR = 20, 14
"""Heights of one line of a row, and of the bar in it."""
_PACKETS: Final = 40
"""Height of a row of packets."""
_GAP, _HEAD, _FOOT = 6, 32, 40
_LETTER: Final = 7
"""Width of a letter of the template's font, rounded up."""
_LEAST: Final = 2
"""Width of a moment, so that it is seen."""
_MOST_BINS: Final = 120
_STEPS: Final = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
"""Seconds between ticks, and of an interval of packets."""
_MOST_TICKS: Final = 12
_NEAR: Final = 100
"""Calls that are nearer to each other than this part of the picture are one bar."""


class Shade(StrEnum):
    """How a span is drawn; also the names of its classes in the template."""

    STEP = "step"
    CALL = "call"
    DEVICE = "device"
    UP = "up"
    DOWN = "down"
    WAIT = "wait"
    """AWS is at work."""


@dataclass(frozen=True)
class TimeSpan:
    """Something that held, or was done, from one moment to another."""

    began: float
    ended: float
    shade: Shade
    label: str = ""


@dataclass(frozen=True)
class TimedPacket:
    """A packet that was sent, and whether it arrived."""

    at: float
    arrived: bool


@dataclass(frozen=True)
class PictureRow:
    """Facts of one kind."""

    title: str
    spans: tuple[TimeSpan, ...] = ()
    packets: tuple[TimedPacket, ...] = ()


@dataclass(frozen=True)
class PlacedSpan:
    """A span with its label."""

    x: float
    y: int
    width: float
    shade: Shade
    label: str
    label_x: float
    anchor: str
    """Which end of the label is at its position: ``start`` or ``end``."""
    full: str

    @property
    def inside(self) -> bool:
        """Whether the label is in the bar."""
        return self.x < self.label_x < self.x + self.width


@dataclass(frozen=True)
class PlacedRow:
    """A row, with paths instead of bars for packets."""

    title: str
    y: int
    height: int
    spans: tuple[PlacedSpan, ...] = ()
    arrived: str = ""
    lost: str = ""


@dataclass(frozen=True)
class Tick:
    """A moment of the axis."""

    x: float
    label: str


@dataclass(frozen=True)
class PicturePanel:
    """Rows over one time axis."""

    title: str
    y: int
    axis_y: int
    rows: tuple[PlacedRow, ...]
    ticks: tuple[Tick, ...]

    @property
    def below(self) -> int:
        """Where the next panel begins."""
        return self.axis_y + _FOOT


@dataclass(frozen=True)
class _Axis:
    began: float
    ended: float

    @property
    def length(self) -> float:
        return max(self.ended - self.began, 0.001)

    def x(self, at: float) -> float:
        part = (min(max(at, self.began), self.ended) - self.began) / self.length
        return round(LEFT + part * (RIGHT - LEFT), 1)

    def step(self, most: int) -> float:
        """Return the smallest round interval of which at most *most* fit."""
        return next((each for each in _STEPS if self.length / each <= most), self.length / most)


def panel_of(
    title: str,
    began: float,
    ended: float,
    rows: Iterable[PictureRow],
    y: int = 0,
) -> PicturePanel:
    """Return *rows* from *began* to *ended*; a row without anything in between is left out."""
    axis = _Axis(began, ended)
    placed: list[PlacedRow] = []
    at = y + _HEAD
    for row in rows:
        found = _placed(row, at, axis)
        if found is not None:
            placed.append(found)
            at += found.height + _GAP
    step = axis.step(_MOST_TICKS)
    ticks = (Tick(axis.x(began + n * step), f"{n * step:g}") for n in range(_MOST_TICKS + 1))
    shown = tuple(tick for n, tick in enumerate(ticks) if n * step <= axis.length)
    return PicturePanel(title, y, at, tuple(placed), shown)


def svg(title: str, panels: Sequence[PicturePanel], note: str = "") -> str:
    """Return *panels*, one below the other, as a file for browsers, light or dark."""
    template = html_templates().get_template("cutover.svg.j2")
    height = panels[-1].below + (20 if note else 0)
    return template.render(
        title=title, panels=panels, note=note, width=WIDTH, height=height, left=LEFT, bar=_BAR
    )


def _placed(row: PictureRow, y: int, axis: _Axis) -> PlacedRow | None:
    if row.packets:
        arrived, lost = _paths(row.packets, y, axis)
        return PlacedRow(row.title, y, _PACKETS, (), arrived, lost)
    spans = [each for each in row.spans if each.ended >= axis.began and each.began <= axis.ended]
    if not spans:
        return None
    lines: list[list[tuple[float, float]]] = []
    placed = tuple(_in_line(span, y, axis, lines) for span in spans)
    return PlacedRow(row.title, y, len(lines) * _LINE, placed)


def _in_line(
    span: TimeSpan, y: int, axis: _Axis, lines: list[list[tuple[float, float]]]
) -> PlacedSpan:
    """Place a span and its label in the first of *lines* in which both have room."""
    x = axis.x(span.began)
    width = max(_LEAST, round(axis.x(span.ended) - x, 1))
    letters = len(span.label) * _LETTER
    label_x, anchor = x + 4, "start"
    if letters + 8 > width:
        label_x = x + width + 4
        if label_x + letters > RIGHT:
            label_x, anchor = x - 4, "end"
    first = min(x, label_x - letters if anchor == "end" else x)
    last = max(x + width, label_x + letters if anchor == "start" else x)
    for number, line in enumerate(lines):  # noqa: B007 - the number of the line with room
        if all(last <= began or first >= ended for began, ended in line):
            break
    else:
        number = len(lines)
        lines.append([])
    lines[number].append((first, last))
    full = f"{span.label}: {span.ended - span.began:.3f} s" if span.label else ""
    top = y + number * _LINE
    return PlacedSpan(x, top, width, span.shade, span.label, round(label_x, 1), anchor, full)


def _paths(packets: Sequence[TimedPacket], y: int, axis: _Axis) -> tuple[str, str]:
    """Return the packets that arrived, and on top of them those that were lost, by interval."""
    step = axis.step(_MOST_BINS)
    bins: dict[int, list[int]] = {}
    for packet in packets:
        if axis.began <= packet.at <= axis.ended:
            bins.setdefault(int((packet.at - axis.began) / step), [0, 0])[packet.arrived] += 1
    most = max((lost + arrived for lost, arrived in bins.values()), default=1)
    paths: tuple[list[str], list[str]] = ([], [])
    for number, (lost, arrived) in sorted(bins.items()):
        x = axis.x(axis.began + number * step)
        width = axis.x(axis.began + (number + 1) * step) - x
        high, base = _PACKETS * arrived / most, y + _PACKETS
        if arrived:
            paths[0].append(f"M{x:g} {base}v{-high:.1f}h{width:.1f}v{high:.1f}z")
        if lost:
            more = _PACKETS * lost / most
            paths[1].append(f"M{x:g} {base - high:.1f}v{-more:.1f}h{width:.1f}v{more:.1f}z")
    return "".join(paths[0]), "".join(paths[1])


def picture_of_outage(plan: Plan, entries: Sequence[Entry], outage: OutagePeriod) -> str:
    """Return the picture of an outage of a journal, as SVG; its axis begins with the outage."""

    def seconds(moment: datetime) -> float:
        return (moment - outage.since).total_seconds()

    lasted = outage.lasted.total_seconds()
    row = PictureRow("outage", (TimeSpan(0, lasted, Shade.DOWN, f"{lasted:.1f} s"),))
    rows = joined((row, *journal_rows(plan, entries, seconds)), lasted)
    title = f"Outage of {plan.migration}, {outage.direction}"
    return svg(title, [panel_of(title, 0, lasted * (1 + 1 / _NEAR), rows)])


def journal_rows(
    plan: Plan, entries: Sequence[Entry], seconds: Callable[[datetime], float]
) -> tuple[PictureRow, ...]:
    """Return the steps of a journal, and its calls, a row for each operation of EC2.

    *seconds* returns where a moment is on the time axis.
    """
    journal = sorted_entries(entries)
    steps = sorted(
        (
            TimeSpan(
                seconds(step.began),
                seconds(step.settled or period.ended),
                Shade.STEP,
                f"step {step.number}{' (clean-up)' if step.cleaning else ''}",
            )
            for period in adherence_of(plan, journal)
            for step in period.steps
            if step.began is not None
        ),
        key=lambda span: span.began,
    )
    calls: dict[str, list[TimeSpan]] = {}
    for call in journal.calls:
        span = TimeSpan(seconds(call.at), seconds(call.answered or call.at), Shade.CALL, "asked")
        calls.setdefault(call.change.call, []).append(span)
    rows = (PictureRow(name, tuple(spans)) for name, spans in calls.items())
    return (PictureRow("steps", tuple(steps)), *rows)


def joined(rows: Iterable[PictureRow], length: float) -> Iterator[PictureRow]:
    """Yield *rows* with calls that are close to each other, in a picture of *length*, as one."""
    for row in rows:
        if any(span.shade is Shade.CALL for span in row.spans):
            groups = _neighbours(row.spans, length / _NEAR)
            yield PictureRow(row.title, tuple(map(_one_bar, groups)))
        else:
            yield row


def _neighbours(spans: Iterable[TimeSpan], near: float) -> Sequence[Sequence[TimeSpan]]:
    """Return *spans* in groups in which each begins less than *near* after the one before."""
    groups: list[list[TimeSpan]] = []
    for span in sorted(spans, key=lambda span: span.began):
        if groups and span.began - groups[-1][-1].ended < near:
            groups[-1].append(span)
        else:
            groups.append([span])
    return groups


def _one_bar(calls: Sequence[TimeSpan]) -> TimeSpan:
    if len(calls) == 1:
        return calls[0]
    ended = max(each.ended for each in calls)
    return TimeSpan(calls[0].began, ended, Shade.CALL, count(len(calls), "call"))
