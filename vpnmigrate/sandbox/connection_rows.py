"""VPN connections as describes show them: telemetry, options, configuration and keys."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256

from vpnmigrate.model.ec2 import CLASSIC
from vpnmigrate.sandbox.configuration_xml import customer_gateway_configuration
from vpnmigrate.sandbox.filters import Field, selected
from vpnmigrate.sandbox.ids import CONNECTION
from vpnmigrate.sandbox.lookups import asked_for
from vpnmigrate.sandbox.params import Params, Result, Row
from vpnmigrate.sandbox.state import LIVING, Connection, State
from vpnmigrate.sandbox.tags import tag_rows
from vpnmigrate.sandbox.tunnels import read_tunnel

_ELSEWHERE = {"tgw-": "TransitGatewayId", "arn:": "CoreNetworkArn"}


def describe_vpn_connections(state: State, params: Params) -> Result:
    """DescribeVpnConnections; it has no pages, and shows keys to whoever may call it."""
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


def connection_row(state: State, connection: Connection, *, configuration: bool) -> Row:
    """Give *connection* as answers show it, with its *configuration* or without."""
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


def _options(state: State, connection: Connection) -> Row:
    options: Row = {
        "EnableAcceleration": False,
        "StaticRoutesOnly": connection.static_only,
        "LocalIpv4NetworkCidr": "0.0.0.0/0",
        "RemoteIpv4NetworkCidr": "0.0.0.0/0",
        "TunnelInsideIpVersion": "ipv4",
    }
    if connection.category == CLASSIC and not state.behaviour.classic_tunnel_options_listed:
        return options
    shown = connection.key_storage == "Standard"
    options["TunnelOptions"] = [
        {
            "OutsideIpAddress": tunnel.outside_ip,
            "TunnelInsideCidr": tunnel.inside_cidr,
            **({"PreSharedKey": tunnel.key} if shown else {}),
            **_as_described(tunnel.options),
        }
        for tunnel in connection.tunnels
    ]
    return options


def _as_described(options: Row) -> Row:
    """Turn the names of a request into those of an answer, which differ in case."""
    return {_DESCRIBED.get(name, name): value for name, value in options.items()}


_DESCRIBED = {
    "IKEVersions": "IkeVersions",
    "DPDTimeoutSeconds": "DpdTimeoutSeconds",
    "DPDTimeoutAction": "DpdTimeoutAction",
}


def _telemetry(state: State, connection: Connection) -> list[Row]:
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
    """Give a place among tunnels: AWS sorts by its own lights, and never by number."""
    return sha256(address.encode()).digest()
