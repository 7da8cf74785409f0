"""What has to be reached again after a cutover, judged from the tables before."""

from __future__ import annotations

from msgspec.structs import replace

from tests.builders import BOTH, OLD, a_plan, a_survey, a_table
from vpnmigrate.snapshot import Baseline
from vpnmigrate.steps.reach import as_before


def the_routes(table, baseline):
    """Give the destinations that *table* is held to."""
    plan = a_plan(before=a_survey(route_tables=(table,)))
    return [route.destination for route in as_before(plan, baseline, table).routes]


def test_a_leftover_of_propagation_is_promised_to_nobody():
    """A propagated route in a table that takes up nothing is about to vanish, and is not missed."""
    leftover = replace(a_table(BOTH, propagates=OLD, learned=("10.9.0.0/16",)), propagating=())
    nothing_taken = Baseline(taken=a_survey().taken, tunnels_up={}, propagated={})

    assert leftover.propagated_from(OLD) == {"10.9.0.0/16"}
    assert "10.9.0.0/16" not in the_routes(leftover, nothing_taken)


def test_what_was_propagated_last_has_to_come_back():
    """A table that takes up routes is held to those of the last look before step 7."""
    taking = a_table(BOTH, propagates=OLD, learned=("10.9.0.0/16",))
    last = Baseline(
        taken=a_survey().taken, tunnels_up={}, propagated={BOTH: frozenset({"10.8.0.0/16"})}
    )

    assert "10.8.0.0/16" in the_routes(taking, last)
    assert "10.9.0.0/16" not in the_routes(taking, last)
