"""Report and picture of a lab case, without a lab."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

from vpnmigrate.rehearsal.lab.migration import LabEvent, LabEventKind
from vpnmigrate.rehearsal.lab.packets import INTERVAL, packet_report, packets_so_far
from vpnmigrate.report.cutover_picture import PictureRow, Shade, TimeSpan
from vpnmigrate.report.lab import LabPhase, LabReport, as_json
from vpnmigrate.report.lab_picture import picture


def test_each_direction_has_its_own_losses():
    """A packet that arrived and was not answered was lost on the way back."""
    sent = [number * INTERVAL for number in range(100)]
    arrived = {*range(40), *range(60, 100)}
    report = packet_report(sent, arrived - set(range(60, 70)), arrived)

    assert [(flow.name, len(flow.packets), flow.lost) for flow in report.flows] == [
        ("site to VPC", 100, 20),
        ("VPC to site", 80, 10),
    ]
    assert [(gap.lost, round(gap.milliseconds)) for gap in report.gaps] == [(30, 300)]
    assert report.flowing


def test_an_answer_proves_that_the_packet_arrived():
    """A number that the VPC's end had no time to write down has arrived if it was answered."""
    report = packet_report([0.0, 0.01], {0, 1}, set())

    assert [flow.lost for flow in report.flows] == [0, 0]


def a_report() -> LabReport:
    sent = [100 + number * INTERVAL for number in range(1000)]
    packets = packet_report(sent, {*range(500), *range(700, 1000)}, set(range(1000)))
    steps = PictureRow("steps", (TimeSpan(105, 107, Shade.STEP, "step 8"),))
    phase = LabPhase("vpnmigrate apply", 0, 100, 110, packets, ((104.9, 107.1),), (steps,))
    events = (
        LabEvent(90, "", LabEventKind.CONNECTION, "vpn-1", state="created"),
        LabEvent(101, "", LabEventKind.CONNECTION, "vpn-2", state="created"),
        LabEvent(90, "", LabEventKind.GATEWAY, "vpn-1", state="attached"),
        LabEvent(105, "", LabEventKind.GATEWAY, "vpn-1", state="detaching"),
        LabEvent(106, "", LabEventKind.GATEWAY, "vpn-1"),
        LabEvent(90, "", LabEventKind.ROUTES, subject="10.0.0.0/8", state="vpn-1"),
        LabEvent(107, "", LabEventKind.ROUTES, subject="10.0.0.0/8", state="vpn-2"),
        LabEvent(106, "", LabEventKind.DEVICE, state="enable"),
        LabEvent(106.5, "", LabEventKind.DEVICE),
        LabEvent(106.8, "", LabEventKind.TUNNEL, "vpn-2", "192.0.2.1", "UP"),
    )
    return LabReport("demo", "bgp", "strongswan-bird", 60, (phase,), events)


def test_the_picture_has_packets_routes_tunnels_and_calls():
    """Each fact has its row: lost packets, outage, steps, device, gateways, routes, tunnels."""
    drawn = picture(a_report())

    texts = ["".join(each.itertext()) for each in ET.fromstring(drawn).iter() if "text" in each.tag]
    assert {"site to VPC: 0 lost", "VPC to site: 200 lost", "2000 ms, 200 lost"} <= set(texts)
    assert {"outage by the journal", "2200 ms", "step 8", "device", "enable"} <= set(texts)
    assert {"old gateway", "attached", "detaching", "VPC to 10.0.0.0/8"} <= set(texts)
    assert {"to the old gateway", "to the new gateway", "new tunnel 192.0.2.1", "UP"} <= set(texts)


def test_the_document_has_both_directions():
    """The JSON counts the packets of each direction."""
    (phase,) = as_json(a_report())["phases"]

    assert phase["flows"] == [
        {"flow": "site to VPC", "sent": 1000, "lost": 0},
        {"flow": "VPC to site", "sent": 1000, "lost": 200},
    ]


def test_the_sender_tells_how_many_packets_are_lost_so_far(tmp_path):
    """Its file has the number of those without an answer while it sends; here nothing answers."""
    progress = tmp_path / "now"
    seen = packets_so_far(progress)
    assert seen is None
    sender = [sys.executable, "-m", "vpnmigrate.rehearsal.lab.packets", "127.0.0.1", "127.9.9.9"]
    with subprocess.Popen([*sender, str(progress)], stdout=subprocess.PIPE) as process:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            seen = packets_so_far(progress)
            if seen is not None and seen.sent >= 50:
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)

    assert process.returncode == 0
    assert seen is not None
    assert not seen.flowing
    assert seen.sent - 20 <= seen.lost + 1
    assert seen.lost < seen.sent <= len(json.loads(output)["sent"])
