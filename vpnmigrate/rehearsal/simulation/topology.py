"""Topology: a random world to migrate, drawn from a seed.

``behaviours`` draws how EC2 behaves in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace as dataclass_replace
from datetime import timedelta

from msgspec.structs import replace

from vpnmigrate.model.decisions import (
    Decisions,
    DeviceDriver,
    DriverKind,
    InsideMode,
    KeyMode,
    OldTunnels,
    SshAccess,
    TestVpc,
)
from vpnmigrate.model.ec2 import (
    AWS_VPN,
    CLASSIC,
    AssociationRecord,
    Attached,
    ConnectionRecord,
    CustomerGatewayId,
    CustomerGatewayRecord,
    GatewayRecord,
    KeyVisibility,
    RouteRecord,
    RouteTableId,
    RouteTableRecord,
    StaticPrefixRecord,
    SubnetRecord,
    TunnelOptions,
    TunnelReading,
    TunnelRecord,
    VpcId,
    VpcRecord,
    VpnConnectionId,
    VpnGatewayId,
)
from vpnmigrate.model.survey import Quotas
from vpnmigrate.rehearsal.simulation.behaviours import drawn_behaviour
from vpnmigrate.rehearsal.simulation.seeded_random import SeededRandom
from vpnmigrate.sandbox.behaviour import Behaviour
from vpnmigrate.sandbox.scenarios.scenario import Scenario

VPC = VpcId("vpc-0a51")
OLD = VpnGatewayId("vgw-0a51")
STOPS_PLANNING = "planning"
STOPS_IN_STEP_3 = "step 3"


@dataclass(frozen=True)
class Topology:
    """The description of a world, and its operator's decisions."""

    seed: int
    scenario: Scenario
    behaviour: Behaviour
    decisions: Decisions
    reaction: timedelta
    """How long the engineer at the devices takes for a task."""
    stops: str = ""
    """Where the world's behaviour stops a migration by design; empty if nowhere."""

    def __str__(self) -> str:
        scenario = self.scenario
        return (
            f"{len(scenario.connections)} connections, {len(scenario.route_tables)} tables, "
            f"lag up to {self.behaviour.read_lag.total_seconds():.0f} s"
        )


def topology(seed: int) -> Topology:
    """Return the world drawn from *seed*.

    In a quarter of them the connections are AWS VPN, in a fifth some devices have drivers.
    """
    drawn, dice = _topology(seed), SeededRandom(f"options/{seed}")
    drawn = _with_options(drawn, dice) if dice.chance(0.25) else drawn
    more = SeededRandom(f"drivers/{seed}")
    return _with_drivers(drawn, more) if more.chance(DRIVEN_WORLDS) else drawn


def driven(seed: int) -> Topology:
    """Return the world drawn from *seed*, with drivers at some of its devices."""
    drawn = topology(seed)
    return (
        drawn if drawn.decisions.drivers else _with_drivers(drawn, SeededRandom(f"driven/{seed}"))
    )


def _with_drivers(drawn: Topology, dice: SeededRandom) -> Topology:
    drivers = _drivers(dice, drawn.scenario.customer_gateways)
    return dataclass_replace(drawn, decisions=replace(drawn.decisions, drivers=drivers))


def _with_options(drawn: Topology, dice: SeededRandom) -> Topology:
    """Return *drawn* with connections that are AWS VPN already, and have options of their own."""
    scenario, decisions = drawn.scenario, drawn.decisions
    mine = [c for c in scenario.connections if c.vpn_gateway == OLD]
    others = tuple(c for c in scenario.connections if c.vpn_gateway != OLD)
    secret = decisions.keys is not KeyMode.REUSE and dice.chance(0.3)
    changed = tuple(_modern(dice, connection, secret=secret) for connection in mine)
    gateways = tuple(
        replace(g, asn=dice.one((64512, 64555))) if g.id == OLD else g for g in scenario.gateways
    )
    return dataclass_replace(
        drawn,
        scenario=replace(scenario, connections=(*changed, *others), gateways=gateways),
        decisions=replace(decisions, recreate_aws_vpn=True),
        # Only the customer gateway of a Classic connection may be refused to a second one.
        stops="" if drawn.stops == STOPS_IN_STEP_3 else drawn.stops,
    )


def _modern(dice: SeededRandom, old: ConnectionRecord, *, secret: bool) -> ConnectionRecord:
    key = KeyVisibility.REDACTED if secret else KeyVisibility.SHOWN
    return replace(
        old,
        category=AWS_VPN,
        tunnels=tuple(replace(t, options=_options(dice), key=key) for t in old.tunnels),
        local_network=dice.one(("0.0.0.0/0", "0.0.0.0/0", "192.168.0.0/16")),
        remote_network="0.0.0.0/0",
    )


def _options(dice: SeededRandom) -> TunnelOptions:
    gcm = dice.chance(0.3)
    return TunnelOptions(
        ike_versions=dice.one(((), ("ikev2",), ("ikev1", "ikev2"))),
        phase1_encryption=dice.one(((), ("AES256",))),
        phase2_encryption=("AES256-GCM-16",) if gcm else dice.one(((), ("AES256",))),
        phase2_integrity=dice.one(((), ("SHA2-256",), ("SHA2-384", "SHA2-512"))),
        phase1_dh_groups=dice.one(((), (14,), (20, 21))),
        dpd_timeout_seconds=dice.one((None, 30, 45)),
        phase1_lifetime_seconds=dice.one((None, 28800, 7200)),
        phase2_lifetime_seconds=dice.one((None, 1800)),
        startup_action=dice.one((None, "start")),
        lifecycle_control=dice.one((None, True)),
    )


def _topology(seed: int) -> Topology:
    dice = SeededRandom(f"world/{seed}")
    devices = tuple(_device(dice, n) for n in range(dice.size((1, 1, 1, 2, 2, 3), 10)))
    connections = tuple(_connection(dice, n, device) for n, device in enumerate(devices))
    tables, subnets = _tables(dice)
    behaviour = drawn_behaviour(dice, seed)
    decisions = _decisions(dice)
    stops = ""
    if behaviour.category_absent:
        stops = STOPS_PLANNING
    elif not behaviour.classic_customer_gateway_reusable:
        stops = STOPS_IN_STEP_3
    others, other_connections = _others(dice, devices)
    return Topology(
        seed,
        Scenario(
            name=f"simulated-{seed}",
            vpcs=(
                VpcRecord(VPC, cidrs=("10.0.0.0/16", "2001:db8:a::/56")),
                VpcRecord(VpcId("vpc-0b52")),
            ),
            subnets=subnets,
            gateways=(
                GatewayRecord(
                    OLD,
                    "available",
                    asn=7224,
                    attachments=(Attached(VPC, "attached"),),
                    tags={"Name": "office"} if dice.chance(0.5) else {},
                ),
                *others,
            ),
            customer_gateways=devices,
            connections=(*connections, *other_connections),
            route_tables=tables,
            quotas=Quotas(connections_per_gateway=dice.one((10, 20))),
            advertised={
                d.id: tuple(f"172.{16 + n}.{k}.0/24" for k in range(dice.number(1, 4)))
                for n, d in enumerate(devices)
            },
        ),
        behaviour,
        decisions,
        reaction=timedelta(seconds=dice.one((0, 5, 5, 20, 20, 20, 90, 400))),
        stops=stops,
    )


def _device(dice: SeededRandom, number: int) -> CustomerGatewayRecord:
    return CustomerGatewayRecord(
        CustomerGatewayId(f"cgw-0a{number:02d}"),
        "available",
        asn=dice.one((65000, 65010, 4200000010)),
        ip=f"203.0.113.{number + 1}",
    )


def _connection(dice: SeededRandom, number: int, device: CustomerGatewayRecord) -> ConnectionRecord:
    static = dice.chance(0.4)
    up = dice.one((2, 2, 2, 1, 0 if number else 2))
    outside = (f"192.0.2.{2 * number + 1}", f"192.0.2.{2 * number + 2}")
    prefixes = tuple(
        StaticPrefixRecord(f"192.168.{8 * number + k}.0/24", "available")
        for k in range(dice.number(1, 4))
    )
    return ConnectionRecord(
        VpnConnectionId(f"vpn-0a{number:02d}"),
        "available",
        category=CLASSIC,
        customer_gateway=device.id,
        vpn_gateway=OLD,
        static_only=static,
        prefixes=prefixes if static else (),
        tunnels=tuple(
            TunnelRecord(ip, f"169.254.{number + 10}.{4 * k}/30") for k, ip in enumerate(outside)
        ),
        telemetry=tuple(TunnelReading(ip, up=k < up) for k, ip in enumerate(outside)),
        tags={"Name": f"site {number}"} if dice.chance(0.3) else {},
    )


def _others(
    dice: SeededRandom, devices: Sequence[CustomerGatewayRecord]
) -> tuple[tuple[GatewayRecord, ...], tuple[ConnectionRecord, ...]]:
    """Return a drawn gateway of another owner, and possibly its connection to one of *devices*."""
    if dice.chance(0.7):
        return (), ()
    gateway = GatewayRecord(
        VpnGatewayId("vgw-0b52"),
        "available",
        asn=64999,
        attachments=(Attached(VpcId("vpc-0b52"), "attached"),) if dice.chance(0.5) else (),
    )
    shared = ConnectionRecord(
        VpnConnectionId("vpn-0b99"),
        "available",
        category="VPN",
        customer_gateway=dice.one(devices).id,
        vpn_gateway=gateway.id,
        static_only=True,
    )
    return (gateway,), ((shared,) if dice.chance(0.5) else ())


def _tables(dice: SeededRandom) -> tuple[tuple[RouteTableRecord, ...], tuple[SubnetRecord, ...]]:
    number = dice.size((0, 1, 1, 2, 2, 3, 4, 6), 60)
    tables: list[RouteTableRecord] = []
    subnets: list[SubnetRecord] = []
    for n in range(number):
        id_ = RouteTableId(f"rtb-0a{n:02d}")
        if n == 1 and dice.chance(0.3):
            edge = AssociationRecord(f"rtbassoc-edge-{n}", gateway=OLD)
            tables.append(RouteTableRecord(id_, VPC, associations=(edge,)))
            continue
        ties = [AssociationRecord(f"rtbassoc-main-{n}", main=True)] if n == 0 else []
        if dice.chance(0.3):
            subnet = SubnetRecord(f"subnet-0a{n:02d}", VPC, cidr=f"10.0.{n}.0/24")
            subnets.append(subnet)
            ties.append(AssociationRecord(f"rtbassoc-0a{n:02d}", subnet=subnet.id))
        tables.append(
            RouteTableRecord(
                id_,
                VPC,
                associations=tuple(ties),
                propagating=(OLD,) if dice.chance(0.6) else (),
                routes=tuple(_routes(dice)),
            )
        )
    return tuple(tables), tuple(subnets)


_TO_OLD = ("192.168.0.0/16", "10.44.0.0/16", "2001:db8:99::/48", "pl-0a51", "0.0.0.0/0")
_TO_OTHERS = (
    ("10.44.7.0/24", "tgw-0a51"),
    ("172.16.0.0/12", "pcx-0a51"),
    ("0.0.0.0/0", "igw-0a51"),
    ("192.168.1.0/24", "eni-0a51"),
    ("::/0", "eigw-0a51"),
)


def _routes(dice: SeededRandom) -> list[RouteRecord]:
    routes = {to: OLD for to in _TO_OLD if dice.chance(0.15)}
    others = {to: target for to, target in _TO_OTHERS if to not in routes and dice.chance(0.15)}
    return [RouteRecord(to, target) for to, target in (*routes.items(), *others.items())]


def _decisions(dice: SeededRandom) -> Decisions:
    inside = InsideMode.KEEP if dice.chance(0.2) else InsideMode.AMAZON
    # Planning refuses the same address on two tunnels.
    leave = dice.chance(0.3) and inside is InsideMode.AMAZON
    return Decisions(
        asn=dice.one((None, None, 64600)),
        keys=dice.one((KeyMode.NEW, KeyMode.NEW, KeyMode.REUSE, KeyMode.SECRETS_MANAGER)),
        inside=inside,
        old_tunnels=OldTunnels.LEAVE if leave else OldTunnels.DISABLE,
        test_vpc=TestVpc("10.250.0.0/24") if dice.chance(0.15) else None,
    )


DRIVEN_WORLDS = 0.2
"""The share of worlds with drivers."""


def _drivers(
    dice: SeededRandom, devices: Sequence[CustomerGatewayRecord]
) -> dict[str, DeviceDriver]:
    """Return drawn drivers of *devices*: programs, routers that undo a commit, and engineers."""
    drivers = {device.id: _driver(dice) for device in devices}
    if not any(driver.automatic for driver in drivers.values()):
        drivers[devices[0].id] = DeviceDriver(DriverKind.COMMAND, ("/usr/local/bin/tunnels",))
    return {gateway: driver for gateway, driver in drivers.items() if driver.automatic}


def _driver(dice: SeededRandom) -> DeviceDriver:
    limit = timedelta(seconds=dice.one((20, 60, 120)))
    timer = timedelta(minutes=dice.one((3, 5, 10)))
    match dice.one((DriverKind.MANUAL, DriverKind.COMMAND, DriverKind.NETMIKO, DriverKind.NETMIKO)):
        case DriverKind.COMMAND:
            return DeviceDriver(DriverKind.COMMAND, ("/usr/local/bin/tunnels",), limit=limit)
        case DriverKind.NETMIKO:
            return DeviceDriver(
                DriverKind.NETMIKO,
                platform=dice.one(("juniper-srx", "cisco-ios", "cisco-asa")),
                ssh=SshAccess("router.example", "netops"),
                limit=limit,
                confirm_timer=timer,
            )
        case _:
            return DeviceDriver()
