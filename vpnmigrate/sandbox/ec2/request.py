"""Requests: parameters, filters, resource lookup and pagination."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import translate
from functools import lru_cache
from ipaddress import ip_network
from re import Pattern
from re import compile as compile_pattern
from typing import Any, TypeVar

from vpnmigrate.sandbox.ec2.ids import (
    CONNECTION,
    CUSTOMER_GATEWAY,
    GATEWAY,
    ROUTE_TABLE,
    SUBNET,
    VPC,
    ApiError,
    ResourceKind,
    invalid_value,
    missing,
)
from vpnmigrate.sandbox.state import (
    Connection,
    CustomerGateway,
    Gateway,
    RouteTable,
    Subnet,
    TunnelState,
    Vpc,
    WorldState,
)

Params = Mapping[str, Any]

Result = dict[str, Any]

Row = dict[str, Any]


def required(params: Params, name: str) -> str:
    """Return the value of a required parameter."""
    value = params.get(name)
    if value in (None, ""):
        raise missing(name)
    return str(value)


@lru_cache(maxsize=65_536)
def network(text: str) -> str:
    """Return *text* as EC2 stores it: with the host bits cleared.

    Raises:
        ApiError: *text* is not a CIDR block.
    """
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        raise invalid_value(
            f"Value ({text}) for parameter destinationCidrBlock is invalid. "
            "This is not a valid CIDR block."
        ) from None


def page(
    rows: Sequence[Row], params: Params, key: str, *, bounds: tuple[int, int], size: int
) -> Result:
    """Return an answer with one page of *rows* under *key*.

    A page has at most *size* rows, even if a larger number within *bounds* was requested.

    Raises:
        ApiError: The page size or the token is invalid.
    """
    wanted = params.get("MaxResults")
    if wanted is not None and not bounds[0] <= int(wanted) <= bounds[1]:
        raise invalid_value(
            f"Value ( {wanted} ) for parameter maxResults is invalid. "
            f"Expecting a value between {bounds[0]} and {bounds[1]}."
        )
    start = _start(params.get("NextToken"), len(rows))
    end = start + min(size, int(wanted or size))
    answer: Result = {key: list(rows[start:end])}
    if end < len(rows):
        answer["NextToken"] = f"{_TOKEN}{end}"
    return answer


_TOKEN = "sandbox-page-"  # noqa: S105 - a page token opens nothing


def _start(token: str | None, total: int) -> int:
    if not token:
        return 0
    offset = token.removeprefix(_TOKEN)
    if not offset.isdecimal() or int(offset) > total:
        raise ApiError("InvalidPaginationToken", "The token is invalid")
    return int(offset)


Field = str | Callable[[Row], Iterable[str]]
"""A dotted path into a row, through lists as well, or a function of the row."""


def selected(rows: Iterable[Row], params: Params, fields: Mapping[str, Field]) -> list[Row]:
    """Return the rows that match every filter; one of a filter's values must match.

    Raises:
        ApiError: The operation has no such filter.
    """
    chosen = list(rows)
    for each in params.get("Filters") or ():
        name, patterns = each.get("Name", ""), each.get("Values") or ()
        read = _reader(name, fields)
        matches = [_pattern(text).fullmatch for text in patterns]
        chosen = [
            row for row in chosen if any(match(value) for value in read(row) for match in matches)
        ]
    return chosen


def _reader(name: str, fields: Mapping[str, Field]) -> Callable[[Row], Iterable[str]]:
    if name.startswith("tag:"):
        key = name.removeprefix("tag:")
        return lambda row: [t["Value"] for t in row.get("Tags", ()) if t["Key"] == key]
    field = "Tags.Key" if name == "tag-key" else fields.get(name)
    if field is None:
        raise invalid_value(f"The filter '{name}' is invalid")
    if callable(field):
        return field
    path = field.split(".")
    return lambda row: list(_values(row, path))


def _values(value: Any, path: Sequence[str]) -> Iterable[str]:
    if isinstance(value, list):
        for each in value:
            yield from _values(each, path)
    elif path:
        if path[0] in value:
            yield from _values(value[path[0]], path[1:])
    elif isinstance(value, bool):
        yield str(value).lower()
    else:
        yield str(value)


@lru_cache(maxsize=1024)
def _pattern(text: str) -> Pattern[str]:
    """Return a filter's value as a regular expression: only ``*`` and ``?`` are special."""
    return compile_pattern(translate(text.replace("[", "[[]")))


_T = TypeVar("_T")

_Living = TypeVar("_Living", Gateway, Connection, CustomerGateway, Vpc, Subnet)


def the_gateway(state: WorldState, identifier: str) -> Gateway:
    """Return a gateway that is not deleted."""
    return _living(state, state.gateways, identifier, GATEWAY)


def the_connection(state: WorldState, identifier: str) -> Connection:
    """Return a connection that is not deleted."""
    return _living(state, state.connections, identifier, CONNECTION)


def the_tunnel(connection: Connection, params: Params) -> TunnelState:
    """Return the tunnel of *connection* that the request names by its outside address."""
    outside = required(params, "VpnTunnelOutsideIpAddress")
    for tunnel in connection.tunnels:
        if tunnel.outside_ip == outside:
            return tunnel
    raise invalid_value(f"The VPN connection has no tunnel with the address {outside}.")


def the_customer_gateway(state: WorldState, identifier: str) -> CustomerGateway:
    """Return a customer gateway that is not deleted."""
    return _living(state, state.customer_gateways, identifier, CUSTOMER_GATEWAY)


def the_vpc(state: WorldState, identifier: str) -> Vpc:
    """Return a VPC."""
    return _living(state, state.vpcs, identifier, VPC)


def the_subnet(state: WorldState, identifier: str) -> Subnet:
    """Return a subnet."""
    return _living(state, state.subnets, identifier, SUBNET)


def the_table(state: WorldState, params: Params) -> RouteTable:
    """Return the route table that *params* name."""
    identifier = required(params, "RouteTableId")
    if identifier not in state.tables:
        raise ROUTE_TABLE.unknown(identifier)
    return state.tables[identifier]


def available_gateway(state: WorldState, identifier: str) -> Gateway:
    """Return a gateway in the state ``available``."""
    gateway = the_gateway(state, identifier)
    if state.life(gateway) != "available":
        raise ApiError(
            "InvalidVpnGatewayState",
            f"The virtual private gateway {identifier} is not in the available state",
        )
    return gateway


def asked_for(there: Mapping[str, _T], params: Params, name: str, kind: ResourceKind) -> list[_T]:
    """Return the resources of *there* whose ids *params* list under *name*, or all of them.

    Raises:
        ApiError: One of the ids does not exist.
    """
    wanted: Iterable[str] = params.get(name) or ()
    for identifier in wanted:
        if identifier not in there:
            raise kind.unknown(identifier)
    return [there[identifier] for identifier in (sorted(set(wanted)) or sorted(there))]


def _living(
    state: WorldState, things: Mapping[str, _Living], identifier: str, kind: ResourceKind
) -> _Living:
    thing = things.get(identifier)
    if thing is None or not state.is_there(thing) or state.life(thing) == "deleted":
        raise kind.unknown(identifier)
    return thing
