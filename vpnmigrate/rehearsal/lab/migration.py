"""Migration in the lab: the sandbox's EC2 drives real endpoints, and gets their telemetry.

``LabMigration`` joins a sandbox's world and a network.  Its thread repeats on the network what the
EC2 API created, attached, propagated and deleted, and puts what the tunnels really do into the
world.  A run's driver does the work at the device, ``LabDrivers`` here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv4Network
from typing import Any, Final

from vpnmigrate.devices.blocks import BlockName
from vpnmigrate.devices.configuration import parse_configuration
from vpnmigrate.devices.device_task import DeviceSide, DeviceTask
from vpnmigrate.devices.platforms import Platform
from vpnmigrate.devices.tunnel_values import ConnectionOptions
from vpnmigrate.engine.ports import DeviceDrivers
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.device_drivers import DriverCall, DriverOutcome, DriverResult, DriverVerb
from vpnmigrate.rehearsal.lab.daemons import wait_for
from vpnmigrate.rehearsal.lab.device import LabDevice
from vpnmigrate.rehearsal.lab.namespaces import LabError
from vpnmigrate.rehearsal.lab.network import (
    EndpointConnection,
    EndpointTunnel,
    LabNetwork,
    LabTelemetry,
)
from vpnmigrate.sandbox.ec2.tunnels import prefixes_of
from vpnmigrate.sandbox.state import LIVING, Gateway, TunnelTelemetry, WorldState
from vpnmigrate.sandbox.world import World

TICK: Final = timedelta(milliseconds=20)
"""How often the network follows the world."""
PACKETS_MEET_IT: Final = timedelta(milliseconds=300)
"""Time for packets after the last change, so that the report shows whether they flow."""
PREWARM_LIMIT: Final = timedelta(seconds=10)
"""Tunnels that AWS allows take 2 s, and up to 8 on a loaded machine."""
_LOWER: Final = 50
"""Preference of routes that must not attract traffic yet; BIRD's default is 100."""
UP_LIMIT: Final = timedelta(seconds=60)
"""IKE takes 0.1 s and BGP 1 s; a loaded machine may need much longer."""


class LabFault(StrEnum):
    """What disturbs a migration; most are faults of the new connection."""

    NONE = "none"
    WRONG_KEY = "wrong-key"
    PROPOSAL_MISMATCH = "proposal-mismatch"
    DARK_ENDPOINTS = "dark-endpoints"
    ONE_TUNNEL_DEAD = "one-tunnel-dead"
    NO_PREFIXES = "no-prefixes"
    """The device announces nothing: its filter lets nothing through to the new neighbours."""
    REMOTE_AS_UNCHANGED = "remote-as-unchanged"
    """The device expects the ASN of the old gateway."""
    REKEY = "rekey"
    """AWS's ends rekey IKE and IPsec: the old ones before the cutover and while their gateway
    detaches, the new ones as soon as they are up."""
    DETACHED_DARK = "prewarm-refused"
    """A gateway that is attached to no VPC does not answer: whether AWS's does is unconfirmed."""

    @property
    def is_of_bird(self) -> bool:
        """Whether it is a mistake in the device's configuration of BIRD."""
        return self in {LabFault.NO_PREFIXES, LabFault.REMOTE_AS_UNCHANGED}


class LabEventKind(StrEnum):
    """What an event is about."""

    COMMAND = "command"
    CONNECTION = "connection"
    GATEWAY = "gateway"
    """The attachment of a connection's gateway to the VPC."""
    ROUTES = "routes"
    """The VPC's route to a network of the site."""
    TUNNEL = "tunnel"
    KEYS = "keys"
    """A tunnel has new keys; its state says whether of IKE or of IPsec."""
    DEVICE = "device"
    """The work of a driver."""


@dataclass(frozen=True)
class LabEvent:
    """Something that the network or the device did; *at* is in seconds of the uptime."""

    at: float
    what: str
    kind: LabEventKind = LabEventKind.COMMAND
    connection: str = ""
    """Whose gateway or tunnel it is."""
    subject: str = ""
    """The outside address of a tunnel, or a network of the site."""
    state: str = ""
    """The state from then on; empty for none.  Of a route: the connection that it leads to."""


class LabMigration:
    """A world and a network as one."""

    def __init__(
        self, world: World, platform: Platform, clock: Clock, fault: LabFault = LabFault.NONE
    ) -> None:
        self.world, self._clock, self._fault = world, clock, fault
        self.events: Final[list[LabEvent]] = []
        with world.alone() as state:
            (connection,) = state.connections.values()
            customer = state.customer_gateways[connection.customer_gateway or ""]
            vpcs = [cidr for vpc in state.vpcs.values() for cidr in vpc.cidrs]
            site = [*connection.prefixes] or state.advertised.get(customer.id, [])
        self._old: Final = connection.id
        self._asn: Final = customer.asn or 65000
        self.network: Final = LabNetwork(clock, customer.ip, site, vpcs)
        self.device: Final = LabDevice(self.network, platform, self._asn, clock)
        self._attachments: dict[str, str] = {}
        self._keys: dict[str, tuple[str, str] | None] = {}
        self._rounds = 0
        self._failed: Exception | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def start(self) -> None:
        """Create the old connection's endpoints, bring its tunnels up, and follow the world.

        Raises:
            LabError: The tunnels do not come up.
        """
        self._mirror()
        task = self._first_task()
        for name in (BlockName.LOAD, BlockName.ENABLE):
            if failed := self.device.run(task, name):
                raise LabError(f"the device refused: {'; '.join(failed)}")
        self._thread.start()
        self.wait_up(self._old)

    def stop(self) -> None:
        """Stop following the world.

        Raises:
            LabError: The network could not follow it.
        """
        self._stopped.set()
        self._thread.join(UP_LIMIT.total_seconds())
        if self._failed is not None:
            raise LabError(f"the network could not follow EC2: {self._failed}") from self._failed

    def settle(self) -> None:
        """Wait until the network follows the world's present state, and packets have passed it.

        Raises:
            LabError: The network does not follow the world.
        """
        # The round that is under way may have read the world before now.
        wanted = self._rounds + 2
        wait_for("the network follows EC2", self._clock, lambda: self._rounds >= wanted, UP_LIMIT)
        self._clock.sleep(PACKETS_MEET_IT)

    def wait_up(self, connection: str, limit: timedelta = UP_LIMIT) -> None:
        """Wait until both tunnels of *connection* are up and have routes, for AWS.

        Raises:
            LabError: They do not come up.
        """
        gateway = self.network.gateways[connection]
        wait_for(
            f"the tunnels of {connection} are up",
            self._clock,
            lambda: all(seen.up and seen.routes for seen in gateway.telemetry().values()),
            limit,
        )

    def note(
        self,
        what: str,
        kind: LabEventKind = LabEventKind.COMMAND,
        state: str = "",
        *,
        connection: str = "",
        subject: str = "",
    ) -> None:
        """Record an event."""
        self.events.append(LabEvent(time.monotonic(), what, kind, connection, subject, state))

    def _first_task(self) -> DeviceTask:
        """Return the task that set up the old connection at the device."""
        (row,) = [each for each in self._connections() if each["VpnConnectionId"] == self._old]
        network = self.network
        return DeviceTask(
            "lab", "site", _side(row), None, network.vpc_networks, network.site_networks
        )

    def loaded(self, connection: str) -> None:
        """Make the engineer's mistake, if the fault is one, in what the device has loaded."""
        match self._fault:
            case LabFault.NO_PREFIXES:
                self.device.change_routing(connection, r"export where .*;", "export none;")
            case LabFault.REKEY:
                self._rekey(self._old)
            case LabFault.REMOTE_AS_UNCHANGED:
                old = self.network.gateways[self._old].connection.asn
                self.device.change_routing(connection, r"(neighbor \S+) as \d+;", rf"\1 as {old};")
            case _:
                pass

    def prewarm(self, connection: str, commands: Mapping[str, str]) -> bool:
        """Bring the new tunnels up before the cutover; return whether they are.

        *commands* are those of the driver's file.  Traffic must stay on the old tunnels, so the
        routes of the new neighbours have a lower preference.  If AWS does not answer in time, the
        tunnels are disabled again, and the cutover has the documented order.
        """
        self.note("device: prewarm begins", LabEventKind.DEVICE, "prewarm")
        self.device.change_routing(connection, r"accept;", f"bgp_local_pref = {_LOWER}; accept;")
        self.device.shell(commands["enable-new"])
        try:
            self.wait_up(connection, PREWARM_LIMIT)
        except LabError:
            self.device.shell(commands["back-out"])
            self.note("device: prewarm: the tunnels are not UP, disabled", LabEventKind.DEVICE)
            return False
        self.note("device: prewarm done", LabEventKind.DEVICE)
        return True

    def _connections(self) -> list[dict[str, Any]]:
        answer = self.world.execute("ec2", "DescribeVpnConnections", {})["VpnConnections"]
        return [each for each in answer if each["State"] in LIVING]

    def _follow(self) -> None:
        try:
            while not self._stopped.is_set():
                self._mirror()
                self._rounds += 1
                self._clock.sleep(TICK)
        except Exception as exc:  # noqa: BLE001 - reported by stop
            self._failed = exc

    def _mirror(self) -> None:
        """Repeat on the network what EC2 did, and put the telemetry into the world."""
        network = self.network
        with self.world.to_be_read() as state:
            wanted = {
                c.id: _endpoint(state, c.id, self._asn)
                for c in state.connections.values()
                if state.life(c) in LIVING
            }
            attachments = {
                c.id: _attachment(state.gateways[c.gateway], state.now)
                for c in state.connections.values()
                if c.gateway in state.gateways
            }
            gateways = {c.gateway: c.id for c in state.connections.values()}
            prefixes = {c.id: tuple(prefixes_of(state, c)) for c in state.connections.values()}
        for connection in wanted.keys() - network.gateways.keys():
            network.create(self._with_fault(wanted[connection]))
            what = f"AWS: {connection} created"
            self.note(what, LabEventKind.CONNECTION, "created", connection=connection)
        for connection in [*network.gateways]:
            gateway = network.gateways[connection]
            if connection not in wanted and not gateway.deleted:
                gateway.delete()
                what = f"AWS: {connection} deleted"
                self.note(what, LabEventKind.CONNECTION, connection=connection)
            if gateway.connection.asn is None:
                gateway.announce(prefixes[connection])
            attachment = attachments.get(connection, "")
            gateway.attach(attached=attachment == "attached")
            self._record_attachment(connection, attachment)
        self._route(self._returning(gateways))
        self._report()

    def _record_attachment(self, connection: str, state: str) -> None:
        """Record the attachment of a connection's gateway, if it has changed."""
        if state != self._attachments.get(connection, ""):
            self._attachments[connection] = state
            what = f"AWS: the gateway of {connection} is {state or 'detached'}"
            self.note(what, LabEventKind.GATEWAY, state, connection=connection)
            if state == "detaching":
                self._rekey(connection)
            if self._fault is LabFault.DETACHED_DARK and state in {"attached", ""}:
                self._answer(connection, attached=state == "attached")

    def _answer(self, connection: str, *, attached: bool) -> None:
        """Make the endpoints of *connection* answer exactly while it is attached."""
        switch = self.network.lighten if attached else self.network.darken
        for tunnel in self.network.gateways[connection].connection.tunnels:
            switch(tunnel.outside_ip)

    def _rekey(self, connection: str) -> None:
        """Rekey IPsec of the tunnels of *connection*, if this is the fault; IKE follows."""
        if self._fault is LabFault.REKEY:
            gateway = self.network.gateways[connection]
            for tunnel in gateway.connection.tunnels:
                gateway.rekey(tunnel.outside_ip, "child")

    def _record_keys(self, outside: str, connection: str, now: LabTelemetry) -> None:
        """Record new keys of a tunnel that was up before and is up now."""
        before, self._keys[outside] = self._keys.get(outside), now.keys
        pairs = zip(("IKE", "IPsec"), before or (), now.keys or (), strict=False)
        fresh = [which for which, old, new in pairs if old != new]
        for which in fresh:
            what = f"AWS: the tunnel {outside} has new keys of {which}"
            self.note(what, LabEventKind.KEYS, which, connection=connection, subject=outside)
        if fresh == ["IPsec"] and self._fault is LabFault.REKEY:
            self.network.gateways[connection].rekey(outside, "ike")

    def _route(self, returning: Mapping[str, str]) -> None:
        """Set the VPC's routes to the site, and record where they lead."""
        before = self.network.returning
        self.network.route_vpc(returning)
        for net in sorted(before.keys() | returning.keys()):
            connection = returning.get(net, "")
            if connection != before.get(net, ""):
                lost = f"the VPC has no route to {net}"
                what = f"{net} is routed to {connection}" if connection else lost
                self.note(f"AWS: {what}", LabEventKind.ROUTES, connection, subject=net)

    def _with_fault(self, connection: EndpointConnection) -> EndpointConnection:
        """Return a new connection with the case's fault; drop the packets of dark endpoints."""
        if connection.id == self._old:
            return connection
        match self._fault:
            case LabFault.WRONG_KEY:
                tunnels = [replace(each, key=f"x{each.key[1:]}") for each in connection.tunnels]
                return replace(connection, tunnels=tuple(tunnels))
            case LabFault.PROPOSAL_MISMATCH:
                group = {"Phase1DHGroupNumbers": [24]}
                tunnels = [replace(each, options=group) for each in connection.tunnels]
                return replace(connection, tunnels=tuple(tunnels))
            case LabFault.DARK_ENDPOINTS | LabFault.DETACHED_DARK:
                for each in connection.tunnels:
                    self.network.darken(each.outside_ip)
            case LabFault.ONE_TUNNEL_DEAD:
                self.network.darken(connection.tunnels[0].outside_ip)
            case _:
                pass
        return connection

    def _returning(self, gateways: Mapping[str | None, str]) -> dict[str, str]:
        """Return the VPC's active routes to the site, each with the connection that it uses."""
        tables = self.world.execute("ec2", "DescribeRouteTables", {})["RouteTables"]
        return {
            route["DestinationCidrBlock"]: gateways[route["GatewayId"]]
            for table in tables
            for route in table["Routes"]
            if route.get("State") == "active"
            and route.get("GatewayId") in gateways
            and route.get("DestinationCidrBlock") in self.network.site_networks
        }

    def _report(self) -> None:
        of: dict[str, str] = {}
        seen: dict[str, LabTelemetry] = {}
        for connection, gateway in self.network.gateways.items():
            seen |= (tunnels := gateway.telemetry())
            of |= dict.fromkeys(tunnels, connection)
        with self.world.to_be_read() as state:
            before = state.measured or {}
            now = state.now
        for outside, each in seen.items():
            self._record_keys(outside, of[outside], each)
        measured = {
            outside: _measured(each, before.get(outside), now) for outside, each in seen.items()
        }
        if measured == before:
            return
        with self.world.alone() as state:
            state.measured = measured
        for outside, each in seen.items():
            if outside not in before or before[outside].up != each.up:
                up = "UP" if each.up else ""
                what = f"AWS: the tunnel {outside} is {up or 'DOWN'}"
                self.note(what, LabEventKind.TUNNEL, up, connection=of[outside], subject=outside)
                if each.up and of[outside] != self._old and self._fault is LabFault.REKEY:
                    self.network.gateways[of[outside]].rekey(outside, "child")


class LabDrivers:
    """Drivers of the lab's device (``ports.DeviceDrivers``), whose calls are events of *lab*."""

    def __init__(self, drivers: DeviceDrivers, lab: LabMigration) -> None:
        self._drivers, self._lab = drivers, lab

    def begin(self, call: DriverCall) -> None:
        """Begin *call*."""
        if call.verb is not DriverVerb.STATUS:
            name = _named(call)
            self._lab.note(f"device: {name} begins", LabEventKind.DEVICE, name)
        self._drivers.begin(call)

    def ended(self) -> Sequence[tuple[DriverCall, DriverResult]]:
        """Return the calls that have ended since the last time."""
        ended = self._drivers.ended()
        for call, result in ended:
            failed = result.outcome is not DriverOutcome.DONE or result.message
            if call.verb is DriverVerb.LOAD:
                self._lab.loaded(call.successor)
            if call.verb is not DriverVerb.STATUS:
                how = f": failed: {result.message}" if failed else " done"
                what = f"device: {_named(call)}{how}"
                self._lab.note(what, LabEventKind.DEVICE)
        return ended

    def finish(self) -> None:
        """Wait until every call has ended."""
        self._drivers.finish()


def _named(call: DriverCall) -> str:
    return f"{call.verb}, old tunnels disabled," if call.disable_old else call.verb.value


def _side(row: Mapping[str, Any]) -> DeviceSide:
    return DeviceSide(
        row["VpnConnectionId"],
        parse_configuration(row["CustomerGatewayConfiguration"]),
        ConnectionOptions.of(row),
        "the lab",
    )


def _attachment(gateway: Gateway, now: datetime) -> str:
    """Return the state of the attachment: attaching, attached or detaching, or empty."""
    return next((row.life.at(now) for row in gateway.held(now) if row.life.at(now) in _HELD), "")


_HELD: Final = frozenset({"attaching", "attached", "detaching"})


def _endpoint(state: WorldState, name: str, asn: int) -> EndpointConnection:
    connection = state.connections[name]
    customer = state.customer_gateways[connection.customer_gateway or ""]
    gateway = state.gateways[connection.gateway or ""]
    return EndpointConnection(
        name,
        connection.category or "",
        customer.ip,
        asn,
        None if connection.static_only else gateway.asn,
        tuple(
            EndpointTunnel(
                tunnel.outside_ip,
                IPv4Network(tunnel.inside_cidr),
                tunnel.key,
                tunnel.options,
            )
            for tunnel in connection.tunnels
        ),
    )


def _measured(seen: LabTelemetry, before: TunnelTelemetry | None, now: datetime) -> TunnelTelemetry:
    since = before.since if before is not None and before.up == seen.up else now
    return TunnelTelemetry(seen.up, since, seen.message, seen.routes, seen.negotiated)
