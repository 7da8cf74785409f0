"""Scenario loading: a scenario becomes a world."""

from __future__ import annotations

from datetime import datetime

from vpnmigrate.model.clock import Clock
from vpnmigrate.model.ec2 import (
    LOCAL,
    PROPAGATED_ROUTE,
    WRITTEN_ROUTES,
    ConnectionRecord,
    GatewayRecord,
    RouteTableRecord,
)
from vpnmigrate.model.tunnel_options import NOT_CHOSEN, as_requested
from vpnmigrate.sandbox.behaviour import Behaviour, Span
from vpnmigrate.sandbox.ec2.ids import ASSOCIATION
from vpnmigrate.sandbox.ec2.route_tables import local_routes, new_table
from vpnmigrate.sandbox.ec2.tunnels import canary_key, new_inside_cidr, new_outside_ip
from vpnmigrate.sandbox.scenarios.scenario import Scenario
from vpnmigrate.sandbox.state import (
    LONG_AGO,
    Association,
    AttachmentRow,
    Connection,
    CustomerGateway,
    Device,
    Gateway,
    PropagationSetting,
    Route,
    RouteTable,
    Subnet,
    Timeline,
    TunnelState,
    Vpc,
    WorldState,
    always,
)
from vpnmigrate.sandbox.world import World


def load_world(
    scenario: Scenario, clock: Clock, behaviour: Behaviour | None = None, *, seed: int = 0
) -> World:
    """Return the world of *scenario*.

    A transitional state in the scenario ends after the behaviour's usual time.  A scenario has no
    keys: the world generates them.
    """
    world = World(clock, behaviour, scenario.account, scenario.region, seed)
    with world.alone() as state:
        state.draw_from(f"{seed}/{scenario.name}")
        state.quotas = scenario.quotas
        state.virtual_interfaces = list(scenario.virtual_interfaces)
        state.direct_connect_ties = list(scenario.direct_connect_ties)
        state.encryption_controls = dict(scenario.encryption_controls)
        state.account_encryption_control = scenario.account_encryption_control
        state.advertised = {name: list(each) for name, each in scenario.advertised.items()}
        _networks(state, scenario)
        _customer_gateways(state, scenario)
        for gateway in scenario.gateways:
            _gateway(state, gateway)
        for connection in scenario.connections:
            _connection(state, connection)
        for table in scenario.route_tables:
            _table(state, table)
        _missing_main_tables(state)
    return world


def _networks(state: WorldState, scenario: Scenario) -> None:
    for vpc in scenario.vpcs:
        owner = vpc.owner or state.account
        state.vpcs[vpc.id] = Vpc(vpc.id, list(vpc.cidrs), owner, always(vpc.state))
        state.tags[vpc.id] = dict(vpc.tags)
    for subnet in scenario.subnets:
        life = always(subnet.state)
        state.subnets[subnet.id] = Subnet(subnet.id, subnet.vpc, subnet.cidr, life)
        state.tags[subnet.id] = dict(subnet.tags)


def _customer_gateways(state: WorldState, scenario: Scenario) -> None:
    for record in scenario.customer_gateways:
        state.customer_gateways[record.id] = CustomerGateway(
            record.id,
            always(record.state),
            record.asn,
            record.ip,
            record.device_name,
            record.certificate,
        )
        state.tags[record.id] = dict(record.tags)


def _gateway(state: WorldState, record: GatewayRecord) -> None:
    behaviour = state.behaviour
    life = _life(
        state,
        record.state,
        pending=(behaviour.gateway_creation, "available"),
        deleting=(behaviour.gateway_deletion, "deleted"),
    )
    rows = [
        AttachmentRow(
            row.vpc,
            _life(
                state,
                row.state,
                attaching=(behaviour.attach, "attached"),
                detaching=(behaviour.detach, "detached"),
            ),
        )
        for row in record.attachments
    ]
    state.gateways[record.id] = Gateway(record.id, record.asn, life, rows, record.type)
    state.tags[record.id] = dict(record.tags)


def _connection(state: WorldState, record: ConnectionRecord) -> None:
    behaviour = state.behaviour
    life = _life(
        state,
        record.state,
        pending=(behaviour.connection_creation, "available"),
        deleting=(behaviour.connection_deletion, "deleted"),
    )
    connection = Connection(
        record.id,
        life,
        record.category,
        record.customer_gateway,
        record.vpn_gateway,
        record.static_only,
        _tunnels(state, record),
        record.elsewhere,
        {prefix.cidr: always(prefix.state) for prefix in record.prefixes},
        "SecretsManager" if record.keys_in_secrets_manager else "Standard",
        {
            name: cidr
            for name, cidr in (
                ("LocalIpv4NetworkCidr", record.local_network),
                ("RemoteIpv4NetworkCidr", record.remote_network),
            )
            if cidr
        },
    )
    state.connections[record.id] = connection
    state.tags[record.id] = dict(record.tags)
    state.devices[record.id] = _device(state, record, connection)


def _life(state: WorldState, present: str, **ends: tuple[Span, str]) -> Timeline:
    """Return the timeline of a resource in state *present*, with the end of a transition."""
    if present not in ends:
        return always(present)
    span, end = ends[present]
    life = always(present, state.now)
    life.then(state.now, (state.lasting(span), end))
    return life


def _tunnels(state: WorldState, record: ConnectionRecord) -> list[TunnelState]:
    """Return two tunnels, with the known addresses, and random ones where none are known."""
    inside = {t.outside_ip: t.inside_cidr for t in record.tunnels if t.outside_ip}
    options = {t.outside_ip: as_requested(t.options or NOT_CHOSEN) for t in record.tunnels}
    outside = list(dict.fromkeys([*inside, *(t.outside_ip for t in record.telemetry)]))
    tunnels: list[TunnelState] = []
    for number in (0, 1):
        address = outside[number] if number < len(outside) else new_outside_ip(state, tunnels)
        taken = {tunnel.inside_cidr for tunnel in tunnels}
        cidr = inside.get(address) or new_inside_cidr(state, taken)
        key = canary_key(state.seed, record.id, number)
        tunnels.append(TunnelState(address, cidr, key, dict(options.get(address, {}))))
    return tunnels


def _device(state: WorldState, record: ConnectionRecord, connection: Connection) -> Device:
    """Return a device with which telemetry reads as recorded, including the times of changes."""
    device = Device(configured=LONG_AGO)
    behaviour = state.behaviour
    rise = behaviour.ike if record.static_only else behaviour.ike + behaviour.bgp
    readings = {reading.outside_ip: reading for reading in record.telemetry}
    for number, tunnel in enumerate(connection.tunnels):
        reading = readings.get(tunnel.outside_ip)
        since = reading.since if reading and reading.since else LONG_AGO
        if reading and reading.up:
            # With a reading later than the clock's start the tunnel would come up late.
            device.enabled[number] = min(since, _settled(state)) - rise
        else:
            device.disabled[number] = since
    return device


def _settled(state: WorldState) -> datetime:
    return state.now - state.behaviour.propagation_delay


def _table(state: WorldState, record: RouteTableRecord) -> None:
    vpc = state.vpcs.get(record.vpc)
    kept = [
        Route(route.destination, route.target, route.origin, route.state)
        for route in record.routes
        if route.origin != PROPAGATED_ROUTE and route.target != LOCAL
    ]
    # A route of the VPC's own range may lead to a firewall instead (terraform-provider-aws#27929).
    replaced = {route.destination for route in kept if route.origin in WRITTEN_ROUTES}
    local = [r for r in local_routes(vpc) if r.destination not in replaced] if vpc else []
    table = RouteTable(record.id, record.vpc, record.owner or state.account, [*local, *kept])
    table.associations = [
        Association(tie.id, tie.subnet, tie.gateway, tie.main) for tie in record.associations
    ]
    table.propagations = [PropagationSetting(gateway, LONG_AGO) for gateway in record.propagating]
    state.tables[record.id] = table
    state.tags[record.id] = dict(record.tags)


def _missing_main_tables(state: WorldState) -> None:
    """Add a main table to each VPC that lacks one."""
    for vpc in state.vpcs.values():
        tables = [table for table in state.tables.values() if table.vpc == vpc.id]
        if not any(tie.main for table in tables for tie in table.associations):
            main = Association(state.new_id(ASSOCIATION), main=True)
            new_table(state, vpc).associations.append(main)
