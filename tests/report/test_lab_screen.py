"""The lab's lines on the live screen."""

from __future__ import annotations

from dataclasses import replace

from tests.report.examples import BEGAN
from vpnmigrate.journal import RunState
from vpnmigrate.rehearsal.lab.migration import LabEvent, LabEventKind
from vpnmigrate.rehearsal.lab.packets import PacketsSoFar
from vpnmigrate.report.lab_screen import lab_lines
from vpnmigrate.report.screen import ScreenContent, screen

OLD, NEW, SITE = "vpn-0a100000000000001", "vpn-0f9cba2bf9ee4f284", "192.168.41.0/24"


def event(kind: LabEventKind, connection: str, subject: str, state: str) -> LabEvent:
    return LabEvent(1.0, "", kind, connection, subject, state)


BEFORE = (
    event(LabEventKind.CONNECTION, OLD, "", "created"),
    event(LabEventKind.GATEWAY, OLD, "", "attached"),
    event(LabEventKind.TUNNEL, OLD, "203.0.113.10", "UP"),
    event(LabEventKind.TUNNEL, OLD, "203.0.113.20", "UP"),
    event(LabEventKind.ROUTES, "", SITE, OLD),
)
SWAPPED = (
    *BEFORE,
    event(LabEventKind.CONNECTION, NEW, "", "created"),
    event(LabEventKind.ROUTES, "", SITE, ""),
    event(LabEventKind.GATEWAY, OLD, "", "detaching"),
    event(LabEventKind.GATEWAY, OLD, "", ""),
    event(LabEventKind.GATEWAY, NEW, "", "attached"),
    event(LabEventKind.TUNNEL, NEW, "198.51.100.10", "UP"),
    event(LabEventKind.TUNNEL, NEW, "198.51.100.20", ""),
    event(LabEventKind.TUNNEL, OLD, "203.0.113.20", ""),
    event(LabEventKind.ROUTES, "", SITE, NEW),
)
FLOWING = PacketsSoFar(1200, 3, 0.01)


def test_before_anything_happens():
    """There is nothing to show before the first event and packet."""
    assert lab_lines((), None) == []


def test_the_state_is_that_of_the_last_event():
    """Gateway, tunnels and routes of each connection, as EC2 shows them now."""
    assert lab_lines(BEFORE, FLOWING) == [
        "packets  3 of 1200 lost so far; they flow",
        f"{OLD}  gateway attached, 2 of 2 tunnels UP, 1 route of the VPC",
    ]
    assert lab_lines(SWAPPED, FLOWING)[1:] == [
        f"{OLD}  gateway detached, 1 of 2 tunnels UP, 0 routes of the VPC",
        f"{NEW}  gateway attached, 1 of 2 tunnels UP, 1 route of the VPC",
    ]


def test_a_deleted_connection_is_said_to_be_deleted():
    """Its tunnels and its gateway mean nothing any more."""
    gone = (*SWAPPED, event(LabEventKind.CONNECTION, OLD, "", ""))

    assert f"{OLD}  deleted" in lab_lines(gone, None)


def test_the_clock_of_packets_without_an_answer():
    """It runs from the last answer; packets of the last 0.2 s may be answered yet."""
    dark = replace(FLOWING, silent=1.24)

    assert lab_lines((), dark) == ["packets  3 of 1200 lost so far; NONE ANSWERED for 1.2 s"]
    assert replace(FLOWING, silent=0.19).flowing
    assert not replace(FLOWING, silent=0.2).flowing


def test_the_lines_are_below_the_first_one_and_fit():
    """They are cut at the width of the window, like all lines of the screen."""
    shown = ScreenContent(None, RunState(), BEGAN, beside=lab_lines(SWAPPED, FLOWING))

    assert screen(shown, 80, 24)[1:4] == lab_lines(SWAPPED, FLOWING)
    assert {len(line) <= 40 for line in screen(shown, 40, 24)} == {True}
