"""Bench of a driver: one device, its files in a vault, and the driver under test."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from msgspec.structs import replace

from tests.support.builders import OLD_VPN
from tests.support.fake_fortios import FortiGate
from tests.support.fake_routers import AsaRouter, IosRouter, JunosRouter, Router, VyosRouter
from tests.support.stage import Stage
from vpnmigrate.devices.configuration import DeviceConfiguration, read
from vpnmigrate.errors import HeldError
from vpnmigrate.local.drivers import napalm, netmiko
from vpnmigrate.local.drivers.processes import DriverProcesses
from vpnmigrate.local.drivers.program import Connect, answer
from vpnmigrate.local.drivers.protocol import result_of
from vpnmigrate.local.logs import log_of
from vpnmigrate.local.program_files import pinned
from vpnmigrate.local.run_directory import Run
from vpnmigrate.local.settings import LogTo
from vpnmigrate.local.subprocess_limits import ProcessResult
from vpnmigrate.local.vault import Vault
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.commit_timers import lacks_timer
from vpnmigrate.model.decisions import Decisions, DeviceDriver, DriverKind, InsideMode
from vpnmigrate.model.device_drivers import (
    ConnectionSide,
    DriverCall,
    DriverResult,
    DriverVerb,
)
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.plan import connection_role

if TYPE_CHECKING:
    from tests.support.ssh_device import SshDevice

DEADLINE = 60.0
"""Seconds; a driver needs a second on an idle machine."""


class Bench:
    """One device, its files in a vault, and the driver under test."""

    confirmed = ""
    """What the driver says of a change that it has made."""
    shows_changes = False
    """Whether a result has the lines that were changed."""

    def __init__(
        self, place: Path, driver: DeviceDriver, inside: InsideMode = InsideMode.AMAZON
    ) -> None:
        decisions = Decisions(
            inside=inside,
            drivers={"default": driver},
            device_types={"default": "strongSwan/Ubuntu 16.04/strongSwan 5.5.1+"},
        )
        stage = Stage(place / "vault", decisions=decisions)
        with pytest.raises(HeldError):
            stage.run(lambda runner: runner.apply(until=4))
        now = stage.observe().ours
        self.successor = VpnConnectionId(now[connection_role(OLD_VPN)])
        self.plan = replace(stage.plan, programs=pinned(decisions))
        self.driver = driver
        self.run = Run(place / "run")
        self.run.path.mkdir()
        self.vault = Vault(place / "vault")
        self.log = io.StringIO()

    @property
    def old(self) -> DeviceConfiguration:
        """The configuration of the old connection."""
        return self._configuration(OLD_VPN)

    @property
    def new(self) -> DeviceConfiguration:
        """The configuration of the new connection."""
        return self._configuration(self.successor)

    def _configuration(self, connection: VpnConnectionId) -> DeviceConfiguration:
        path = self.vault.folder(connection) / "configuration.xml"
        return read(path.read_text(encoding="utf-8"))

    def drivers(self) -> DriverProcesses:
        """Return the drivers of a new process."""
        with log_of(self.run, LogTo.STDERR, VirtualClock(), self.log) as log:
            return DriverProcesses(self.run, self.plan, self.vault, log, lambda old: f"at {old}")

    def answered(self, call: DriverCall) -> DriverResult:
        """Return the result of *call*."""
        return self.answered_by_a_process(call)

    def answered_by_a_process(self, call: DriverCall) -> DriverResult:
        """Return the result of *call*, made by a program of its own."""
        drivers = self.drivers()
        drivers.begin(call)
        until = time.monotonic() + DEADLINE
        while not (ended := drivers.ended()):
            assert time.monotonic() < until
            time.sleep(0.02)
        ((answered, result),) = ended
        assert answered == call
        return result

    def call(self, verb: DriverVerb, *, disable_old: bool = False) -> DriverResult:
        """Call the driver and wait for its result."""
        return self.answered(self.call_of(verb, disable_old=disable_old))

    def call_of(self, verb: DriverVerb, *, disable_old: bool = False) -> DriverCall:
        """Return a call of the driver."""
        remove = ConnectionSide.NEW if verb is DriverVerb.REMOVE else None
        return DriverCall(self.driver, verb, "cgw-1", OLD_VPN, self.successor, disable_old, remove)


def bench_with(
    place: Path,
    text: str,
    seconds: float = DEADLINE,
    existing: str = "",
    inside: InsideMode = InsideMode.AMAZON,
) -> Bench:
    """Return a bench whose driver is the program *text*."""
    place.mkdir(exist_ok=True)
    program = place / "driver.py"
    program.write_text(text, encoding="utf-8")
    command = (sys.executable, str(program), "router")
    limit = timedelta(seconds=seconds)
    driver = DeviceDriver(DriverKind.COMMAND, command, existing=existing, limit=limit)
    return Bench(place, driver, inside)


class NetworkBench(Bench):
    """A bench whose driver works in this process, because its library takes a second to load."""

    def __init__(self, place: Path, device: SshDevice, kind: DriverKind, connect: Connect) -> None:
        router = device.router
        driver = DeviceDriver(
            kind,
            ssh=device.access,
            platform=PLATFORMS[type(router)],
            existing=str(place / "running.txt"),
            values={
                "outside interface with 203.0.113.5": "ge-0/0/0.0",
                "zone of the old tunnels": "vpn",
                "outside zone": "untrust",
            },
            limit=timedelta(seconds=DEADLINE),
        )
        super().__init__(place, driver)
        self.confirmed = "" if lacks_timer(driver) else "confirmed within the device's timer"
        self.shows_changes = True
        self.router = router
        self.access = device.access
        self.connect = connect
        self.limit_seconds = DEADLINE
        self.clock = VirtualClock()
        """Its time passes while a driver waits for contact."""
        text = old_tunnels(router, self.old)
        Path(driver.existing).write_text(text, encoding="utf-8")
        router.load(text)

    def answered(self, call: DriverCall) -> DriverResult:
        asked = replace(self.drivers().prepared(call), limit_seconds=self.limit_seconds)
        output, code = answer(asked, self.connect, (), self.clock)
        fault = f"failed with exit status {code}" if code else ""
        printed = msgspec.json.encode(output).decode()
        return result_of(call.verb, ProcessResult(code, fault, timedelta(), printed))


NETWORK: Mapping[str, tuple[type[Router], str]] = {
    "netmiko-cisco-ios": (IosRouter, "netmiko"),
    "netmiko-juniper-srx": (JunosRouter, "netmiko"),
    "netmiko-cisco-asa": (AsaRouter, "netmiko"),
    "netmiko-fortios": (FortiGate, "netmiko"),
    "napalm-cisco-ios": (IosRouter, "napalm"),
}
"""The drivers over SSH: the router's class, and the library."""
VYOS: tuple[type[Router], str] = (VyosRouter, "netmiko")
"""With a second of waiting for each connection, by netmiko."""


@contextmanager
def network_bench(place: Path, router: type[Router], library: str) -> Iterator[NetworkBench]:
    """Yield the bench of *library*, with a *router* behind an SSH server."""
    pytest.importorskip(library, reason=f"needs vpnmigrate[{library}]")
    from tests.support.ssh_device import ssh_device

    connect = {"netmiko": netmiko.connect, "napalm": napalm.connect}[library]
    with ssh_device(router(), place) as device:
        yield NetworkBench(place, device, DriverKind(library), connect)


PLATFORMS: dict[type[Router], str] = {
    AsaRouter: "cisco-asa",
    FortiGate: "fortios",
    IosRouter: "cisco-ios",
    JunosRouter: "juniper-srx",
    VyosRouter: "vyos",
}


def old_tunnels(router: Router, old: DeviceConfiguration) -> str:
    """Return the old tunnels as *router* shows them."""
    lines: list[str] = []
    for number, tunnel in enumerate(old.tunnels):
        outside, inside = tunnel.outside_ip, tunnel.amazon.inside_ip
        match router:
            case IosRouter():
                lines += [
                    f"interface Tunnel{number}",
                    f" tunnel destination {outside}",
                    f"router bgp {tunnel.customer.asn or 65000}",
                    f" neighbor {inside} remote-as 7224",
                ]
            case FortiGate():
                lines += [
                    "config vpn ipsec phase1-interface",
                    f'    edit "vpn-old-{number}"',
                    f"        set remote-gw {outside}",
                    *("    next", "end", "config system interface"),
                    f'    edit "vpn-old-{number}"',
                    "        set status up",
                    *("    next", "end", "config router bgp", "    config neighbor"),
                    f'        edit "{inside}"',
                    "            set remote-as 7224",
                    *("        next", "    end", "end"),
                ]
            case JunosRouter():
                lines += [
                    f"set security ike gateway gw-{number} address {outside}",
                    f"set security ipsec vpn vpn-{number} bind-interface st0.{number}",
                    f"set security ipsec vpn vpn-{number} ike gateway gw-{number}",
                    f"set protocols bgp group ebgp neighbor {inside} peer-as 7224",
                ]
            case _:
                lines += [
                    f"set vpn ipsec site-to-site peer aws-{number} remote-address {outside}",
                    f"set vpn ipsec site-to-site peer aws-{number} vti bind vti{number}",
                    f"set protocols bgp neighbor {inside} remote-as 7224",
                ]
    return "\n".join(lines) + "\n"
