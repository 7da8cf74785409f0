"""Lab report: packet losses beside the control plane's view, on one time axis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vpnmigrate.model.negotiated import JudgedTunnel, texts_of
from vpnmigrate.rehearsal.lab.migration import LabEvent
from vpnmigrate.rehearsal.lab.packets import PacketReport
from vpnmigrate.report.cutover_picture import PictureRow
from vpnmigrate.report.text import columns, count, heading, wrapped

SCHEMA: Final = "vpnmigrate/lab/1"
_AXIS: Final = 60
"""Columns of the time axis."""


@dataclass(frozen=True)
class LabPhase:
    """One command of the run, with the packets that flowed while it ran."""

    command: str
    exit: int | None
    """None if its process was killed."""
    began: float
    """Seconds of the machine's uptime."""
    ended: float
    packets: PacketReport
    control_plane: tuple[tuple[float, float], ...]
    """Outages by the journal, as begin and end in seconds of the uptime."""
    journal: tuple[PictureRow, ...] = ()
    """Steps and calls of the journal, for the picture."""
    negotiated: tuple[JudgedTunnel, ...] = ()
    """What the new tunnels have negotiated, as the run read it from EC2 after step 10."""

    @property
    def recovered(self) -> bool:
        """Whether packets flow at the end."""
        return self.packets.flowing


@dataclass(frozen=True)
class LabReport:
    """A case of the lab; *speed* is how much faster EC2's time passes."""

    case: str
    routing: str
    platform: str
    speed: float
    phases: tuple[LabPhase, ...]
    events: tuple[LabEvent, ...]


def text(report: LabReport) -> str:
    """Return the report of a case."""
    parts = [f"LAB: {report.case}, {report.routing}, {report.platform}"]
    for phase in report.phases:
        parts += ["", heading(phase.command), columns(_rows(report, phase)), *_axes(phase)]
    origin = report.phases[0].began if report.phases else 0.0
    events = (f"  {event.at - origin:8.3f} s  {event.what}" for event in report.events)
    parts += ["", heading("events"), *events, "", wrapped(NOT_REAL)]
    return "\n".join(parts)


NOT_REAL: Final = (
    "Real: IKE, ESP, BGP, routes, packets, and the order of changes. Not real: the times of AWS's "
    "API, which the sandbox simulates and shortens, so an outage of AWS is longer by these."
)


def _rows(report: LabReport, phase: LabPhase) -> Iterable[tuple[str, str]]:
    packets = phase.packets
    yield "packets", f"{packets.lost} of {packets.sent} lost in {count(len(packets.gaps), 'gap')}"
    for flow in packets.flows:
        yield flow.name, f"{flow.lost} of {len(flow.packets)} lost"
    yield "outage", f"{packets.outage_ms:.0f} ms without packets"
    for began, ended in phase.control_plane:
        lasted = ended - began
        yield (
            "control plane",
            f"{lasted * 1000:.0f} ms, {lasted * report.speed:.0f} s of EC2's time",
        )
    for tunnel in phase.negotiated:
        values = ", ".join(f"{label} {value}" for label, value in texts_of(tunnel.negotiated))
        yield tunnel.negotiated.outside_ip, f"floor {tunnel.verdict}: {values}"
    yield "at the end", "packets flow" if phase.recovered else "NO PACKETS FLOW"
    yield "exit code", "killed" if phase.exit is None else str(phase.exit)


def _axes(phase: LabPhase) -> Sequence[str]:
    lost = [(gap.began, gap.ended) for gap in phase.packets.gaps]
    whole = f"{phase.ended - phase.began:.1f} s"
    return [
        f"  packets        {_axis(phase, lost, '.')}",
        f"  control plane  {_axis(phase, phase.control_plane, 'x')}",
        f"                 0{whole:>{_AXIS - 1}}",
    ]


def _axis(phase: LabPhase, spans: Iterable[tuple[float, float]], mark: str) -> str:
    length = max(phase.ended - phase.began, 0.001)
    cells = ["="] * _AXIS
    for began, ended in spans:
        first = int((began - phase.began) / length * _AXIS)
        last = int((ended - phase.began) / length * _AXIS)
        for cell in range(max(first, 0), min(last + 1, _AXIS)):
            cells[cell] = mark
    return "".join(cells)


def as_json(report: LabReport) -> dict[str, Any]:
    """Return the report as plain data; times are seconds since the first command."""
    origin = report.phases[0].began if report.phases else 0.0
    return {
        "schema": SCHEMA,
        "case": report.case,
        "routing": report.routing,
        "platform": report.platform,
        "speed": report.speed,
        "phases": [
            {
                "command": phase.command,
                "exit": phase.exit,
                "sent": phase.packets.sent,
                "received": phase.packets.received,
                "lost": phase.packets.lost,
                "outage_ms": round(phase.packets.outage_ms, 1),
                "flows": [
                    {"flow": flow.name, "sent": len(flow.packets), "lost": flow.lost}
                    for flow in phase.packets.flows
                ],
                "gaps": [
                    {
                        "at": round(gap.began - origin, 3),
                        "ms": round(gap.milliseconds, 1),
                        "lost": gap.lost,
                    }
                    for gap in phase.packets.gaps
                ],
                "negotiated": [
                    {
                        "tunnel": str(tunnel.negotiated),
                        "verdict": tunnel.verdict,
                        "algorithms": dict(texts_of(tunnel.negotiated)),
                    }
                    for tunnel in phase.negotiated
                ],
                "control_plane_ms": [round((e - b) * 1000, 1) for b, e in phase.control_plane],
                "recovered": phase.recovered,
            }
            for phase in report.phases
        ],
        "events": [
            {"at": round(event.at - origin, 3), "what": event.what} for event in report.events
        ],
    }
