"""Derived values: once per record and arguments, and never in what a record is."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from tests.support.builders import OLD, a_table
from vpnmigrate.model.derived import ByIdentity, derived
from vpnmigrate.model.ec2 import RouteTableRecord

made: list[tuple[str, str]] = []


@derived
def named(table: RouteTableRecord, gateway: str) -> str:
    """Return a value, and note that it was computed."""
    made.append((table.id, gateway))
    return f"{table.id} {gateway}"


def test_a_value_is_computed_once_for_a_record_and_its_arguments():
    """Other arguments have another value, and an equal record has its own."""
    made.clear()
    table, equal = a_table("rtb-1"), a_table("rtb-1")

    values = [named(table, OLD), named(table, OLD), named(table, "vgw-2"), named(equal, OLD)]

    assert values == [f"rtb-1 {OLD}", f"rtb-1 {OLD}", "rtb-1 vgw-2", f"rtb-1 {OLD}"]
    assert made == [("rtb-1", OLD), ("rtb-1", "vgw-2"), ("rtb-1", OLD)]


def test_a_changed_record_has_values_of_its_own():
    """A copy with another field takes no value along."""
    table = a_table("rtb-1", static={"10.1.0.0/16": OLD})
    assert [route.destination for route in table.static_routes_to(OLD)] == ["10.1.0.0/16"]

    assert replace(table, routes=()).static_routes_to(OLD) == ()
    assert named(replace(table, id="rtb-2"), OLD) == f"rtb-2 {OLD}"


def test_values_are_no_part_of_the_record():
    """Equality and JSON are those of a record that nothing was asked of."""
    table, fresh = a_table("rtb-1"), a_table("rtb-1")
    named(table, OLD)

    assert table == fresh
    assert msgspec.json.encode(table) == msgspec.json.encode(fresh)


def test_an_identity_equals_itself_alone():
    """Equal objects are two identities."""
    table = a_table("rtb-1")

    assert ByIdentity(table) == ByIdentity(table)
    assert hash(ByIdentity(table)) == hash(ByIdentity(table))
    assert ByIdentity(table) != ByIdentity(a_table("rtb-1"))
