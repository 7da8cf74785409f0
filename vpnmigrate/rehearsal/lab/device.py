"""Device of the lab: a strongSwan router that runs the rendered commands unchanged.

The commands are run by a shell in the device's namespace.  Two of the programs that they call are
replaced there: ``ip link add ... type xfrm`` takes a link that a daemon of this lab carries,
because kernels of test machines have no ESP, and ``swanctl`` addresses the daemon of a tunnel.
"""

from __future__ import annotations

import os
import re
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Final

from vpnmigrate.devices.blocks import BlockName, device_blocks, revealed
from vpnmigrate.devices.device_task import DeviceTask
from vpnmigrate.devices.platforms import Platform
from vpnmigrate.model.clock import Clock
from vpnmigrate.rehearsal.lab.daemons import Bird, Charon, Frr
from vpnmigrate.rehearsal.lab.namespaces import LAB, SEARCH, program
from vpnmigrate.rehearsal.lab.network import DEVICE_LINK, LabNetwork

SPARES: Final = 4
"""Links for old and new tunnels."""
BLOCK_LIMIT: Final = timedelta(seconds=90)
"""An initiation may wait 30 s, and a block has two."""
_SWANCTL: Final = Path("/etc/swanctl/conf.d")
_FAILED: Final = LAB / "failed"
_NAMES: Final = LAB / "names"
"""A file for each link that the device uses, with the number of its daemon."""

_IP: Final = """#!/bin/sh
case "$1 $2 $4 $5" in
  "link add type xfrm")
    for number in {numbers}; do
      grep -qx "$number" {names}/* 2>/dev/null && continue
      {ip} link set "spare$number" name "$3" && echo "$number" > "{names}/$3"
      exit
    done
    exit 1 ;;
esac
case "$*" in "-o route get "*) exec {ip} -n {front} "$@" ;; esac
case "$1 $2" in "link delete") rm -f "{names}/$3" ;; esac
exec {ip} "$@"
"""
_SWANCTL_PROGRAM: Final = """#!/bin/sh
uri() {{ echo "unix://{lab}/charon-device$(cat "{names}/$1")/vici.sock"; }}
case "$1" in
  --load-all)
    for link in $(ls {names}); do
      cat {conf}/$link.conf {conf}/$link.keys.conf > {lab}/$link.swanctl 2>/dev/null
      {swanctl} --load-all --clear --noprompt --file {lab}/$link.swanctl --uri "$(uri $link)" \\
        2> {lab}/swanctl.err || {{ cat {lab}/swanctl.err >&2; exit 1; }}
    done ;;
  --list-conns)
    for link in $(ls {names}); do {swanctl} "$@" --uri "$(uri $link)" 2>/dev/null; done ;;
  *)
    {swanctl} "$@" --uri "$(uri "$3")" 2> "{lab}/$3.err" \\
      || {{ grep -v plugin "{lab}/$3.err" >&2; exit 1; }} ;;
esac
"""


class LabDevice:
    """The customer gateway device, with BIRD or FRR."""

    def __init__(self, network: LabNetwork, platform: Platform, asn: int, clock: Clock) -> None:
        self._network, self._platform, self._clock = network, platform, clock
        self._programs = LAB / "programs"
        self._programs.mkdir()
        _NAMES.mkdir()
        _SWANCTL.mkdir(exist_ok=True)
        self._write_programs()
        self._daemons = [self._spare(number) for number in range(SPARES)]
        for daemon in self._daemons:
            # All have their device before one is moved: the next would take its name.
            daemon.wait()
        for number, daemon in enumerate(self._daemons):
            daemon.adopt(network.device, f"spare{number}")
        for net in network.site_networks[1:]:
            network.device.ip(f"route add blackhole {net}")
        if platform.variant == "frr":
            self._start_frr(asn)
        else:
            self._start_bird()

    def _spare(self, number: int) -> Charon:
        return Charon(
            f"device{number}",
            self._network.front,
            self._clock,
            ports=(10500 + number, 14500 + number),
            table=220 + number,
        )

    def _write_programs(self) -> None:
        values = {
            "numbers": " ".join(map(str, range(SPARES))),
            "names": _NAMES,
            "lab": LAB,
            "conf": _SWANCTL,
            "front": self._network.front.name,
            "ip": program("ip"),
            "swanctl": program("swanctl"),
        }
        for name, text in (("ip", _IP), ("swanctl", _SWANCTL_PROGRAM)):
            file = self._programs / name
            file.write_text(text.format(**values), encoding="utf-8")
            file.chmod(0o755)

    def _start_bird(self) -> None:
        origin = " ".join(
            f'route {net} via "{DEVICE_LINK}";' for net in self._network.site_networks
        )
        run = Path("/run/bird")
        run.mkdir()
        self._bird = Bird(
            self._network.device,
            self._clock,
            run,
            f"router id {self._network.device_ip};\n"
            "protocol device { scan time 1; }\n"
            "protocol kernel { ipv4 { import none; export where source = RTS_BGP; }; }\n"
            f"protocol static site {{ ipv4; {origin} }}\n",
            Path("/etc/bird"),
        )

    def _start_frr(self, asn: int) -> None:
        origin = "".join(f"  network {net}\n" for net in self._network.site_networks)
        self._frr = Frr(
            self._network.device,
            self._clock,
            f"router bgp {asn}\n bgp router-id {self._network.device_ip}\n"
            f" address-family ipv4 unicast\n{origin} exit-address-family\n",
        )

    def running_configuration(self) -> str:
        """Return what the device has, as an engineer would save it for ``--existing``."""
        files = sorted((*_SWANCTL.glob("*.conf"), *Path("/etc/bird").glob("*.conf")))
        return "\n".join(file.read_text(encoding="utf-8") for file in files)

    def change_routing(self, connection: str, pattern: str, replacement: str) -> None:
        """Replace a pattern in what BIRD's files have for *connection*."""
        for file in Path("/etc/bird").glob("*.conf"):
            text = file.read_text(encoding="utf-8")
            if connection in text:
                file.write_text(re.sub(pattern, replacement, text), encoding="utf-8")
        self.shell("birdc configure")

    @property
    def sockets(self) -> tuple[str, ...]:
        """Where the daemons of its tunnels answer."""
        return tuple(f"unix://{daemon.socket}" for daemon in self._daemons)

    @property
    def words(self) -> tuple[str, ...]:
        """The shell of the device, which reads commands."""
        path = f"PATH={self._programs}:{SEARCH}"
        return tuple(self._network.device.words(program("env"), path, program("bash")))

    def run(self, task: DeviceTask, name: BlockName) -> tuple[str, ...]:
        """Run a block of *task* and return the commands that failed."""
        blocks = device_blocks(task, self._platform, keys=revealed)
        return self.shell(next(b.commands for b in blocks.blocks if b.name is name))

    def shell(self, commands: str) -> tuple[str, ...]:
        """Run pasted commands on the device, and return those that failed, and tunnels not up."""
        done = self._bash(f"trap 'echo \"$BASH_COMMAND\" >> {_FAILED}' ERR\n{commands}")
        with (LAB / "device.log").open("a", encoding="utf-8") as log:
            log.write(f"{done.stdout}{done.stderr}")
        failed = _FAILED.read_text(encoding="utf-8").splitlines() if _FAILED.exists() else []
        _FAILED.unlink(missing_ok=True)
        down = [line for line in done.stdout.splitlines() if line.endswith("IS NOT UP")]
        return (*failed, *down)

    def shown(self, command: str) -> str:
        """Return what a command on the device prints."""
        done = self._bash(command)
        return f"{done.stdout}{done.stderr}"

    def _bash(self, commands: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._network.device.words(program("bash"), "-o", "pipefail", "-c", commands),
            text=True,
            capture_output=True,
            check=False,
            timeout=BLOCK_LIMIT.total_seconds(),
            env={**os.environ, "PATH": f"{self._programs}:{SEARCH}"},
        )
