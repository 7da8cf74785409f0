"""VPN connections: how they are created and deleted."""

from __future__ import annotations

from datetime import timedelta

from vpnmigrate.model.ec2 import CLASSIC
from vpnmigrate.sandbox.apierror import ApiError, invalid_value, missing
from vpnmigrate.sandbox.connection_rows import connection_row
from vpnmigrate.sandbox.gateways import refuse_while_busy
from vpnmigrate.sandbox.ids import CONNECTION
from vpnmigrate.sandbox.lookups import available_gateway, the_connection, the_customer_gateway
from vpnmigrate.sandbox.params import Params, Result, required
from vpnmigrate.sandbox.quotas import check_connections
from vpnmigrate.sandbox.state import LIVING, Connection, CustomerGateway, Gateway, State
from vpnmigrate.sandbox.tags import tags_at_creation
from vpnmigrate.sandbox.timeline import GONE, Timeline
from vpnmigrate.sandbox.tunnels import new_tunnels


def create_vpn_connection(state: State, params: Params) -> Result:
    """CreateVpnConnection; the answer always holds the configuration with its keys."""
    if required(params, "Type") != "ipsec.1":
        raise invalid_value(f"Value ({params['Type']}) for parameter type is invalid.")
    customer = the_customer_gateway(state, required(params, "CustomerGatewayId"))
    if params.get("TransitGatewayId"):
        raise ApiError("UnsupportedOperation", "The sandbox has no transit gateways.")
    if not params.get("VpnGatewayId"):
        raise missing("VpnGatewayId")
    gateway = available_gateway(state, params["VpnGatewayId"])
    if state.life(customer) != "available":
        raise ApiError(
            "InvalidCustomerGatewayState",
            f"The customer gateway {customer.id} is not in the available state",
        )
    tags = tags_at_creation(params, CONNECTION)
    existing = _of_pair(state, gateway, customer)
    if existing and state.behaviour.same_pair_returns_existing:
        return {"VpnConnection": connection_row(state, existing, configuration=True)}
    _check_pair(state, gateway, customer)
    check_connections(state, gateway)
    connection = _new(state, params, gateway, customer)
    state.connections[connection.id] = connection
    state.tags[connection.id] = tags
    state.born[connection.id] = dict(tags)
    return {"VpnConnection": connection_row(state, connection, configuration=True)}


def _new(state: State, params: Params, gateway: Gateway, customer: CustomerGateway) -> Connection:
    options = params.get("Options") or {}
    identifier = state.new_id(CONNECTION)
    tunnels = new_tunnels(state, identifier, gateway.id, options.get("TunnelOptions") or [])
    life = Timeline()
    creation = state.lasting(state.behaviour.connection_creation)
    life.then(state.now, (timedelta(0), "pending"), (creation, "available"))
    return Connection(
        identifier,
        life,
        category=_category(state, gateway),
        customer_gateway=customer.id,
        gateway=gateway.id,
        static_only=bool(options.get("StaticRoutesOnly", False)),
        tunnels=tunnels,
        key_storage=params.get("PreSharedKeyStorage") or "Standard",
    )


def _of_pair(state: State, gateway: Gateway, customer: CustomerGateway) -> Connection | None:
    pair = (gateway.id, customer.id)
    return next(
        (
            c
            for c in state.connections.values()
            if (c.gateway, c.customer_gateway) == pair and state.life(c) in LIVING
        ),
        None,
    )


def _check_pair(state: State, gateway: Gateway, customer: CustomerGateway) -> None:
    if gateway.asn is not None and customer.asn == gateway.asn:
        raise ApiError(
            "AsnConflict",
            f"The ASN {customer.asn} of the customer gateway is that of the gateway {gateway.id}",
        )
    if state.behaviour.classic_customer_gateway_reusable:
        return
    if any(
        c.customer_gateway == customer.id and c.category == CLASSIC and state.life(c) in LIVING
        for c in state.connections.values()
    ):
        raise ApiError(
            "InvalidCustomerGateway.DuplicateIpAddress",
            f"There is a conflict among the specified gateway IP addresses: {customer.ip}",
        )


def _category(state: State, gateway: Gateway) -> str:
    beside = any(
        c.gateway == gateway.id and c.category == CLASSIC and state.life(c) in LIVING
        for c in state.connections.values()
    )
    if not beside:
        return "VPN"
    if state.behaviour.beside_classic == "refuse":
        raise ApiError(
            "UnsupportedOperation",
            f"The gateway {gateway.id} has a Classic VPN connection; delete it first.",
        )
    return state.behaviour.beside_classic


def delete_vpn_connection(state: State, params: Params) -> Result:
    """DeleteVpnConnection; repeating it while it is under way changes nothing."""
    connection = the_connection(state, required(params, "VpnConnectionId"))
    if state.life(connection) != "deleting":
        if gateway := state.gateways.get(connection.gateway or ""):
            refuse_while_busy(state, gateway)
        connection.life.then(
            state.now,
            (timedelta(0), "deleting"),
            (state.lasting(state.behaviour.connection_deletion), "deleted"),
            (state.behaviour.deleted_lingers, GONE),
        )
    return {}
