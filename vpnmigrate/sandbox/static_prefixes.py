"""Static prefixes of VPN connections: what they route to the device without BGP."""

from __future__ import annotations

from datetime import timedelta

from vpnmigrate.sandbox.apierror import ApiError
from vpnmigrate.sandbox.lookups import the_connection
from vpnmigrate.sandbox.params import Params, Result, network, required
from vpnmigrate.sandbox.state import LIVING, Connection, State
from vpnmigrate.sandbox.timeline import GONE, Timeline


def create_vpn_connection_route(state: State, params: Params) -> Result:
    """CreateVpnConnectionRoute; adding a prefix twice changes nothing."""
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


def delete_vpn_connection_route(state: State, params: Params) -> Result:
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


def _routable(state: State, params: Params) -> Connection:
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
