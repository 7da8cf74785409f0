"""Lab screen: packets, gateways, routes and tunnels of the lab, beside the run's own screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from vpnmigrate.rehearsal.lab.migration import LabEvent, LabEventKind
from vpnmigrate.rehearsal.lab.packets import PacketsSoFar
from vpnmigrate.report.text import count

PACE: Final = 0.25
"""Seconds between two redraws: a cutover takes some seconds here."""


class LabScreen:
    """Lines about the lab (``terminal.Beside``), from its events and packets until now."""

    pace = PACE

    def __init__(
        self, events: Sequence[LabEvent], packets: Callable[[], PacketsSoFar | None]
    ) -> None:
        self._events, self._packets = events, packets

    def lines(self) -> Sequence[str]:
        """Return the lines as they are now."""
        return lab_lines(tuple(self._events), self._packets())


def lab_lines(events: Sequence[LabEvent], packets: PacketsSoFar | None) -> list[str]:
    """Return a line about the packets, and one about each connection, the oldest first."""
    connections = dict.fromkeys(event.connection for event in events if event.connection)
    return [
        *_packets(packets),
        *(f"{each}  {', '.join(_state(each, events))}" for each in connections),
    ]


def _packets(packets: PacketsSoFar | None) -> Iterator[str]:
    if packets is not None:
        now = "they flow" if packets.flowing else f"NONE ANSWERED for {packets.silent:.1f} s"
        yield f"packets  {packets.lost} of {packets.sent} lost so far; {now}"


def _state(connection: str, events: Sequence[LabEvent]) -> Iterator[str]:
    """Yield the state of a connection for EC2: its gateway, its tunnels, and the VPC's routes."""
    own = [event for event in events if event.connection == connection]
    connected = {e.kind: e.state for e in own}
    if connected.get(LabEventKind.CONNECTION) == "":
        yield "deleted"
        return
    yield f"gateway {connected.get(LabEventKind.GATEWAY) or 'detached'}"
    tunnels = {e.subject: e.state for e in own if e.kind is LabEventKind.TUNNEL}
    yield f"{sum(map(bool, tunnels.values()))} of {len(tunnels)} tunnels UP"
    routes = {e.subject: e.state for e in events if e.kind is LabEventKind.ROUTES}
    yield f"{count(sum(to == connection for to in routes.values()), 'route')} of the VPC"
