"""Route propagation: which tables take up a gateway's routes, and which routes that gives."""

from __future__ import annotations

from vpnmigrate.model.ec2 import PROPAGATED_ROUTE
from vpnmigrate.sandbox.apierror import ApiError, invalid_value
from vpnmigrate.sandbox.gateways import is_ready, not_ready
from vpnmigrate.sandbox.lookups import the_table
from vpnmigrate.sandbox.params import Params, Result, required
from vpnmigrate.sandbox.state import Connection, Gateway, Propagation, Route, RouteTable, State
from vpnmigrate.sandbox.tunnels import prefixes_of, read_tunnel


def enable_propagation(state: State, params: Params) -> Result:
    """EnableVgwRoutePropagation; one code stands for nearly every gateway it cannot take."""
    table = the_table(state, params)
    identifier = required(params, "GatewayId")
    gateway = state.gateways.get(identifier)
    if gateway is None or not is_ready(state, gateway, table.vpc):
        usual = ApiError(
            "Gateway.NotAttached", f"Gateway {identifier} is not attached to VPC {table.vpc}"
        )
        raise not_ready(state, gateway, table, usual)
    if any(tie.gateway for tie in table.tied(state.now)):
        raise invalid_value(f"Route table {table.id} is associated with a gateway")
    setting = _setting(state, table, identifier)
    if setting is None:
        table.propagations.append(Propagation(identifier, state.now))
    elif setting.since is None:
        setting.since = state.now
    return {}


def disable_propagation(state: State, params: Params) -> Result:
    """DisableVgwRoutePropagation; for a gateway that does not propagate it changes nothing."""
    table = the_table(state, params)
    identifier = required(params, "GatewayId")
    if identifier not in state.gateways:
        raise ApiError("Gateway.NotAttached", f"Gateway {identifier} is not attached")
    setting = _setting(state, table, identifier)
    if setting is not None:
        setting.until = state.now
    return {}


Brought = dict[str, set[str]]
"""Gateway to the prefixes that its connections bring now: the same for every table."""


def propagated_routes(
    state: State, table: RouteTable, brought: Brought | None = None
) -> list[Route]:
    """Work out the routes that *table* has from gateways now.

    What is worked out for all tables is kept in *brought*, which serves for one moment.
    """
    brought = {} if brought is None else brought
    routes: dict[tuple[str, str], Route] = {}
    for setting in table.propagating(state.now):
        gateway = state.gateways.get(setting.gateway)
        if gateway is None or setting.since is None:
            continue
        condition, destinations = _offer(state, table, gateway, setting, brought)
        for destination in destinations:
            routes[destination, gateway.id] = Route(
                destination, gateway.id, PROPAGATED_ROUTE, condition
            )
    return [routes[key] for key in sorted(routes)]


def _offer(
    state: State, table: RouteTable, gateway: Gateway, setting: Propagation, brought: Brought
) -> tuple[str, set[str]]:
    since = gateway.attached_since(state.now)
    if since is None or gateway.vpc(state.now) != table.vpc:
        if state.behaviour.propagated_routes_of_detached == "vanish":
            return "blackhole", set()
        had = [
            c
            for c in _ending_on(state, gateway)
            if state.devices.get(c.id) and state.devices[c.id].enabled
        ]
        return "blackhole", {p for c in had for p in prefixes_of(state, c)}
    settled = state.now - state.behaviour.propagation_delay
    if max(since, setting.since or since) > settled:
        return "active", set()
    if gateway.id not in brought:
        up = [c for c in _ending_on(state, gateway) if _was_up(state, c)]
        brought[gateway.id] = {p for c in up for p in prefixes_of(state, c)}
    return "active", brought[gateway.id]


def _ending_on(state: State, gateway: Gateway) -> list[Connection]:
    return [c for c in state.connections.values() if c.gateway == gateway.id]


def _was_up(state: State, connection: Connection) -> bool:
    """Tell whether a tunnel has been up for long enough to bring its routes."""
    settled = state.now - state.behaviour.propagation_delay
    readings = (read_tunnel(state, connection, n) for n in range(len(connection.tunnels)))
    return any(reading.up and reading.since <= settled for reading in readings)


def _setting(state: State, table: RouteTable, gateway: str) -> Propagation | None:
    return next((p for p in table.propagating(state.now) if p.gateway == gateway), None)
