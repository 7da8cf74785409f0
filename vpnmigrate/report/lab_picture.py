"""Picture of a lab case: packets, routes and tunnels beside EC2's calls and the run's steps.

Each command of the run has its own panel, from just before its cutover to its end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from vpnmigrate.rehearsal.lab.migration import LabEvent, LabEventKind
from vpnmigrate.report.cutover_picture import (
    PicturePanel,
    PictureRow,
    Shade,
    TimedPacket,
    TimeSpan,
    joined,
    panel_of,
    svg,
)
from vpnmigrate.report.lab import LabPhase, LabReport

_BEFORE: Final = 1.0
"""Seconds before the cutover that the picture shows."""
NOTE: Final = (
    "{title}. Packets, tunnels and routes are real. Calls and steps take the sandbox's time, "
    "{speed:g} times as fast as EC2's."
)


def picture(report: LabReport) -> str:
    """Return the picture of *report* as SVG."""
    title = f"{report.case}, {report.routing}, {report.platform}"
    panels: list[PicturePanel] = []
    for phase in report.phases:
        began = _start(report, phase)
        rows = joined(_rows(report, phase), phase.ended - began)
        y = panels[-1].below if panels else 0
        panels.append(panel_of(phase.command, began, phase.ended, rows, y))
    note = NOTE.format(title=title, speed=report.speed)
    return svg(f"Lab: {title}", panels, note)


def _start(report: LabReport, phase: LabPhase) -> float:
    """Return when its picture begins: before its outage, or what happened to tunnels before it."""
    outages = [began for began, _ in phase.control_plane]
    facts = outages or [gap.began for gap in phase.packets.gaps]
    facts += [
        event.at
        for event in report.events
        if event.kind in _OF_TUNNELS and event.state and phase.began <= event.at <= phase.ended
    ]
    return max(min(facts, default=phase.began) - _BEFORE, phase.began)


_OF_TUNNELS: Final = (LabEventKind.TUNNEL, LabEventKind.KEYS)


def _rows(report: LabReport, phase: LabPhase) -> Iterator[PictureRow]:
    for flow in phase.packets.flows:
        packets = tuple(TimedPacket(at, arrived) for at, arrived in flow.packets)
        yield PictureRow(f"{flow.name}: {flow.lost} lost", packets=packets)
    gaps = (
        TimeSpan(gap.began, gap.ended, Shade.DOWN, f"{gap.milliseconds:.0f} ms, {gap.lost} lost")
        for gap in phase.packets.gaps
    )
    yield PictureRow("no packets", tuple(gaps))
    yield PictureRow(
        "outage by the journal",
        tuple(
            TimeSpan(began, ended, Shade.DOWN, f"{(ended - began) * 1000:.0f} ms")
            for began, ended in phase.control_plane
        ),
    )
    yield from phase.journal
    yield from _states(report.events, phase.ended)


_STATES: Final = (
    LabEventKind.DEVICE,
    LabEventKind.GATEWAY,
    LabEventKind.ROUTES,
    LabEventKind.TUNNEL,
    LabEventKind.KEYS,
)
"""The kinds of events that have rows, in their order."""
_SHADES: Final = {"attaching": Shade.WAIT, "detaching": Shade.WAIT}


def _states(events: Sequence[LabEvent], end: float) -> Iterator[PictureRow]:
    """Yield the states of everything that has events; the last state lasts until *end*."""
    names = _names(events)
    for kind in _STATES:
        rows: dict[str, list[LabEvent]] = {}
        for event in (each for each in events if each.kind is kind):
            rows.setdefault(_title(event, names), []).append(event)
        for title, found in rows.items():
            ends = (*(event.at for event in found[1:]), end)
            if kind is LabEventKind.KEYS:
                ends = tuple(event.at for event in found)
            shade = Shade.DEVICE if kind is LabEventKind.DEVICE else Shade.UP
            yield PictureRow(
                title,
                tuple(
                    TimeSpan(event.at, until, _SHADES.get(event.state, shade), label)
                    for event, until in zip(found, ends, strict=True)
                    if (label := _label(event, names))
                ),
            )


def _names(events: Sequence[LabEvent]) -> dict[str, str]:
    """Return the connections, old and new in the order of their creation."""
    created = [e.connection for e in events if e.kind is LabEventKind.CONNECTION and e.state]
    return dict(zip(dict.fromkeys(created), ("old", "new"), strict=False))


def _title(event: LabEvent, names: dict[str, str]) -> str:
    match event.kind:
        case LabEventKind.GATEWAY:
            return f"{names[event.connection]} gateway"
        case LabEventKind.ROUTES:
            return f"VPC to {event.subject}"
        case LabEventKind.TUNNEL:
            return f"{names[event.connection]} tunnel {event.subject}"
        case LabEventKind.KEYS:
            return f"new keys of {event.subject}"
        case _:
            return "device"


def _label(event: LabEvent, names: dict[str, str]) -> str:
    if event.kind is LabEventKind.ROUTES and event.state:
        return f"to the {names[event.state]} gateway"
    return event.state.rstrip(",")
