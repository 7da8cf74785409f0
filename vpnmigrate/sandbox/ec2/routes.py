"""Routes: static routes and route propagation."""

from __future__ import annotations

from collections.abc import Container
from functools import lru_cache

from vpnmigrate.model.derived import derived
from vpnmigrate.model.ec2 import CREATED_ROUTE, FILTERED, LOCAL, PROPAGATED_ROUTE
from vpnmigrate.sandbox.ec2.gateways import is_ready, not_ready
from vpnmigrate.sandbox.ec2.ids import ApiError, invalid_value, missing
from vpnmigrate.sandbox.ec2.quotas import ROUTES_PER_TABLE
from vpnmigrate.sandbox.ec2.request import Params, Result, Row, network, required, the_table
from vpnmigrate.sandbox.ec2.tunnels import prefixes_of, read_tunnel
from vpnmigrate.sandbox.state import (
    Connection,
    DescribedRoutes,
    Gateway,
    PropagationSetting,
    Route,
    RouteTable,
    WorldState,
)

_DESTINATIONS = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")

TARGETS = {
    "igw-": "GatewayId",
    "vgw-": "GatewayId",
    "vpce-": "GatewayId",
    "nat-": "NatGatewayId",
    "eni-": "NetworkInterfaceId",
    "i-": "InstanceId",
    "pcx-": "VpcPeeringConnectionId",
    "tgw-": "TransitGatewayId",
    "eigw-": "EgressOnlyInternetGatewayId",
    "lgw-": "LocalGatewayId",
    "cagw-": "CarrierGatewayId",
    "arn:": "CoreNetworkArn",
}
"""Prefix of a target's id to the parameter for such a target."""

_TARGET_PARAMETERS = (*dict.fromkeys(TARGETS.values()), "VpcEndpointId")


def create_route(state: WorldState, params: Params) -> Result:
    """CreateRoute; a repeated route and a propagated duplicate are allowed."""
    table = the_table(state, params)
    destination, target = _destination(params), _target(state, table, params)
    present = _written(table, destination)
    if present and present.target == target:
        return {"Return": True}
    if present:
        raise ApiError(
            "RouteAlreadyExists", f"The route identified by {destination} already exists."
        )
    family = [r for r in table.routes if (":" in r.destination) == (":" in destination)]
    if len(family) >= ROUTES_PER_TABLE:
        raise ApiError(
            "RouteLimitExceeded", "The maximum number of routes of the table has been reached."
        )
    table.routes.append(Route(destination, target))
    return {"Return": True}


def replace_route(state: WorldState, params: Params) -> Result:
    """ReplaceRoute; atomic: at every time the route has the old target or the new one."""
    table = the_table(state, params)
    destination = _destination(params)
    route = _written(table, destination)
    if route is None or route.origin != CREATED_ROUTE:
        raise invalid_value(
            f"There is no route defined for '{destination}' in the route table. "
            "Use CreateRoute instead."
        )
    # What makes a black hole of a route to an attached gateway is outside the model, and stays.
    kept = route.state if route.target.startswith("vgw-") else "active"
    replaced = Route(destination, _target(state, table, params), state=kept)
    table.routes[table.routes.index(route)] = replaced
    return {}


def delete_route(state: WorldState, params: Params) -> Result:
    """DeleteRoute."""
    table = the_table(state, params)
    destination = _destination(params)
    route = _written(table, destination)
    if route is None:
        raise ApiError(
            "InvalidRoute.NotFound",
            f"no route with destination-cidr-block {destination} in route table {table.id}",
        )
    if route.target == LOCAL:
        raise invalid_value(f"cannot remove local route {destination} in route table {table.id}")
    table.routes.remove(route)
    return {}


def route_rows(state: WorldState, table: RouteTable, brought: Brought | None = None) -> list[Row]:
    """Return the static and propagated routes of *table* as in an answer of DescribeRouteTables.

    *brought* is that of ``propagated_routes``.  Until a route changes, it is the same list.
    """
    vpc, now = table.vpc, state.now
    attached = {id_ for id_, gateway in state.gateways.items() if gateway.vpc(now) == vpc}
    routes = [*table.routes, *propagated_routes(state, table, brought)]
    last = table.described
    if last is not None and last.attached == attached:
        if last.routes == routes:
            return last.rows
        # One route after another moves to another gateway; the others stay at their places.
        earlier = zip(last.routes, last.rows, strict=True)
        rows = [
            row if route is was else _row(route, _condition(route, attached))
            for route, (was, row) in zip(routes, earlier, strict=False)
        ]
    else:
        rows = []
    rows += [_row(route, _condition(route, attached)) for route in routes[len(rows) :]]
    table.described = DescribedRoutes(attached, routes, rows)
    return rows


@derived
def _row(route: Route, condition: str) -> Row:
    """Return the row of *route*, which all answers share; nearly all routes stay the same."""
    if route.destination.startswith("pl-"):
        name = "DestinationPrefixListId"
    elif ":" in route.destination:
        name = "DestinationIpv6CidrBlock"
    else:
        name = "DestinationCidrBlock"
    return {
        name: route.destination,
        _parameter(route.target): route.target,
        "Origin": route.origin,
        "State": condition,
    }


@lru_cache(maxsize=4096)
def _parameter(target: str) -> str:
    return next((TARGETS[p] for p in TARGETS if target.startswith(p)), "GatewayId")


def _condition(route: Route, attached: Container[str]) -> str:
    """Return a route's state: a route to a gateway that is not *attached* is a black hole."""
    settled = route.origin == PROPAGATED_ROUTE or route.state == FILTERED
    if settled or not route.target.startswith("vgw-"):
        return route.state
    return route.state if route.target in attached else "blackhole"


def _destination(params: Params) -> str:
    given = [name for name in _DESTINATIONS if params.get(name)]
    if not given:
        raise missing("DestinationCidrBlock")
    if len(given) > 1:
        raise ApiError(
            "InvalidParameterCombination", f"The parameters {', '.join(given)} exclude each other"
        )
    text = str(params[given[0]])
    if given[0] == "DestinationPrefixListId":
        return text
    canonical = network(text)
    if (":" in canonical) != (given[0] == "DestinationIpv6CidrBlock"):
        raise invalid_value(f"Value ({text}) for parameter {given[0]} is invalid.")
    return canonical


def _target(state: WorldState, table: RouteTable, params: Params) -> str:
    given = [str(params[name]) for name in _TARGET_PARAMETERS if params.get(name)]
    if len(given) != 1:
        raise (
            missing("GatewayId")
            if not given
            else ApiError("InvalidParameterCombination", "A route has one target")
        )
    target = given[0]
    gateway = state.gateways.get(target)
    if target.startswith("vgw-") and (gateway is None or not is_ready(state, gateway, table.vpc)):
        usual = ApiError("InvalidGatewayID.NotFound", f"The gateway ID '{target}' does not exist")
        raise not_ready(state, gateway, table, usual)
    return target


def _written(table: RouteTable, destination: str) -> Route | None:
    return next((r for r in table.routes if r.destination == destination), None)


def enable_propagation(state: WorldState, params: Params) -> Result:
    """EnableVgwRoutePropagation; almost every unsuitable gateway has the same error code."""
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
        table.propagations.append(PropagationSetting(identifier, state.now))
    elif setting.since is None:
        setting.since = state.now
    return {}


def disable_propagation(state: WorldState, params: Params) -> Result:
    """DisableVgwRoutePropagation; no effect for a gateway that does not propagate."""
    table = the_table(state, params)
    identifier = required(params, "GatewayId")
    if identifier not in state.gateways:
        raise ApiError("Gateway.NotAttached", f"Gateway {identifier} is not attached")
    setting = _setting(state, table, identifier)
    if setting is not None:
        setting.until = state.now
    return {}


Brought = dict[tuple[str, str], list[Route]]
"""Gateway and state to the routes that it propagates now: the same for every table."""


def propagated_routes(
    state: WorldState, table: RouteTable, brought: Brought | None = None
) -> list[Route]:
    """Return the propagated routes of *table* now.

    *brought* caches the values that all tables share, for one point in time.
    """
    brought = {} if brought is None else brought
    routes: list[Route] = []
    for setting in table.propagating(state.now):
        gateway = state.gateways.get(setting.gateway)
        if gateway is None or setting.since is None:
            continue
        routes += _offered(state, table, gateway, setting, brought)
    if len(table.propagations) > 1:
        routes.sort(key=lambda route: (route.destination, route.target))
    return routes


def _offered(
    state: WorldState,
    table: RouteTable,
    gateway: Gateway,
    setting: PropagationSetting,
    brought: Brought,
) -> list[Route]:
    since = gateway.attached_since(state.now)
    if since is None or gateway.vpc(state.now) != table.vpc:
        if state.behaviour.propagated_routes_of_detached == "vanish":
            return []
        condition, enough = "blackhole", _had_tunnels
    else:
        settled = state.now - state.behaviour.propagation_delay
        if max(since, setting.since or since) > settled:
            return []
        condition, enough = "active", _was_up
    key = gateway.id, condition
    if key not in brought:
        using = [c for c in _ending_on(state, gateway) if enough(state, c)]
        prefixes = {p for c in using for p in prefixes_of(state, c)}
        brought[key] = [_propagated(p, gateway.id, condition) for p in sorted(prefixes)]
    return brought[key]


@lru_cache(maxsize=65_536)
def _propagated(destination: str, gateway: str, condition: str) -> Route:
    """Return a propagated route, which is the same object in every table and answer."""
    return Route(destination, gateway, PROPAGATED_ROUTE, condition)


def _had_tunnels(state: WorldState, connection: Connection) -> bool:
    """Return whether a device of *connection* ever had a tunnel enabled."""
    device = state.devices.get(connection.id)
    return device is not None and bool(device.enabled)


def _ending_on(state: WorldState, gateway: Gateway) -> list[Connection]:
    return [c for c in state.connections.values() if c.gateway == gateway.id]


def _was_up(state: WorldState, connection: Connection) -> bool:
    """Return whether a tunnel has been up for long enough for its routes to appear."""
    settled = state.now - state.behaviour.propagation_delay
    readings = (read_tunnel(state, connection, n) for n in range(len(connection.tunnels)))
    return any(reading.up and reading.since <= settled for reading in readings)


def _setting(state: WorldState, table: RouteTable, gateway: str) -> PropagationSetting | None:
    return next((p for p in table.propagating(state.now) if p.gateway == gateway), None)
