"""A world's state kept as it is while the world goes on."""

from __future__ import annotations

from dataclasses import replace

from vpnmigrate.sandbox.state import (
    Association,
    Attachment,
    Connection,
    CustomerGateway,
    Device,
    Gateway,
    Propagation,
    RouteTable,
    State,
    Subnet,
    Vpc,
)
from vpnmigrate.sandbox.timeline import Timeline


def kept(state: State) -> State:
    """Give a copy of *state* that no later action alters.

    Only what actions alter in place is copied.  Routes and tunnels are never altered once they are
    made, nor is the list of a timeline's moments, so copies share them.
    """
    return replace(
        state,
        vpcs={id_: _vpc(vpc) for id_, vpc in state.vpcs.items()},
        subnets={id_: _subnet(subnet) for id_, subnet in state.subnets.items()},
        gateways={id_: _gateway(gateway) for id_, gateway in state.gateways.items()},
        customer_gateways={id_: _customer(each) for id_, each in state.customer_gateways.items()},
        connections={id_: _connection(each) for id_, each in state.connections.items()},
        tables={id_: _table(table) for id_, table in state.tables.items()},
        tags={id_: dict(tags) for id_, tags in state.tags.items()},
        born=dict(state.born),
        devices={id_: _device(device) for id_, device in state.devices.items()},
        advertised=dict(state.advertised),
        virtual_interfaces=list(state.virtual_interfaces),
        direct_connect_ties=list(state.direct_connect_ties),
    )


def _life(life: Timeline) -> Timeline:
    return Timeline(life.moments)


def _vpc(vpc: Vpc) -> Vpc:
    return Vpc(vpc.id, vpc.cidrs, vpc.owner, _life(vpc.life))


def _subnet(subnet: Subnet) -> Subnet:
    return Subnet(subnet.id, subnet.vpc, subnet.cidr, _life(subnet.life))


def _customer(customer: CustomerGateway) -> CustomerGateway:
    return CustomerGateway(
        customer.id,
        _life(customer.life),
        customer.asn,
        customer.ip,
        customer.device_name,
        customer.certificate,
    )


def _gateway(gateway: Gateway) -> Gateway:
    return Gateway(
        gateway.id,
        gateway.asn,
        _life(gateway.life),
        [Attachment(row.vpc, _life(row.life)) for row in gateway.attachments],
        gateway.type,
    )


def _connection(connection: Connection) -> Connection:
    return Connection(
        connection.id,
        _life(connection.life),
        connection.category,
        connection.customer_gateway,
        connection.gateway,
        connection.static_only,
        connection.tunnels,
        connection.elsewhere,
        {cidr: _life(life) for cidr, life in connection.prefixes.items()},
        connection.key_storage,
    )


def _table(table: RouteTable) -> RouteTable:
    return RouteTable(
        table.id,
        table.vpc,
        table.owner,
        list(table.routes),
        [Association(a.id, a.subnet, a.gateway, a.main, a.until) for a in table.associations],
        [Propagation(p.gateway, p.since, p.until) for p in table.propagations],
    )


def _device(device: Device) -> Device:
    return Device(device.configured, dict(device.enabled), dict(device.disabled), device.bgp_shut)
