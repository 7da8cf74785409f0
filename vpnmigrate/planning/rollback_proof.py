"""Rollback proof: a plan is proven in parts, in time linear to its route tables.

A walk over whole worlds (``rollback_walk``) has a state for every change of every table, and each
state has every table.  But the steps treat tables and their routes alike, and none depends on
another (``steps.base``: the changes of one proposal are independent).  So three parts suffice:

- the order of the steps: a walk over all gateways and connections, with one example table of each
  kind, which has one or two routes of each kind;
- every table and route by name: a walk over steps 7 to 9 with all other tables at once, in which
  half of the changes of each one may be made;
- the join of both: on the whole world, the steps must make the changes of both walks.

``docs/decisions/0038`` has the reasons; tests compare with walks over whole small worlds.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from vpnmigrate.model.changes import (
    AddStaticPrefix,
    Change,
    CreateRoute,
    ReplaceRoute,
    TableChange,
)
from vpnmigrate.model.ec2 import (
    PROPAGATED_ROUTE,
    ConnectionRecord,
    RouteRecord,
    RouteTableId,
    RouteTableRecord,
)
from vpnmigrate.model.errors import RefusedError
from vpnmigrate.model.plan import (
    FIRST_OF_CUTOVER,
    LAST_OF_CUTOVER,
    Direction,
    Plan,
    connection_role,
)
from vpnmigrate.planning.prediction import initial_state, predict_steps
from vpnmigrate.planning.rollback_walk import (
    BACK,
    DeadEnd,
    LongestPath,
    RollbackProof,
    RollbackWalk,
    calls,
)
from vpnmigrate.steps.base import Step
from vpnmigrate.steps.s03_create_connections import wanted_prefixes
from vpnmigrate.steps.sequences import FORWARD

__all__ = ["BACK", "DeadEnd", "LongestPath", "RollbackProof", "prove"]

ALIKE = 2
"""Example routes of each kind: with two, an interruption can leave one of them behind."""


def prove(
    plan: Plan, forward: Sequence[Step] = FORWARD, back: Sequence[Step] = BACK
) -> RollbackProof:
    """Return the proof for every state of *plan* reachable by *forward* and *back*; never raise."""
    ways = _Ways(tuple(forward), tuple(back))
    example = example_of(plan)
    scene = initial_state(example.plan, {})
    walk = RollbackWalk(scene, ways.forward, ways.back, weight=example.weight)
    order = walk.prove()
    if not order.holds:
        return order
    try:
        changed = walk.changes()
        tables = _others(plan, example)
        by_name = _walk_by_name(plan, tables, ways)
        named = by_name.prove() if tables else _NOTHING
        ends = list(named.dead_ends)
        ends += () if ends else _joined(plan, changed, by_name.changes(), ways)
    except RefusedError as error:
        named, tables, ends = (
            _NOTHING,
            (),
            [DeadEnd("the start", Direction.FORWARD, error.message)],
        )
    states = order.states + named.states * len(tables)
    return RollbackProof(states, order.back, order.forward, tuple(dict.fromkeys(ends)))


@dataclass(frozen=True)
class _Ways:
    forward: tuple[Step, ...]
    back: tuple[Step, ...]

    @property
    def are_production(self) -> bool:
        """Whether these are the steps by which a plan is predicted."""
        return (self.forward, self.back) == (FORWARD, BACK)

    def on_tables(self, steps: Iterable[Step]) -> tuple[Step, ...]:
        """Return those of *steps* that change a route table of the plan, and the swap."""
        on_tables = range(FIRST_OF_CUTOVER, LAST_OF_CUTOVER)
        return tuple(step for step in steps if step.number in on_tables and not step.cleaning)


@dataclass(frozen=True)
class Example:
    """A small plan with one table of each kind, and how many of *plan*'s changes each one is."""

    plan: Plan
    weights: Mapping[tuple[str, str], int]
    """By table and destination, or by connection and static prefix; only those that are not 1."""
    tables: Mapping[str, int]
    """How many tables are of the kind of each example."""

    def weight(self, change: Change) -> int:
        """Return how many mutating calls of the whole plan *change* stands for."""
        if isinstance(change, ReplaceRoute | CreateRoute):
            return self.weights.get((change.table, change.destination), 1)
        if isinstance(change, AddStaticPrefix):
            return self.weights.get((change.connection, change.cidr), 1)
        if isinstance(change, TableChange):
            return self.tables.get(change.table, 1)
        return calls(change)


def example_of(plan: Plan) -> Example:
    """Return the example of *plan*: all connections, the first table of each kind, few routes."""
    kinds: defaultdict[_TableKind, list[RouteTableRecord]] = defaultdict(list)
    for table in plan.before.route_tables:
        if (kind := _kind_of(table, plan)) is not None:
            kinds[kind].append(table)
    weights: dict[tuple[str, str], int] = {}
    counts: dict[str, int] = {}
    examples: list[RouteTableRecord] = []
    for alike in kinds.values():
        numbers = Counter(
            _kind_of_route(route)
            for table in alike
            for route in table.static_routes_to(plan.old_gateway)
        )
        first = alike[0]
        kept = _few(first.static_routes_to(plan.old_gateway))
        for of_kind, routes in kept.items():
            # The first one stands for all others.
            weights[first.id, routes[0].destination] = numbers[of_kind] - len(routes) + 1
        counts[first.id] = len(alike)
        examples.append(_with_routes(first, plan, [r for routes in kept.values() for r in routes]))
    connections: list[ConnectionRecord] = []
    for connection in plan.before.connections:
        wanted = [p for p in connection.prefixes if p.cidr in wanted_prefixes(connection)]
        few = tuple(wanted[:ALIKE])
        if few:
            weights[connection_role(connection.id), few[0].cidr] = len(wanted) - len(few) + 1
        connections.append(replace(connection, prefixes=few))
    before = replace(plan.before, route_tables=tuple(examples), connections=tuple(connections))
    return Example(replace(plan, before=before), weights, counts)


_TableKind = tuple[bool, bool, bool, frozenset["_RouteKind"]]
"""Propagation, edge association, propagated routes, and the kinds of static routes."""
_RouteKind = tuple[bool, str]
"""Whether it is active, and the family of its destination."""


def _kind_of(table: RouteTableRecord, plan: Plan) -> _TableKind | None:
    """Return the kind of *table*; None if nothing in it refers to the old gateway."""
    old = plan.old_gateway
    static = frozenset(map(_kind_of_route, table.static_routes_to(old)))
    learned = bool(plan.propagated_before[table.id])
    kind = (old in table.propagating, table.edge_of(old) is not None, learned, static)
    return kind if any(kind) else None


def _kind_of_route(route: RouteRecord) -> _RouteKind:
    to = route.destination
    family = "list" if to.startswith("pl-") else "6" if ":" in to else "4"
    return route.state == "active", family


def _few(routes: Iterable[RouteRecord]) -> Mapping[_RouteKind, Sequence[RouteRecord]]:
    """Return the first few of *routes*, of each kind."""
    kept: defaultdict[_RouteKind, list[RouteRecord]] = defaultdict(list)
    for route in routes:
        found = kept[_kind_of_route(route)]
        if len(found) < ALIKE:
            found.append(route)
    return kept


def _with_routes(
    table: RouteTableRecord, plan: Plan, static: Collection[RouteRecord]
) -> RouteTableRecord:
    """Return *table* with *static* and a few propagated routes; all others lead elsewhere."""
    learned = set(plan.propagated_before[table.id][:ALIKE])
    return replace(
        table,
        routes=tuple(
            route
            for route in table.routes
            if route in static
            or (route.origin == PROPAGATED_ROUTE and route.destination in learned)
        ),
    )


_Changed = Mapping[Direction, frozenset[Change]]
"""The changes of an uninterrupted run in each direction."""


_NOTHING = RollbackProof(0, LongestPath(), LongestPath())
"""For no table: each one is an example as it is, which the order of the steps proves."""


def _others(plan: Plan, example: Example) -> tuple[RouteTableRecord, ...]:
    """Return the tables that refer to the old gateway, without those that are an example."""
    shown = {table.id: table for table in example.plan.before.route_tables}
    every = (
        _with_routes(table, plan, frozenset(table.static_routes_to(plan.old_gateway)))
        for table in plan.before.route_tables
        if _kind_of(table, plan) is not None
    )
    return tuple(table for table in every if table != shown.get(table.id))


def _walk_by_name(plan: Plan, tables: tuple[RouteTableRecord, ...], ways: _Ways) -> RollbackWalk:
    """Return the walk over steps 7 to 9 with *tables* and one connection.

    No other step changes a table, and no other connection has an effect on one.

    Raises:
        RefusedError: A step before the cutover cannot reach its goal.
    """
    one = replace(plan.before, connections=plan.before.living[:1], route_tables=())
    alone = replace(plan, before=one)
    first = [step for step in ways.forward if step.number < FIRST_OF_CUTOVER]
    _, ready = predict_steps(initial_state(alone, {}), first, Direction.FORWARD)
    here = replace(alone, before=replace(one, route_tables=tables))
    world = replace(ready.world, tables={table.id: table for table in tables})
    scene = replace(ready, plan=here, world=world)
    return RollbackWalk(scene, ways.on_tables(ways.forward), ways.on_tables(ways.back), halves)


def halves(changes: Sequence[Change]) -> Iterator[Sequence[Change]]:
    """Yield all *changes*, and every second one of each table: none may depend on its neighbour."""
    yield changes
    counts: Counter[str] = Counter()
    halved: tuple[list[Change], list[Change]] = ([], [])
    for change in changes:
        of = change.table if isinstance(change, TableChange) else ""
        halved[counts[of] % 2].append(change)
        counts[of] += 1
    yield from (half for half in halved if 0 < len(half) < len(changes))


def _joined(plan: Plan, order: _Changed, by_name: _Changed, ways: _Ways) -> Iterator[DeadEnd]:
    """Yield where the steps change the whole world in another way than in the walks.

    Raises:
        RefusedError: A step can never reach its goal in the whole world.
    """
    whole = _whole_changes(plan, ways)
    tables = _by_table(whole)
    expected = {**_by_table(order), **_by_table(by_name)}
    surveyed = {table.id for table in plan.before.route_tables}
    for table in sorted(surveyed & (tables.keys() | expected.keys())):
        here, alone = tables.get(table, _UNCHANGED), expected.get(table, _UNCHANGED)
        why = f"{table} is changed differently together with the other route tables"
        yield from _odd(here, alone, why)
    rest, alone = _of_others(whole, surveyed), _of_others(order, surveyed)
    yield from _odd(rest, alone, "with every route table, the steps make other changes")


def _odd(here: _Changed, alone: _Changed, why: str) -> Iterator[DeadEnd]:
    for direction in _BOTH:
        if different := here[direction] ^ alone[direction]:
            yield DeadEnd("the start", direction, f"{why}: {min(map(str, different))}")


_BOTH = (Direction.FORWARD, Direction.ROLLBACK)

_UNCHANGED: _Changed = dict.fromkeys(_BOTH, frozenset())


def _whole_changes(plan: Plan, ways: _Ways) -> _Changed:
    """Return the changes of the whole world: those of the plan, which the same steps predicted."""
    if ways.are_production and plan.forward:
        forward, back = plan.forward, plan.back
    else:
        scene = initial_state(plan, {})
        forward, there = predict_steps(scene, ways.forward, Direction.FORWARD)
        back, _ = predict_steps(there, ways.back, Direction.ROLLBACK)
    return {
        Direction.FORWARD: frozenset(change for step in forward for change in step.changes),
        Direction.ROLLBACK: frozenset(change for step in back for change in step.changes),
    }


def _by_table(changed: _Changed) -> Mapping[RouteTableId, _Changed]:
    """Return the changes of each table in steps 7 to 9, in both directions."""
    found: defaultdict[RouteTableId, dict[Direction, set[Change]]]
    found = defaultdict(lambda: {direction: set() for direction in _BOTH})
    for direction, changes in changed.items():
        for change in changes:
            if isinstance(change, TableChange):
                found[change.table][direction].add(change)
    return {
        table: {direction: frozenset(each) for direction, each in both.items()}
        for table, both in found.items()
    }


def _of_others(changed: _Changed, tables: Collection[RouteTableId]) -> _Changed:
    """Return the changes of anything but *tables*, and static prefixes: an example has few."""
    return {
        direction: frozenset(
            each
            for each in changes
            if not isinstance(each, AddStaticPrefix)
            and not (isinstance(each, TableChange) and each.table in tables)
        )
        for direction, changes in changed.items()
    }
