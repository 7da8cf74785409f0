"""VPN connections: creation, deletion, describe rows and static prefixes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from functools import lru_cache
from hashlib import sha256

from vpnmigrate.model.ec2 import CLASSIC
from vpnmigrate.model.tunnel_options import ANY_NETWORK, OPTIONS
from vpnmigrate.sandbox.ec2.configuration_xml import REDACTED, customer_gateway_configuration
from vpnmigrate.sandbox.ec2.gateways import refuse_while_busy
from vpnmigrate.sandbox.ec2.ids import CONNECTION, ApiError, invalid_value, missing
from vpnmigrate.sandbox.ec2.quotas import check_connections
from vpnmigrate.sandbox.ec2.request import (
    Field,
    Params,
    Result,
    Row,
    asked_for,
    available_gateway,
    network,
    required,
    selected,
    the_connection,
    the_customer_gateway,
    the_tunnel,
)
from vpnmigrate.sandbox.ec2.tags import tag_rows, tags_at_creation
from vpnmigrate.sandbox.ec2.tunnels import new_tunnels, read_tunnel
from vpnmigrate.sandbox.state import (
    GONE,
    LIVING,
    Connection,
    CustomerGateway,
    Gateway,
    Timeline,
    TunnelState,
    WorldState,
)


def create_vpn_connection(state: WorldState, params: Params) -> Result:
    """CreateVpnConnection; the answer always contains the configuration with its keys."""
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


def _new(
    state: WorldState, params: Params, gateway: Gateway, customer: CustomerGateway
) -> Connection:
    options = params.get("Options") or {}
    identifier = state.new_id(CONNECTION)
    for name in _ELSEWHERE_ONLY:
        if options.get(name) not in (None, False, "", *_HARMLESS):
            raise ApiError(
                "InvalidParameterCombination", f"{name} is not supported with a VpnGatewayId."
            )
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
        networks={
            name: network(options.get(name) or ANY_NETWORK)
            for name in ("LocalIpv4NetworkCidr", "RemoteIpv4NetworkCidr")
        },
    )


_ELSEWHERE_ONLY = (
    *("EnableAcceleration", "TunnelInsideIpVersion", "OutsideIpAddressType", "TunnelBandwidth"),
    *("LocalIpv6NetworkCidr", "RemoteIpv6NetworkCidr", "TransportTransitGatewayAttachmentId"),
)
"""Options that exist on transit gateways and core networks only (domain.md 6.5)."""
_HARMLESS = ("ipv4", "PublicIpv4", "standard")
"""Values of them that are the only ones of a virtual private gateway."""


def _of_pair(state: WorldState, gateway: Gateway, customer: CustomerGateway) -> Connection | None:
    pair = (gateway.id, customer.id)
    return next(
        (
            c
            for c in state.connections.values()
            if (c.gateway, c.customer_gateway) == pair and state.life(c) in LIVING
        ),
        None,
    )


def _check_pair(state: WorldState, gateway: Gateway, customer: CustomerGateway) -> None:
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


def _category(state: WorldState, gateway: Gateway) -> str:
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


def modify_vpn_tunnel_options(state: WorldState, params: Params) -> Result:
    """ModifyVpnTunnelOptions; that tunnel is interrupted until the modification ends."""
    connection = the_connection(state, required(params, "VpnConnectionId"))
    tunnel = the_tunnel(connection, params)
    if state.life(connection) != "available":
        raise ApiError(
            "IncorrectState", f"The VPN connection {connection.id} is not in the available state."
        )
    if params.get("PreSharedKeyStorage"):
        connection.key_storage = params["PreSharedKeyStorage"]
    changed = dict(params.get("TunnelOptions") or {})
    tunnel.key = str(changed.pop("PreSharedKey", tunnel.key))
    tunnel.inside_cidr = str(changed.pop("TunnelInsideCidr", tunnel.inside_cidr))
    tunnel.options = {**tunnel.options, **changed}
    lasts = state.lasting(state.behaviour.tunnel_modification)
    tunnel.interrupted_until = state.now + lasts
    connection.life.then(state.now, (timedelta(0), "modifying"), (lasts, "available"))
    return {"VpnConnection": connection_row(state, connection, configuration=True)}


def delete_vpn_connection(state: WorldState, params: Params) -> Result:
    """DeleteVpnConnection; a repeated call during the deletion has no effect."""
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


_ELSEWHERE = {"tgw-": "TransitGatewayId", "arn:": "CoreNetworkArn"}


def describe_vpn_connections(state: WorldState, params: Params) -> Result:
    """DescribeVpnConnections; without pages; the answer contains keys."""
    there = {c.id: c for c in state.connections.values() if state.is_there(c)}
    named = asked_for(there, params, "VpnConnectionIds", CONNECTION)
    rows = [connection_row(state, c, configuration=state.life(c) in LIVING) for c in named]

    def asn(row: Row) -> Iterable[str]:
        customer = state.customer_gateways.get(row.get("CustomerGatewayId", ""))
        return [str(customer.asn)] if customer else []

    return {"VpnConnections": selected(rows, params, _FILTERS | {"bgp-asn": asn})}


_FILTERS: dict[str, Field] = {
    "customer-gateway-configuration": "CustomerGatewayConfiguration",
    "customer-gateway-id": "CustomerGatewayId",
    "option.static-routes-only": "Options.StaticRoutesOnly",
    "route.destination-cidr-block": "Routes.DestinationCidrBlock",
    "state": "State",
    "transit-gateway-id": "TransitGatewayId",
    "type": "Type",
    "vpn-connection-id": "VpnConnectionId",
    "vpn-gateway-id": "VpnGatewayId",
}


def connection_row(state: WorldState, connection: Connection, *, configuration: bool) -> Row:
    """Return *connection* as in an answer, with or without its *configuration*."""
    row: Row = {
        "VpnConnectionId": connection.id,
        "State": state.life(connection),
        "Type": "ipsec.1",
        "GatewayAssociationState": "associated",
        "Options": _options(state, connection),
        "Routes": [
            {"DestinationCidrBlock": cidr, "Source": "Static", "State": life.at(state.now)}
            for cidr, life in sorted(connection.prefixes.items())
            if life.is_there(state.now)
        ],
        "Tags": tag_rows(state, connection.id),
        "VgwTelemetry": _telemetry(state, connection),
    }
    if connection.customer_gateway:
        row["CustomerGatewayId"] = connection.customer_gateway
    if connection.gateway:
        row["VpnGatewayId"] = connection.gateway
    if connection.elsewhere:
        row[_ELSEWHERE.get(connection.elsewhere[:4], "VpnConcentratorId")] = connection.elsewhere
    if connection.category is not None and not state.behaviour.category_absent:
        row["Category"] = connection.category
    if configuration:
        row["CustomerGatewayConfiguration"] = customer_gateway_configuration(state, connection)
    if connection.key_storage != "Standard":
        secret = f"s2svpn!{connection.id}"
        row["PreSharedKeyArn"] = (
            f"arn:aws:secretsmanager:{state.region}:{state.account}:secret:{secret}"
        )
    return row


def _options(state: WorldState, connection: Connection) -> Row:
    options: Row = {
        "EnableAcceleration": False,
        "StaticRoutesOnly": connection.static_only,
        "LocalIpv4NetworkCidr": ANY_NETWORK,
        "RemoteIpv4NetworkCidr": ANY_NETWORK,
        **connection.networks,
        "TunnelInsideIpVersion": "ipv4",
    }
    if connection.category == CLASSIC and not state.behaviour.classic_tunnel_options_listed:
        return options
    options["TunnelOptions"] = [
        {
            "OutsideIpAddress": tunnel.outside_ip,
            "TunnelInsideCidr": tunnel.inside_cidr,
            **_shown_key(state, connection, tunnel),
            **_as_described(tunnel.options),
        }
        for tunnel in connection.tunnels
    ]
    return options


def _shown_key(state: WorldState, connection: Connection, tunnel: TunnelState) -> Row:
    if connection.key_storage == "Standard":
        return {"PreSharedKey": tunnel.key}
    return {"PreSharedKey": REDACTED} if state.behaviour.redacted_keys_named else {}


def _as_described(options: Row) -> Row:
    """Return *options* with the names of an answer, which differ in case from a request's."""
    return {_DESCRIBED.get(name, name): value for name, value in options.items()}


_DESCRIBED = {option.requested: option.described for option in OPTIONS}


def _telemetry(state: WorldState, connection: Connection) -> list[Row]:
    if state.life(connection) not in {"available", "modifying"}:
        return []
    rows = []
    for number, tunnel in enumerate(connection.tunnels):
        reading = read_tunnel(state, connection, number)
        rows.append(
            {
                "OutsideIpAddress": tunnel.outside_ip,
                "Status": "UP" if reading.up else "DOWN",
                "StatusMessage": reading.message,
                "AcceptedRouteCount": reading.accepted,
                "LastStatusChange": reading.since,
            }
        )
    return sorted(rows, key=lambda row: _place(row["OutsideIpAddress"]))


@lru_cache(maxsize=1024)
def _place(address: str) -> bytes:
    """Return a sort key for tunnels: AWS's order is unknown, and not that of the numbers."""
    return sha256(address.encode()).digest()


def create_vpn_connection_route(state: WorldState, params: Params) -> Result:
    """CreateVpnConnectionRoute; adding a prefix twice has no effect."""
    connection = _routable(state, params)
    cidr = network(required(params, "DestinationCidrBlock"))
    present = connection.prefixes.get(cidr)
    if present and present.at(state.now) in LIVING:
        return {}
    living = [c for c, life in connection.prefixes.items() if life.at(state.now) in LIVING]
    if len(living) >= state.quotas.static_prefixes_per_connection:
        raise ApiError(
            "VpnConnectionRouteLimitExceeded",
            "The maximum number of static routes of the VPN connection has been reached.",
        )
    change = state.lasting(state.behaviour.prefix_change)
    life = Timeline()
    life.then(state.now, (timedelta(0), "pending"), (change, "available"))
    connection.prefixes[cidr] = life
    return {}


def delete_vpn_connection_route(state: WorldState, params: Params) -> Result:
    """DeleteVpnConnectionRoute."""
    connection = _routable(state, params)
    cidr = network(required(params, "DestinationCidrBlock"))
    life = connection.prefixes.get(cidr)
    if life is None or life.at(state.now) not in LIVING:
        raise ApiError("InvalidRoute.NotFound", f"The specified route {cidr} does not exist")
    life.then(
        state.now,
        (timedelta(0), "deleting"),
        (state.lasting(state.behaviour.prefix_change), "deleted"),
        (state.behaviour.deleted_lingers, GONE),
    )
    return {}


def _routable(state: WorldState, params: Params) -> Connection:
    connection = the_connection(state, required(params, "VpnConnectionId"))
    if state.life(connection) != "available":
        raise ApiError(
            "InvalidVpnConnection.InvalidState",
            f"The VPN connection {connection.id} must be in the available state",
        )
    if not connection.static_only:
        raise ApiError(
            "InvalidVpnConnection.InvalidType",
            f"The VPN connection {connection.id} does not support static routes",
        )
    return connection
