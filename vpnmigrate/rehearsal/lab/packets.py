"""Packets of the lab: one every 10 ms from the site to the VPC and back, and which were lost.

The sender is a process of its own (``python -m``), so that the lab's work does not delay it.
"""

from __future__ import annotations

import json
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from vpnmigrate.rehearsal.lab.namespaces import LAB, LabError
from vpnmigrate.rehearsal.lab.network import LabNetwork

PORT: Final = 7007
INTERVAL: Final = 0.01
"""Seconds between two packets, and so the resolution of an outage."""
_STRAGGLERS: Final = 0.5
"""Seconds that the last answers may take."""
_LAST: Final = 20
"""Packets, 0.2 s: one of the last ones has to be answered."""
_LOOK: Final = 0.2
"""Seconds after which the answering thread looks whether it is needed."""
_HEADER: Final = struct.Struct("!Q")


@dataclass(frozen=True)
class PacketGap:
    """Packets without an answer, one after another; times are those of the machine's uptime."""

    began: float
    ended: float
    lost: int

    @property
    def milliseconds(self) -> float:
        """The length: from the first lost packet to the first that arrived again."""
        return (self.ended - self.began) * 1000


@dataclass(frozen=True)
class PacketReport:
    """What happened to the packets."""

    sent: int
    received: int
    gaps: tuple[PacketGap, ...]
    flowing: bool
    """Whether packets were answered at the end."""

    @property
    def outage_ms(self) -> float:
        """The longest gap."""
        return max((gap.milliseconds for gap in self.gaps), default=0.0)

    @property
    def lost(self) -> int:
        """The packets that were lost in gaps."""
        return sum(gap.lost for gap in self.gaps)


class PacketProbe:
    """Packets that flow until ``finish``."""

    def __init__(self, network: LabNetwork) -> None:
        with network.vpc.entered():
            self._echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._echo.bind((network.vpc_host, PORT))
        self._echo.settimeout(_LOOK)
        self._ended = threading.Event()
        self._answers = threading.Thread(target=self._answer, daemon=True)
        self._answers.start()
        with (LAB / "packets.err").open("wb") as errors:
            self._sender = network.site.start(
                sys.executable, "-m", __name__, network.site_host, network.vpc_host,
                output=subprocess.PIPE, errors=errors,
            )  # fmt: skip

    def _answer(self) -> None:
        while not self._ended.is_set():
            with suppress(OSError):  # There may be no packet, or no route, at the moment.
                data, sender = self._echo.recvfrom(2048)
                self._echo.sendto(data, sender)

    def finish(self) -> PacketReport:
        """End the packets and return what happened to them.

        Raises:
            LabError: The sender has failed.
        """
        self._sender.send_signal(signal.SIGINT)
        output, _ = self._sender.communicate(timeout=30)
        self._ended.set()
        self._answers.join()
        self._echo.close()
        if self._sender.returncode:
            raise LabError(f"the sender of packets failed: {(LAB / 'packets.err').read_text()}")
        found = json.loads(output)
        gaps = tuple(PacketGap(*gap) for gap in found["gaps"])
        return PacketReport(found["sent"], found["received"], gaps, found["flowing"])


def _send(source: str, target: str) -> dict[str, object]:
    """Send packets until SIGINT, and return which were answered."""
    stop: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _frame: stop.append(number))
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.bind((source, 0))
    sender.connect((target, PORT))
    sender.settimeout(0)
    sent: list[float] = []
    answered: set[int] = set()
    due = time.monotonic()
    while not stop:
        if (now := time.monotonic()) >= due:
            with suppress(OSError):  # An unreachable network is a lost packet.
                sender.send(_HEADER.pack(len(sent)))
            sent.append(now)
            due = max(due + INTERVAL, now)
        _receive(sender, answered, max(0.0, due - time.monotonic()))
    end = time.monotonic() + _STRAGGLERS
    while (left := end - time.monotonic()) > 0:
        _receive(sender, answered, left)
    return {
        "sent": len(sent),
        "received": len(answered),
        "gaps": _gaps(sent, answered),
        "flowing": max(answered, default=-1) >= len(sent) - _LAST,
    }


def _receive(sender: socket.socket, answered: set[int], wait: float) -> None:
    if select.select([sender], [], [], wait)[0]:
        with suppress(OSError):
            while True:
                answered.add(_HEADER.unpack(sender.recv(2048)[: _HEADER.size])[0])


def _gaps(sent: list[float], answered: set[int]) -> list[tuple[float, float, int]]:
    """Return begin, end and number of each run of packets without an answer."""
    gaps: list[tuple[float, float, int]] = []
    first: int | None = None
    for number, moment in enumerate(sent):
        if number not in answered:
            first = number if first is None else first
        elif first is not None:
            gaps.append((sent[first], moment, number - first))
            first = None
    if first is not None:
        gaps.append((sent[first], sent[-1] + INTERVAL, len(sent) - first))
    return gaps


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_send(*sys.argv[1:3])))
