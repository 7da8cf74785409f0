"""Bench of a driver: one device, its files in a vault, and the driver under test."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from msgspec.structs import replace

from tests.support.builders import OLD_VPN
from tests.support.fake_fortios import FortiGate
from tests.support.fake_routers import AsaRouter, IosRouter, JunosRouter, Router, VyosRouter
from tests.support.stage import Stage
from vpnmigrate.devices.configuration import DeviceConfiguration, parse_partial
from vpnmigrate.devices.running_state import tunnel_parts
from vpnmigrate.devices.secret import Secret, keys_in
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
from vpnmigrate.model.decisions import Decisions, DeviceDriver, DriverKind, InsideMode
from vpnmigrate.model.device_drivers import (
    ConnectionSide,
    DriverCall,
    DriverResult,
    DriverVerb,
    lacks_timer,
)
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.errors import HeldError
from vpnmigrate.model.plan import connection_role
from vpnmigrate.sandbox.device_drivers import SimulatedDrivers
from vpnmigrate.sandbox.driven_devices import DrivenDevices

if TYPE_CHECKING:
    from tests.support.ssh_device import SshDevice


class OldAtDevice(StrEnum):
    """Which old tunnels a device has before the migration."""

    BOTH = "both tunnels"
    ONE = "one tunnel"
    ONE_SHUT = "two tunnels, the second is shut"


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
        return parse_partial(path.read_text(encoding="utf-8"))

    @property
    def keys(self) -> list[Secret]:
        """The keys of the four tunnels."""
        files = [self.vault.folder(each) / "configuration.xml" for each in self._connections]
        return [key for file in files for key in keys_in(file.read_text(encoding="utf-8"))]

    @property
    def _connections(self) -> tuple[VpnConnectionId, ...]:
        return (OLD_VPN, self.successor)

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

    def __init__(
        self,
        place: Path,
        device: SshDevice,
        kind: DriverKind,
        connect: Connect,
        old: OldAtDevice = OldAtDevice.BOTH,
    ) -> None:
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
        self.router, self.had = router, old
        self.access = device.access
        self.connect = connect
        self.limit_seconds = DEADLINE
        self.clock = VirtualClock()
        """Its time passes while a driver waits for contact."""
        text = old_tunnels(router, self.old, old)
        Path(driver.existing).write_text(text, encoding="utf-8")
        router.load(text)

    @property
    def second_old(self) -> tuple[bool, ...]:
        """Whether each part of the second old tunnel is enabled; nothing if it is absent."""
        tunnel = self.old.tunnels[1]
        named = {"outside": tunnel.outside_ip, "inside": tunnel.amazon.inside_ip}
        assert (tunnel.outside_ip in self.router.text()) is (self.had is not OldAtDevice.ONE)
        return tuple(tunnel_parts(PLATFORMS[type(self.router)], self.router.text(), named))

    def answered(self, call: DriverCall) -> DriverResult:
        asked = replace(self.drivers().prepared(call), limit_seconds=self.limit_seconds)
        output, code = answer(asked, self.connect, (), self.clock)
        fault = f"failed with exit status {code}" if code else ""
        printed = msgspec.json.encode(output).decode()
        return result_of(call.verb, ProcessResult(code, fault, timedelta(), printed))


class SimulatedBench:
    """A device of a world with one connection, and its simulated driver."""

    confirmed = ""
    shows_changes = False
    keys = ()

    def __init__(self, place: Path, old: OldAtDevice) -> None:
        self._stage = Stage(place / "vault")
        with pytest.raises(HeldError):
            self._stage.run(lambda runner: runner.apply(until=4))
        if old is not OldAtDevice.BOTH:
            self._stage.world.devices.one_tunnel(OLD_VPN)
        self._devices = DrivenDevices(self._stage.world, [OLD_VPN])
        self._successor = self._stage.observe().ours[connection_role(OLD_VPN)]
        self.log = io.StringIO()

    def call(self, verb: DriverVerb, *, disable_old: bool = False) -> DriverResult:
        """Call the driver and wait for its result."""
        remove = ConnectionSide.NEW if verb is DriverVerb.REMOVE else None
        driver = DeviceDriver(DriverKind.COMMAND, ("/usr/local/bin/tunnels",))
        drivers = SimulatedDrivers(self._devices)
        drivers.begin(
            DriverCall(driver, verb, "cgw-1", OLD_VPN, self._successor, disable_old, remove)
        )
        drivers.finish()
        ((_, result),) = drivers.ended()
        return result

    @property
    def second_old(self) -> tuple[bool, ...]:
        """Whether the second old tunnel is enabled; nothing if it is not."""
        return (True,) * (1 in self._stage.world.devices.enabled(OLD_VPN))


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
def network_bench(
    place: Path, router: type[Router], library: str, old: OldAtDevice = OldAtDevice.BOTH
) -> Iterator[NetworkBench]:
    """Yield the bench of *library*, with a *router* behind an SSH server."""
    pytest.importorskip(library, reason=f"needs vpnmigrate[{library}]")
    from tests.support.ssh_device import ssh_device

    connect = {"netmiko": netmiko.connect, "napalm": napalm.connect}[library]
    with ssh_device(router(), place) as device:
        yield NetworkBench(place, device, DriverKind(library), connect, old)


PLATFORMS: dict[type[Router], str] = {
    AsaRouter: "cisco-asa",
    FortiGate: "fortios",
    IosRouter: "cisco-ios",
    JunosRouter: "juniper-srx",
    VyosRouter: "vyos",
}


def old_tunnels(
    router: Router, old: DeviceConfiguration, has: OldAtDevice = OldAtDevice.BOTH
) -> str:
    """Return the old tunnels that a device *has*, as *router* shows them."""
    lines: list[str] = []
    for number, tunnel in enumerate(old.tunnels[:1] if has is OldAtDevice.ONE else old.tunnels):
        shut = has is OldAtDevice.ONE_SHUT and number > 0
        outside, inside = tunnel.outside_ip, tunnel.amazon.inside_ip
        match router:
            case IosRouter():
                lines += [
                    f"interface Tunnel{number}",
                    f" tunnel destination {outside}",
                    *((" shutdown",) * shut),
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
                    f"        set status {'down' if shut else 'up'}",
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
                    *((f"set interfaces st0 unit {number} disable",) * shut),
                    f"set protocols bgp group ebgp neighbor {inside} peer-as 7224",
                ]
            case _:
                lines += [
                    f"set vpn ipsec site-to-site peer aws-{number} remote-address {outside}",
                    f"set vpn ipsec site-to-site peer aws-{number} vti bind vti{number}",
                    *((f"set vpn ipsec site-to-site peer aws-{number} disable",) * shut),
                    f"set protocols bgp neighbor {inside} remote-as 7224",
                ]
    return "\n".join(lines) + "\n"
