"""Packets of the lab: one every 10 ms from the site to the VPC and back, and the losses.

The sender is a process of its own (``python -m``), so that the lab's work does not delay it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vpnmigrate.local.readable import readable
from vpnmigrate.rehearsal.lab.namespaces import LAB, LabError
from vpnmigrate.rehearsal.lab.network import LabNetwork

PORT: Final = 7007
INTERVAL: Final = 0.01
"""Seconds between two packets, and so the resolution of an outage."""
_STRAGGLERS: Final = 0.5
"""Seconds that the last answers may take."""
_LAST: Final = 20
"""Packets, 0.2 s: one of the last ones has to be answered."""
_TOLD_EVERY: Final = 10
"""Packets, 0.1 s: how often the sender writes its progress."""
_LOOK: Final = 0.2
"""Seconds after which the answering thread looks whether it is needed."""
_STARTED: Final = b"\n"
"""What the sender writes once it sends; a process takes half a second to start where others run."""
_NOW: Final = "packets.now"
"""The sender's file, in the folder of the lab."""
_HEADER: Final = struct.Struct("!Q")
_PROGRESS: Final = struct.Struct("!QQd")
"""What the sender writes while it sends: packets sent, those lost, and when one was answered."""


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
class PacketFlow:
    """The packets of one direction: when each was sent there, and whether it arrived."""

    name: str
    packets: tuple[tuple[float, bool], ...]

    @property
    def lost(self) -> int:
        """The packets that did not arrive."""
        return sum(not arrived for _, arrived in self.packets)


@dataclass(frozen=True)
class PacketReport:
    """What happened to the packets."""

    sent: int
    received: int
    gaps: tuple[PacketGap, ...]
    flowing: bool
    """Whether packets were answered at the end."""
    flows: tuple[PacketFlow, ...] = ()

    @property
    def outage_ms(self) -> float:
        """The longest gap."""
        return max((gap.milliseconds for gap in self.gaps), default=0.0)

    @property
    def lost(self) -> int:
        """The packets that were lost in gaps."""
        return sum(gap.lost for gap in self.gaps)


@dataclass(frozen=True)
class PacketsSoFar:
    """Packets of a probe that still sends; those of the last 0.2 s may be answered yet."""

    sent: int
    lost: int
    silent: float
    """Seconds since a packet was answered."""

    @property
    def flowing(self) -> bool:
        """Whether packets are answered now."""
        return self.silent < _LAST * INTERVAL


class PacketProbe:
    """Packets that flow until ``finish``."""

    def __init__(self, network: LabNetwork) -> None:
        with network.vpc.entered():
            self._echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._echo.bind((network.vpc_host, PORT))
        self._echo.settimeout(_LOOK)
        self._ended = threading.Event()
        self._arrived: set[int] = set()
        self._answers = threading.Thread(target=self._answer, daemon=True)
        self._answers.start()
        with (LAB / "packets.err").open("wb") as errors:
            self._sender = network.site.start(
                sys.executable, "-m", __name__, network.site_host, network.vpc_host,
                str(LAB / _NOW),
                output=subprocess.PIPE, errors=errors,
            )  # fmt: skip
        if self._sender.stdout is not None:
            self._sender.stdout.read(len(_STARTED))

    def _answer(self) -> None:
        while not self._ended.is_set():
            with suppress(OSError):  # There may be no packet, or no route, at the moment.
                data, sender = self._echo.recvfrom(2048)
                self._arrived.add(_number(data))
                self._echo.sendto(data, sender)

    def so_far(self) -> PacketsSoFar | None:
        """Return what happened to the packets until now; None before the first ones."""
        return packets_so_far(LAB / _NOW)

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
        return packet_report(found["sent"], frozenset(found["answered"]), frozenset(self._arrived))


def packets_so_far(progress: Path) -> PacketsSoFar | None:
    """Return what a sender has written to its file *progress*; None before the first packets."""
    try:
        sent, lost, answered = _PROGRESS.unpack(progress.read_bytes())
    except (OSError, struct.error):
        return None
    return PacketsSoFar(sent, lost, max(0.0, time.monotonic() - answered))


def packet_report(
    sent: Sequence[float], answered: Collection[int], arrived: Collection[int]
) -> PacketReport:
    """Return what happened to packets sent at these times, by the numbers of those that arrived.

    A packet that was answered has arrived in the VPC.
    """
    there = [number in arrived or number in answered for number in range(len(sent))]
    back = [(at, number in answered) for number, at in enumerate(sent) if there[number]]
    return PacketReport(
        len(sent),
        len(answered),
        tuple(_gaps(sent, answered)),
        max(answered, default=-1) >= len(sent) - _LAST,
        (
            PacketFlow("site to VPC", tuple(zip(sent, there, strict=True))),
            PacketFlow("VPC to site", tuple(back)),
        ),
    )


def _send(source: str, target: str, progress: str) -> dict[str, object]:
    """Send packets until SIGINT, and return which were answered; *progress* has their number."""
    told = os.open(progress, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    lost, last = 0, time.monotonic()
    stop: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _frame: stop.append(number))
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.bind((source, 0))
    sender.connect((target, PORT))
    sender.settimeout(0)
    sent: list[float] = []
    answered: set[int] = set()
    sys.stdout.buffer.write(_STARTED)
    sys.stdout.buffer.flush()
    due = time.monotonic()
    while not stop:
        if (now := time.monotonic()) >= due:
            with suppress(OSError):  # An unreachable network is a lost packet.
                sender.send(_HEADER.pack(len(sent)))
            sent.append(now)
            if (settled := len(sent) - _LAST) >= 0:
                lost += settled not in answered
            if len(sent) % _TOLD_EVERY == 0:
                os.pwrite(told, _PROGRESS.pack(len(sent), lost, last), 0)
            due = max(due + INTERVAL, now)
        if _receive(sender, answered, max(0.0, due - time.monotonic())):
            last = time.monotonic()
    os.close(told)
    end = time.monotonic() + _STRAGGLERS
    while (left := end - time.monotonic()) > 0:
        _receive(sender, answered, left)
    return {"sent": sent, "answered": sorted(answered)}


def _receive(sender: socket.socket, answered: set[int], wait: float) -> bool:
    """Receive answers for *wait* seconds at most; return whether there was one."""
    before = len(answered)
    if readable(sender, wait):
        with suppress(OSError):
            while True:
                answered.add(_number(sender.recv(2048)))
    return len(answered) > before


def _number(data: bytes) -> int:
    """Return the number of a packet."""
    return int(_HEADER.unpack(data[: _HEADER.size])[0])


def _gaps(sent: Sequence[float], answered: Collection[int]) -> Iterator[PacketGap]:
    """Yield each run of packets without an answer."""
    first: int | None = None
    for number, moment in enumerate(sent):
        if number not in answered:
            first = number if first is None else first
        elif first is not None:
            yield PacketGap(sent[first], moment, number - first)
            first = None
    if first is not None:
        yield PacketGap(sent[first], sent[-1] + INTERVAL, len(sent) - first)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_send(*sys.argv[1:4])))
