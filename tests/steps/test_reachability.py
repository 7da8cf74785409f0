"""Destinations that must be reached after a cutover, from the tables before."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.support.builders import (
    BACK,
    BOTH,
    FORWARD,
    NEW,
    OLD,
    PREFIX,
    a_plan,
    a_snapshot,
    a_survey,
    a_table,
)
from vpnmigrate.model.facts import Goal, Propagation, RouteTarget, Switch
from vpnmigrate.model.snapshot import Baseline
from vpnmigrate.steps.reachability import ComparisonBasis, as_before, reachability


def the_routes(table, baseline):
    """Return the destinations that *table* must reach."""
    plan = a_plan(before=a_survey(route_tables=(table,)))
    return [route.destination for route in as_before(plan, baseline, table).routes]


def test_a_leftover_of_propagation_is_promised_to_nobody():
    """A propagated route in a table without propagation is not required."""
    leftover = replace(a_table(BOTH, propagates=OLD, learned=("10.9.0.0/16",)), propagating=())
    nothing_taken = Baseline(taken=a_survey().taken, tunnels_up={}, propagated={})

    assert leftover.propagated_from(OLD) == {"10.9.0.0/16"}
    assert "10.9.0.0/16" not in the_routes(leftover, nothing_taken)


def test_what_was_propagated_last_has_to_come_back():
    """A table with propagation must have the routes observed just before step 7."""
    taking = a_table(BOTH, propagates=OLD, learned=("10.9.0.0/16",))
    last = Baseline(
        taken=a_survey().taken, tunnels_up={}, propagated={BOTH: frozenset({"10.8.0.0/16"})}
    )

    assert "10.8.0.0/16" in the_routes(taking, last)
    assert "10.9.0.0/16" not in the_routes(taking, last)


WIDE = "10.0.0.0/8"
BESIDE = {"pl-1": "eni-1"}


def judged(now, *, before=BESIDE):
    """Return the differences of *now* from a table with PREFIX, a wider route and *before*."""
    held = a_table(BOTH, propagates=OLD, learned=[PREFIX], static={WIDE: OLD, **before})
    plan = a_plan(before=a_survey(route_tables=(held,)))
    observation = a_snapshot(old="detached", new="attached", tables=[now], up=2)
    return reachability(ComparisonBasis(plan, FORWARD, observation, plan.recorded_baseline))


def now_with(learned, static):
    """Return the table with routes to the new gateway."""
    return a_table(BOTH, propagates=NEW, learned=learned, static={WIDE: NEW, **static})


class TestPrefixLists:
    """Prefix lists with unknown entries."""

    def test_beside_the_same_routes_nothing_is_waited_for(self):
        """The list applies to the same addresses as before."""
        found = judged(now_with([PREFIX], BESIDE))

        assert (found.waiting, found.external, found.altered) == ((), (), ())

    def test_a_prefix_that_is_not_back_is_waited_for_though_a_wider_route_leads_there(self):
        """The list may be between the two and has another target: that is a difference."""
        (line,) = judged(now_with([], BESIDE)).waiting

        assert PREFIX in line
        assert "it may be in pl-1 (entries unknown)" in line

    @pytest.mark.parametrize("after", [{"pl-1": "eni-2"}, {}, {**BESIDE, "pl-2": "eni-2"}])
    def test_a_list_that_others_moved_added_or_removed_is_named_and_not_waited_for(self, after):
        """The step does not wait for the uncertain destination, but reports it."""
        found = judged(now_with([PREFIX], after))

        assert found.waiting == ()
        assert {row.destination for row in found.external} == {PREFIX, WIDE}
        assert all(row.unread for row in found.external)


STATIC = RouteTarget(BOTH, WIDE)
SETTING = Propagation(BOTH, OLD)


class TestStaleTables:
    """A table that may be stale is not compared, whatever was left out in the other direction."""

    @pytest.mark.parametrize("fact", [STATIC, SETTING])
    @pytest.mark.parametrize(
        ("left_out", "hidden"),
        [
            ({Goal(STATIC, NEW), Goal(SETTING, Switch.OFF)}, False),
            ({Goal(STATIC, OLD), Goal(SETTING, Switch.ON)}, True),
        ],
        ids=["of the other direction", "of this direction"],
    )
    def test_only_goals_of_this_direction_are_not_waited_for(self, fact, left_out, hidden):
        """Goals of the cutover do not hide that a rollback reads a stale table."""
        table = a_table(BOTH, propagates=OLD, learned=[PREFIX], static={WIDE: OLD})
        plan = a_plan(before=a_survey(route_tables=(table,)))
        now = replace(a_snapshot(tables=[table]), stale=frozenset({fact}))

        basis = ComparisonBasis(
            plan, BACK, now, plan.recorded_baseline, left_out=frozenset(left_out)
        )
        found = reachability(basis).waiting

        assert [each.startswith(f"the routes in {BOTH} are unknown") for each in found] == (
            [] if hidden else [True]
        )

    def test_a_route_that_only_a_stale_reading_shows_is_missing(self):
        """AWS refused the propagation of this rollback; the reading shows the route from before."""
        table = a_table(BOTH, propagates=OLD, learned=[PREFIX], static={WIDE: OLD})
        plan = a_plan(before=a_survey(route_tables=(table,)))
        left_out = frozenset({Goal(SETTING, Switch.ON)})

        def residual(stale):
            now = replace(a_snapshot(tables=[table]), stale=frozenset(stale))
            basis = ComparisonBasis(plan, BACK, now, plan.recorded_baseline, left_out=left_out)
            found = reachability(basis)
            assert not found.waiting
            return [(row.destination, row.after.leads_somewhere) for row in found.residual]

        assert residual({SETTING}) == [(PREFIX, False)]
        assert residual({}) == []
