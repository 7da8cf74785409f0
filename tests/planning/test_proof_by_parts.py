"""The proof in parts finds what a walk over whole worlds finds, and takes linear time."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

import pytest
from msgspec.structs import replace

from tests.support.builders import OLD, a_connection, a_customer_gateway, a_plan, a_survey, a_table
from tests.support.counts import share
from tests.support.large import Size, large_survey
from vpnmigrate.model.changes import (
    AssociateEdge,
    Change,
    CreateRoute,
    DisassociateEdge,
    EnablePropagation,
    ReplaceRoute,
)
from vpnmigrate.model.decisions import Decisions, OldTunnels, TestVpc
from vpnmigrate.model.ec2 import RouteTableId, RouteTableRecord
from vpnmigrate.model.plan import Plan
from vpnmigrate.planning.rollback_proof import example_of, halves, prove
from vpnmigrate.planning.rollback_walk import BACK, SHOWN, walk
from vpnmigrate.steps.base import Met, NotYet, Step
from vpnmigrate.steps.s09_restore_routing import RestoreRouting
from vpnmigrate.steps.sequences import FORWARD

DRAWN = 1000
"""Number of drawn worlds; an ordinary run compares one in 25."""


class _Neglecting(RestoreRouting):
    """A faulty step 9 without those changes that ``neglects`` names."""

    def neglects(self, view, change) -> bool:
        raise NotImplementedError

    def _kept(self, view):
        return [c for c in super().missing_changes(view) if not self.neglects(view, c)]

    def missing_changes(self, view):
        yield from self._kept(view)

    def verify(self, view):
        return NotYet("routing is missing") if self._kept(view) else Met()


class WithoutLastTable(_Neglecting):
    """It forgets the last route table."""

    def neglects(self, view, change):
        return change.table == view.plan.before.route_tables[-1].id


class WithoutLastOfMany(_Neglecting):
    """It forgets the last route table if there is another one."""

    def neglects(self, view, change):
        tables = view.plan.before.route_tables
        return len(tables) > 1 and change.table == tables[-1].id


class WithoutEdge(_Neglecting):
    """It forgets that an edge table needs its association."""

    def neglects(self, view, change):
        return isinstance(change, AssociateEdge)


class WithoutOldEdge(_Neglecting):
    """It leaves the association with the other gateway."""

    def neglects(self, view, change):
        return isinstance(change, DisassociateEdge)


class OneKindOfRoute(_Neglecting):
    """It takes a table with propagation for one without static routes."""

    def neglects(self, view, change):
        propagates = {table.id for table in view.plan.propagating_tables}
        return isinstance(change, ReplaceRoute | CreateRoute) and change.table in propagates


class WithoutPropagation(_Neglecting):
    """It enables no propagation."""

    def neglects(self, view, change):
        return isinstance(change, EnablePropagation)


class OnlyNamed(_Neglecting):
    """It forgets one table by its id."""

    def __init__(self, table: str) -> None:
        self.table = table

    def neglects(self, view, change):
        return change.table == self.table


class OnlyFirst(_Neglecting):
    """It changes the first route table only."""

    def neglects(self, view, change):
        return change.table != view.plan.before.route_tables[0].id


class OnlyOneRoute(OnlyNamed):
    """It forgets one route of one table."""

    def neglects(self, view, change):
        routes = view.plan.before.route_tables
        mine = next((t for t in routes if t.id == self.table), None)
        last = mine.routes[-1].destination if mine and mine.routes else ""
        return change.table == self.table and getattr(change, "destination", "") == last


class OnlyOnceOthersMoved(OnlyNamed):
    """It forgets one route of one table, but only once the table's other routes are moved.

    Without an interruption the table's routes are proposed together, and none is forgotten.
    """

    def neglects(self, view, change):
        if change.table != self.table or not isinstance(change, ReplaceRoute):
            return False
        table = next(t for t in view.plan.before.route_tables if t.id == self.table)
        places = [route.destination for route in table.static_routes_to(OLD)]
        after = places[(places.index(change.destination) + 1) % len(places)]
        return view.now.route(self.table, after) == view.swap.joining


PLANTED = (
    WithoutLastTable,
    WithoutLastOfMany,
    WithoutEdge,
    WithoutOldEdge,
    OneKindOfRoute,
    WithoutPropagation,
)


def planted_in(steps: Iterable[Step], fault: Step) -> tuple[Step, ...]:
    """Return *steps* with *fault* instead of step 9."""
    return tuple(fault if isinstance(each, RestoreRouting) else each for each in steps)


def drawn_table(random: Random, number: int) -> RouteTableRecord:
    """Return a table of any kind, with up to five routes to the gateway."""
    name = f"rtb-{number}"
    if random.random() < 0.2:
        return a_table(name, edge_of=OLD)
    propagates = OLD if random.random() < 0.6 else None
    networks = [f"172.16.{n}.0/24" for n in range(4)] + ["2001:db8::/32", "pl-1"]
    static = random.sample(networks, random.randrange(4))
    return a_table(
        name,
        main=number == 0,
        propagates=propagates,
        learned=["10.1.0.0/16", "10.2.0.0/16"][: random.randrange(3)] if propagates else (),
        static={**dict.fromkeys(static, OLD), "100.64.0.0/24": "nat-1"},
        dead=[name for name in static if random.random() < 0.2],
    )


def refers_to_the_gateway(table: RouteTableRecord) -> bool:
    """Return whether a cutover changes *table*."""
    return bool(table.propagating or table.static_routes_to(OLD) or table.edge_of(OLD))


def drawn_plan(random: Random) -> Plan:
    """Return a plan with up to five tables and three connections."""
    edges = 0
    tables = []
    for number in range(random.randrange(6)):
        table = drawn_table(random, number)
        edges += table.edge_of(OLD) is not None
        if edges < 2 or table.edge_of(OLD) is None:
            tables.append(table)
    while tables and not refers_to_the_gateway(tables[-1]):
        tables.pop()  # a fault of the last table needs one that the plan changes
    count = random.choice((1, 1, 1, 2, 3))
    connections = tuple(
        a_connection(
            f"vpn-{number}",
            customer_gateway=f"cgw-{number}",
            prefixes=None if random.random() < 0.6 else ["192.168.1.0/24", "192.168.2.0/24"],
            up=random.choice((0, 1, 2, 2)),
        )
        for number in range(count)
    )
    survey = a_survey(
        connections=connections,
        customer_gateways=tuple(a_customer_gateway(f"cgw-{n}") for n in range(count)),
        route_tables=tuple(tables),
    )
    decisions = random.choice(
        (
            Decisions(),
            Decisions(),
            Decisions(old_tunnels=OldTunnels.LEAVE),
            Decisions(test_vpc=TestVpc("172.31.0.0/24")),
        )
    )
    return a_plan(before=survey, decisions=decisions)


@pytest.mark.parametrize("seed", share(range(DRAWN), one_in=50))
def test_the_parts_agree_with_a_walk_over_whole_worlds(seed):
    """Proof and walk agree about dead ends and the longest ways, with and without a fault."""
    random = Random(seed)
    plan = drawn_plan(random)
    forward, back = FORWARD, BACK
    if random.random() < 0.5:
        fault = random.choice(PLANTED)()
        where = random.choice(("forward", "back", "both"))
        forward = FORWARD if where == "back" else planted_in(FORWARD, fault)
        back = BACK if where == "forward" else planted_in(BACK, fault)

    proof, whole = prove(plan, forward, back), walk(plan, forward, back)

    assert proof.holds == whole.holds, (proof.dead_ends, whole.dead_ends)
    if whole.holds:
        for ours, theirs in ((proof.back, whole.back), (proof.forward, whole.forward)):
            assert (ours.changes, ours.cutover) == (theirs.changes, theirs.cutover)
        assert proof.back.begins == whole.back.begins


MANY = Size(connections=2, tables=12, propagated=3, static=6, others=2)


def many_tables() -> Plan:
    """Return a plan with twelve tables of one kind and an edge table in their middle."""
    survey = large_survey(MANY)
    first, last = survey.route_tables[:6], survey.route_tables[6:]
    tables = (*first, a_table("rtb-00005a", edge_of=OLD), *last)
    return a_plan(before=replace(survey, route_tables=tables))


@pytest.mark.parametrize("way", ["forward", "back"])
@pytest.mark.parametrize(
    "fault",
    [
        *(kind() for kind in PLANTED),
        OnlyNamed("rtb-00007"),
        OnlyOneRoute("rtb-00009"),
        OnlyOnceOthersMoved("rtb-00010"),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_a_dead_end_in_any_part_and_in_what_joins_them_is_found(fault, way):
    """A fault of one table, one route, the edge or only of many tables is a dead end."""
    plan = many_tables()
    forward = planted_in(FORWARD, fault) if way == "forward" else FORWARD
    back = planted_in(BACK, fault) if way == "back" else BACK

    proof = prove(plan, forward, back)

    assert not proof.holds


def test_half_of_the_changes_are_every_second_one_of_each_table():
    """A table with one change has it in the first half; without a half, there is only the whole."""
    one, two = RouteTableId("rtb-1"), RouteTableId("rtb-2")
    first: list[Change] = [ReplaceRoute(one, f"10.{number}.0.0/16", OLD) for number in range(3)]
    second: list[Change] = [EnablePropagation(two, OLD), ReplaceRoute(two, "10.9.0.0/16", OLD)]

    whole, odd, even = halves([*first, *second])

    assert whole == [*first, *second]
    assert odd == [first[0], first[2], second[0]]
    assert even == [first[1], second[1]]
    assert list(halves(first[:1])) == [first[:1]]


def test_a_dead_end_names_few_of_many_parts():
    """A fault in eleven tables does not fill the screen."""
    plan = a_plan(before=large_survey(MANY))

    proof = prove(plan, planted_in(FORWARD, OnlyFirst()), BACK)

    assert not proof.holds
    assert all(len(end.why.split("; ")) == SHOWN + 1 for end in proof.dead_ends)
    assert all(end.why.endswith(" more") for end in proof.dead_ends)


def test_the_longest_way_counts_every_table_and_route():
    """The examples stand for all tables: the number of changes is the one of the whole plan."""
    plan = many_tables()

    proof = prove(plan)

    assert proof.holds, proof.dead_ends
    assert len(example_of(plan).plan.before.route_tables) == 2
    # Of each table: propagation off and on, and its static routes; of the edge table: off and on.
    tables = MANY.tables * (2 + MANY.static) + 2
    without = prove(a_plan(before=replace(plan.before, route_tables=())))
    assert proof.back.changes == without.back.changes + tables
    assert proof.forward.changes == without.forward.changes + tables


def test_the_number_of_states_is_linear_to_the_tables_and_independent_of_their_routes():
    """Each further table adds the same number of states, however many routes it has."""
    few, more, most = (
        prove(a_plan(before=large_survey(replace(MANY, tables=count, static=static)))).states
        for count, static in ((4, 6), (8, 6), (8, 60))
    )
    one = prove(a_plan(before=large_survey(replace(MANY, tables=1)))).states

    assert (more - few) % 4 == 0
    assert more - few < 4 * 60
    assert few - one < 4 * 60
    assert most == more


def test_a_state_is_observed_once():
    """A walk verifies step 9 at most twice for each state."""

    class Counting(RestoreRouting):
        def __init__(self) -> None:
            self.verified = 0

        def verify(self, view):
            self.verified += 1
            return super().verify(view)

    step = Counting()
    plan = a_plan()
    proof = walk(plan, planted_in(FORWARD, step), planted_in(BACK, step))

    assert proof.holds
    assert step.verified <= proof.states * 2
