"""Destinations that are waited for, changed externally, or altered besides the cutover."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.support.builders import (
    BOTH,
    FORWARD,
    MAIN,
    NEW,
    OLD,
    PREFIX,
    a_plan,
    a_snapshot,
    a_survey,
    a_table,
    ordinary_tables,
)
from vpnmigrate.model.decisions import Decisions, Exceptions
from vpnmigrate.model.ec2 import RouteTableId
from vpnmigrate.model.facts import UNKNOWN, Existence, Propagation, RouteTarget, Switch
from vpnmigrate.model.snapshot import JournalFacts
from vpnmigrate.steps.base import StepInput
from vpnmigrate.steps.reachability import (
    ComparisonBasis,
    Reachability,
    reachability,
    waiting_by_table,
)
from vpnmigrate.steps.traffic import missing_in_brief

STATIC = "192.168.0.0/16"


def reached(tables, *, swap=FORWARD, plan=None, baseline=None, incomplete=False, **observation):
    """Return the comparison of *tables* with those of the ordinary plan."""
    plan = plan or a_plan()
    now = a_snapshot(old="detached", new="attached", tables=tables, **observation)
    before = baseline or plan.recorded_baseline
    basis = ComparisonBasis(plan, swap, now, before, incomplete=incomplete)
    found = reachability(basis)
    assert tuple(each for table in waiting_by_table(basis) for each in table) == found.waiting
    return found


def lines(rows):
    return [str(row) for row in rows]


class TestReach:
    """Each destination that differs from before is waited for, taken, or altered."""

    def test_all_is_as_before(self):
        """If every table leads to the joining gateway nothing is reported."""
        assert reached(ordinary_tables(NEW)) == Reachability()

    def test_what_the_cutover_still_brings_is_waited_for(self):
        """A static route to the leaving gateway and a prefix not propagated yet are waited for."""
        late = (a_table(BOTH, propagates=NEW, static={STATIC: OLD}), ordinary_tables(NEW)[1])

        assert reached(late) == Reachability(
            (
                f"rtb-both: {PREFIX} went to vgw-old before and goes to nothing now",
                f"rtb-both: {STATIC} went to vgw-old before and goes to vgw-old now",
            )
        )

    def test_a_route_that_others_moved_is_taken(self):
        """A static route to neither gateway is an external change."""
        moved = (
            a_table(BOTH, propagates=NEW, learned=[PREFIX], static={STATIC: "eni-9"}),
            ordinary_tables(NEW)[1],
        )

        found = reached(moved)

        assert lines(found.external) == [
            f"rtb-both: {STATIC} went to vgw-old before and goes to eni-9 now"
        ]
        assert (found.waiting, found.altered) == ((), ())

    def test_a_new_route_inside_a_propagated_prefix_takes_its_part(self):
        """A longer external prefix decides for its part, and the rest is as before."""
        part = (
            ordinary_tables(NEW)[0],
            a_table(MAIN, propagates=NEW, learned=[PREFIX], static={"10.1.1.0/24": "eni-9"}),
        )

        assert lines(reached(part).external) == [
            "rtb-main: 10.1.1.0/24 went to vgw-old before and goes to eni-9 now"
        ]

    def test_propagation_that_others_switched_off_takes_what_it_brought(self):
        """Propagated prefixes removed externally are not waited for; static routes are."""
        off = (a_table(BOTH, static={STATIC: OLD}), ordinary_tables(NEW)[1])

        found = reached(off, foreign=[Propagation(BOTH, NEW)])

        assert lines(found.external) == [
            f"rtb-both: {PREFIX} went to vgw-old before and goes to nothing now"
        ]
        assert found.waiting == (
            f"rtb-both: {STATIC} went to vgw-old before and goes to vgw-old now",
        )

    def test_with_a_lost_connection_no_propagated_prefix_is_waited_for(self):
        """The prefixes of a deleted connection are unknown."""
        bare = (a_table(BOTH, propagates=NEW, static={STATIC: NEW}), ordinary_tables(NEW)[1])

        found = reached(bare, incomplete=True)

        assert (len(found.external), found.waiting) == (1, ())

    def test_other_paths_that_lead_elsewhere_now_are_altered(self):
        """A changed route that never led to the gateway is reported, and never waited for."""
        mine, other = ordinary_tables(NEW)
        before = a_survey(
            route_tables=(
                a_table(
                    BOTH,
                    propagates=OLD,
                    learned=[PREFIX],
                    static={STATIC: OLD, "0.0.0.0/0": "igw-1"},
                ),
                ordinary_tables()[1],
            )
        )
        mine = a_table(
            BOTH,
            propagates=NEW,
            learned=[PREFIX],
            static={STATIC: NEW, "0.0.0.0/0": "nat-1", "2001:db8::/32": "eni-9"},
        )

        found = reached((mine, other), plan=a_plan(before=before))

        assert lines(found.altered) == [
            "rtb-both: 0.0.0.0/0 went to igw-1 before and goes to nat-1 now"
        ]
        assert (found.waiting, found.external) == ((), ())

    def test_propagation_that_is_not_seen_yet_is_waited_for_first(self):
        """Until propagation is visible, its routes are not compared."""
        off = (a_table(BOTH, static={STATIC: NEW}), ordinary_tables(NEW)[1])

        assert reached(off).waiting == ("propagation from vgw-new in rtb-both is not visible yet",)

    @pytest.mark.parametrize("fact", [RouteTarget(BOTH, STATIC), Propagation(BOTH, NEW)])
    def test_what_cannot_be_believed_is_waited_for(self, fact):
        """With a stale or unknown reading of a table none of its routes is compared."""
        stale = a_snapshot(old="detached", new="attached", tables=ordinary_tables(NEW))
        stale = replace(stale, stale=frozenset({fact}))
        doubt = ("the routes in rtb-both are unknown: the last reading may be stale",)

        plan = a_plan()
        basis = ComparisonBasis(plan, FORWARD, stale, plan.recorded_baseline)
        assert reachability(basis).waiting == doubt

    def test_an_unknown_route_is_not_judged(self):
        """A route whose target is in doubt is not compared."""
        found = reached(ordinary_tables(NEW), facts={RouteTarget(BOTH, STATIC): UNKNOWN})

        assert found.waiting == (
            "the routes in rtb-both are unknown: the last reading may be stale",
        )

    def test_a_table_that_is_gone_is_left_to_step_9(self):
        """A deleted table is reported by step 9, not here."""
        assert reached(ordinary_tables(NEW)[1:]) == Reachability()

    def test_a_table_that_is_not_listed_for_now_is_not_judged(self):
        """A table in an unknown state that is not listed is not compared."""
        hidden = {
            Existence(BOTH): UNKNOWN,
            Propagation(BOTH, NEW): Switch.ON,
            RouteTarget(BOTH, STATIC): NEW,
        }

        assert reached(ordinary_tables(NEW)[1:], facts=hidden) == Reachability()


class TestExcepted:
    """The playbook's exceptions apply unless a longer prefix decides."""

    @pytest.mark.parametrize(
        ("exceptions", "waited"),
        [
            ((STATIC,), 0),
            (("192.168.0.0/15",), 1),
            (("192.168.0.0/17",), 1),
            (("0.0.0.0/0",), 1),
            (("2001:db8::/32", "pl-1"), 1),
            (("192.168.0.0/17", "192.168.128.0/17"), 1),
        ],
    )
    def test_an_exception_counts_like_a_route_of_its_length(self, exceptions, waited):
        """An exception must be at least as long as the route and contain all of it."""
        plan = a_plan(decisions=Decisions(exceptions=Exceptions(prefixes=exceptions)))
        late = (
            a_table(BOTH, propagates=NEW, learned=[PREFIX], static={STATIC: OLD}),
            ordinary_tables(NEW)[1],
        )

        assert len(reached(late, plan=plan).waiting) == waited

    def test_what_led_nowhere_before_needs_no_exception(self):
        """A destination added since had no route before, and is not required."""
        plan = a_plan(decisions=Decisions(exceptions=Exceptions(prefixes=("10.8.0.0/15",))))
        both, main = ordinary_tables(NEW)
        added = a_table(MAIN, propagates=NEW, learned=[PREFIX], static={"10.9.0.0/16": "eni-9"})

        assert (
            reached((both, main), plan=plan) == reached((both, added), plan=plan) == Reachability()
        )

    def test_a_prefix_list_is_excepted_by_its_name(self):
        """A prefix list is excepted only by its id."""
        before = a_survey(route_tables=(a_table(BOTH, static={"pl-1": OLD}),))
        still = (a_table(BOTH, static={"pl-1": OLD}),)

        for named, waited in (("pl-1", 0), ("0.0.0.0/0", 1)):
            decisions = Decisions(exceptions=Exceptions(prefixes=(named,)))
            plan = a_plan(before=before, decisions=decisions)
            assert len(reached(still, plan=plan).waiting) == waited


class TestOutage:
    """In the outage only what decides whether traffic flows is compared."""

    @pytest.mark.parametrize(
        ("up", "tables", "compared"),
        [
            (0, 3, ()),  # Without a tunnel.
            (2, 3, (MAIN, BOTH)),
            (2, 1, (BOTH,)),
        ],
    )
    def test_two_tables_that_differ_are_enough(self, up, tables, compared):
        """A table keeps what was derived from it, so a table that was not compared has no more."""
        before = ordinary_tables(OLD)
        survey = a_survey(route_tables=(*before, replace(before[0], id=RouteTableId("rtb-third"))))
        plan = a_plan(before=survey)
        bare = [
            replace(each, routes=(), propagating=(NEW,)) for each in survey.route_tables[:tables]
        ]
        now = a_snapshot(old="detached", new="attached", tables=bare, up=up)
        read = {table.id: len(table.__dict__) for table in now.tables.values()}

        why = missing_in_brief(StepInput(plan, FORWARD, now, JournalFacts()))

        assert why
        known = {table.id for table in now.tables.values() if len(table.__dict__) > read[table.id]}
        assert known == set(compared)
