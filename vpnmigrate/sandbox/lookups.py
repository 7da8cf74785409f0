"""Finding what a call names, with EC2's refusal where it is not there or not fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from vpnmigrate.sandbox.apierror import ApiError
from vpnmigrate.sandbox.ids import (
    CONNECTION,
    CUSTOMER_GATEWAY,
    GATEWAY,
    ROUTE_TABLE,
    SUBNET,
    VPC,
    Kind,
)
from vpnmigrate.sandbox.params import Params, required
from vpnmigrate.sandbox.state import (
    Connection,
    CustomerGateway,
    Gateway,
    RouteTable,
    State,
    Subnet,
    Vpc,
)

_T = TypeVar("_T")
_Living = TypeVar("_Living", Gateway, Connection, CustomerGateway, Vpc, Subnet)


def the_gateway(state: State, identifier: str) -> Gateway:
    """Give a gateway that is not deleted."""
    return _living(state, state.gateways, identifier, GATEWAY)


def the_connection(state: State, identifier: str) -> Connection:
    """Give a connection that is not deleted."""
    return _living(state, state.connections, identifier, CONNECTION)


def the_customer_gateway(state: State, identifier: str) -> CustomerGateway:
    """Give a customer gateway that is not deleted."""
    return _living(state, state.customer_gateways, identifier, CUSTOMER_GATEWAY)


def the_vpc(state: State, identifier: str) -> Vpc:
    """Give a VPC."""
    return _living(state, state.vpcs, identifier, VPC)


def the_subnet(state: State, identifier: str) -> Subnet:
    """Give a subnet."""
    return _living(state, state.subnets, identifier, SUBNET)


def the_table(state: State, params: Params) -> RouteTable:
    """Give the route table that *params* name."""
    identifier = required(params, "RouteTableId")
    if identifier not in state.tables:
        raise ROUTE_TABLE.unknown(identifier)
    return state.tables[identifier]


def available_gateway(state: State, identifier: str) -> Gateway:
    """Give a gateway that can be worked with."""
    gateway = the_gateway(state, identifier)
    if state.life(gateway) != "available":
        raise ApiError(
            "InvalidVpnGatewayState",
            f"The virtual private gateway {identifier} is not in the available state",
        )
    return gateway


def asked_for(there: Mapping[str, _T], params: Params, name: str, kind: Kind) -> list[_T]:
    """Give what is *there* under the ids that *params* list under *name*, or all of it.

    Raises:
        ApiError: One of the ids is not there.
    """
    wanted: Iterable[str] = params.get(name) or ()
    for identifier in wanted:
        if identifier not in there:
            raise kind.unknown(identifier)
    return [there[identifier] for identifier in (sorted(set(wanted)) or sorted(there))]


def _living(state: State, things: Mapping[str, _Living], identifier: str, kind: Kind) -> _Living:
    thing = things.get(identifier)
    if thing is None or not state.is_there(thing) or state.life(thing) == "deleted":
        raise kind.unknown(identifier)
    return thing
