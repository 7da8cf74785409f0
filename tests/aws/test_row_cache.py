"""Rows that are read again only if they say something new."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import pytest

from vpnmigrate.aws.parse import connection_at_a_glance, gateway_record, table_record
from vpnmigrate.aws.row_cache import Memory
from vpnmigrate.rehearsal.simulation.topology import topology
from vpnmigrate.rehearsal.simulation.trial import setting_of
from vpnmigrate.sandbox.ec2.tunnels import CANARY

KINDS: Mapping[str, tuple[str, str, Callable[[Any], Any]]] = {
    "gateways": ("DescribeVpnGateways", "VpnGateways", gateway_record),
    "connections": ("DescribeVpnConnections", "VpnConnections", connection_at_a_glance),
    "tables": ("DescribeRouteTables", "RouteTables", table_record),
}
SECRET = "CustomerGatewayConfiguration"
"""A glance takes nothing from it."""


def rows_of(kind: str) -> list[Any]:
    """Return what a drawn world answers, as an EC2 would: made anew for every call."""
    action, name, _ = KINDS[kind]
    rows: list[Any] = setting_of(topology(4)).world().execute("ec2", action, {})[name]
    return deepcopy(rows)


def another(value: Any) -> Any:
    """Return something else of the same form."""
    match value:
        case str():
            return f"{value}-2"
        case bool() | int():
            return value + 1
        case list():
            return value[1:] if value else [{}]
        case dict():
            return {}
        case _:
            return None


@pytest.mark.parametrize("kind", KINDS)
def test_what_says_the_same_is_not_read_again(kind):
    """The records of equal rows are the very same ones, in whatever order the rows come."""
    remembered = getattr(Memory(), kind)
    first = remembered.read(rows_of(kind))
    again = remembered.read(rows_of(kind)[::-1])

    assert len(first) > 0
    assert all(one is other for one, other in zip(first, again, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_changes_in_a_row_is_read(kind):
    """After a change of any part of a row its record is that of a first reading."""
    read = KINDS[kind][2]
    for number, row in enumerate(rows_of(kind)):
        for key in row.keys() - {SECRET}:
            remembered = getattr(Memory(), kind)
            remembered.read(rows_of(kind))
            rows = rows_of(kind)
            rows[number][key] = another(rows[number][key])
            found = remembered.read(rows)
            assert sorted(found, key=repr) == sorted(map(read, rows), key=repr), key


def test_a_row_that_comes_back_is_read_afresh():
    """Only the look before is remembered, so that what has gone is forgotten."""
    remembered = Memory().gateways
    (row, *_) = rows_of("gateways")
    (first,) = remembered.read([row])
    remembered.read([])
    (again,) = remembered.read([row])

    assert again == first
    assert again is not first


def test_no_key_is_kept():
    """What is remembered of a connection has neither its options nor its configuration in it."""
    rows = rows_of("connections")
    assert CANARY in repr(rows)
    memory = Memory()
    memory.connections.read(rows)

    assert CANARY not in repr(vars(memory.connections))
