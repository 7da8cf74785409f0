"""Reachability: current route tables compared with those before the migration."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_network

from msgspec.structs import replace

from vpnmigrate.model.derived import ByIdentity, derived
from vpnmigrate.model.ec2 import (
    PROPAGATED_ROUTE,
    ResourceState,
    RouteRecord,
    RouteTableId,
    RouteTableRecord,
    VpnGatewayId,
)
from vpnmigrate.model.facts import ABSENT, UNKNOWN, Goal, Propagation, RouteTarget, Switch
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.snapshot import Baseline, GatewaySwap, Snapshot
from vpnmigrate.steps.route_lookup import (
    NO_ROUTE,
    EffectiveRoute,
    RouteComparison,
    RouteOrigin,
    equivalence,
    is_restored,
)


@dataclass(frozen=True)
class Reachability:
    """Differences between the tables now and before, by what can be done about them."""

    waiting: tuple[str, ...] = ()
    """Differences that the cutover should still resolve."""
    external: tuple[RouteComparison, ...] = ()
    """Differences caused by external changes: reported, and never waited for."""
    altered: tuple[RouteComparison, ...] = ()
    """Routes that did not lead to the gateway before and have another target now."""
    residual: tuple[RouteComparison, ...] = ()
    """Differences caused by changes left out: reported, and not waited for."""


@dataclass(frozen=True, eq=False)
class ComparisonBasis:
    """Inputs of a comparison of tables; the moment of the snapshot is not one of them.

    Two are equal if their large parts are identical objects: most observations of a cutover read
    the same as the previous one, and share its facts (``engine.observe``).
    """

    plan: Plan
    swap: GatewaySwap
    now: Snapshot
    baseline: Baseline
    incomplete: bool = False
    """Whether a connection was lost: it is unknown which propagated prefixes it had."""
    left_out: frozenset[Goal] = frozenset()
    """The goals that the run leaves out."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ComparisonBasis) and self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash(self._parts())

    def _parts(self) -> tuple[object, ...]:
        now = self.now
        read = (id(now.facts), id(now.tables), now.externally_changed, now.stale)
        options = (self.incomplete, self.left_out)
        return id(self.plan), self.swap, read, id(self.baseline), options

    def rows(self, before: RouteTableRecord) -> tuple[RouteComparison, ...]:
        """Return the comparison of *before*, from ``as_before``, with its table now."""
        old, joining = self.plan.old_gateway, self.swap.joining
        return _rows(self.now.tables[before.id], ByIdentity(before), old, joining)

    def differing(self, before: RouteTableRecord) -> tuple[RouteComparison, ...]:
        """Return those of the rows of *before* that are not certainly the same."""
        old, joining = self.plan.old_gateway, self.swap.joining
        return _differing(self.now.tables[before.id], ByIdentity(before), old, joining)


@derived
def _rows(
    after: RouteTableRecord, before: ByIdentity[RouteTableRecord], old: str, joining: str
) -> tuple[RouteComparison, ...]:
    return equivalence(before.of, after, {old: joining})


@derived
def _differing(
    after: RouteTableRecord, before: ByIdentity[RouteTableRecord], old: str, joining: str
) -> tuple[RouteComparison, ...]:
    if is_restored(before.of, after, {old: joining}):
        return ()
    return tuple(row for row in _rows(after, before, old, joining) if not row.same)


@derived
def _known(before: RouteTableRecord) -> frozenset[tuple[str, bool]]:
    """Return the destinations of *before*, each with whether its route is propagated."""
    return frozenset((r.destination, r.origin == PROPAGATED_ROUTE) for r in before.routes)


@lru_cache(maxsize=4)
def reachability(basis: ComparisonBasis) -> Reachability:
    """Return the differences between every table before and now, for each destination."""
    found = tuple(_by_table(basis))
    return Reachability(
        tuple(each for table in found for each in table.waiting),
        tuple(row for table in found for row in table.external),
        tuple(row for table in found for row in table.altered),
        tuple(row for table in found for row in table.residual),
    )


def waiting_by_table(basis: ComparisonBasis) -> Iterator[tuple[str, ...]]:
    """Yield ``Reachability.waiting`` of each table that has any, compared when it is asked for."""
    return (table.waiting for table in _by_table(basis) if table.waiting)


def _by_table(basis: ComparisonBasis) -> Iterator[Reachability]:
    """Yield the differences of each table that has any."""
    now, hidden = basis.now, _unseen(basis.now, basis.left_out)
    for table in basis.plan.before.route_tables:
        if now.state(table.id) is ResourceState.ABSENT or table.id not in now.tables:
            continue  # step 9 reports a deleted table
        if doubt := _doubt(basis.plan, basis.swap, now, table, basis.left_out):
            yield Reachability(waiting=(doubt,))
            continue
        before = as_before(basis.plan, basis.baseline, table)
        unseen = hidden.get(table.id, frozenset())
        if rows := basis.rows(before) if unseen else basis.differing(before):
            yield _of_table(basis, before, rows, unseen)


def _of_table(
    basis: ComparisonBasis,
    before: RouteTableRecord,
    rows: Iterable[RouteComparison],
    unseen: frozenset[Goal],
) -> Reachability:
    """Return the differences among *rows* of the table *before*."""
    plan, swap, now = basis.plan, basis.swap, basis.now
    waiting: list[str] = []
    external: list[RouteComparison] = []
    altered: list[RouteComparison] = []
    residual: list[RouteComparison] = []
    foreign = Propagation(before.id, swap.joining) in now.externally_changed or basis.incomplete
    for row in rows:
        if excepted(plan, row):
            continue
        ours = row.before.hop == plan.old_gateway
        if row.same:
            if ours and _is_residual(row, swap, unseen):
                residual.append(replace(row, same=False, after=NO_ROUTE))
        elif not ours:
            altered += [row] if row.before.leads_somewhere or row.unread else []
        elif _is_residual(row, swap, basis.left_out):
            residual.append(row)
        elif (
            _is_taken(row, swap, now, _known(before))
            or (foreign and _propagated(row.before))
            or _is_hidden(row, swap, now, before)
        ):
            external.append(row)
        else:
            waiting.append(str(row))
    return Reachability(tuple(waiting), tuple(external), tuple(altered), tuple(residual))


def as_before(plan: Plan, baseline: Baseline, table: RouteTableRecord) -> RouteTableRecord:
    """Return *table* of the before-survey with the routes propagated just before step 7.

    A propagated route in a table without propagation is about to disappear, so it is left out.
    """
    return _as_before(table, plan.old_gateway, ByIdentity(baseline))


@derived
def _as_before(
    table: RouteTableRecord, old: VpnGatewayId, recorded: ByIdentity[Baseline]
) -> RouteTableRecord:
    baseline, propagating = recorded.of, old in table.propagating
    if propagating and table.id not in baseline.propagated:
        return table
    kept = [
        route for route in table.routes if route.target != old or route.origin != PROPAGATED_ROUTE
    ]
    learned = (
        RouteRecord(prefix, old, PROPAGATED_ROUTE)
        for prefix in (sorted(baseline.propagated[table.id]) if propagating else ())
    )
    return replace(table, routes=(*kept, *learned))


def excepted(plan: Plan, row: RouteComparison) -> bool:
    """Return whether an exception of the playbook covers *row*.

    An exception does not cover a destination that had a longer prefix than its own.
    """
    exceptions = plan.decisions.exceptions.prefixes
    if not exceptions:
        return False
    return all(_covered(part, row.before.destination, exceptions) for part in row.parts)


def _covered(part: str, decided_by: str, exceptions: tuple[str, ...]) -> bool:
    if decided_by in exceptions or part in exceptions:
        return True
    if not _is_network(part):
        return False
    inner = ip_network(part)
    least = ip_network(decided_by).prefixlen if _is_network(decided_by) else 0
    wide = (ip_network(one) for one in exceptions if _is_network(one))
    return any(
        one.version == inner.version
        and one.prefixlen >= least
        and one.network_address <= inner.network_address  # type: ignore[operator]
        and inner.broadcast_address <= one.broadcast_address  # type: ignore[operator]
        for one in wide
    )


def _is_network(destination: str) -> bool:
    return "/" in destination


def _doubt(
    plan: Plan,
    swap: GatewaySwap,
    now: Snapshot,
    table: RouteTableRecord,
    left_out: frozenset[Goal],
) -> str:
    """Return why *table* cannot be compared yet, or an empty string."""
    propagation = Propagation(table.id, swap.joining)
    if plan.old_gateway in table.propagating and Goal(propagation, Switch.ON) not in left_out:
        off = now.value(propagation) is not Switch.ON
        if off and propagation not in now.externally_changed:
            return f"propagation from {swap.joining} in {table.id} is not visible yet"
    doubted = now.doubted
    if not doubted:
        return ""
    about = {fact: swap.joining for fact in _routes_to(table, plan.old_gateway) if fact in doubted}
    goals = {Goal(fact, gateway) for fact, gateway in about.items()}
    if propagation in doubted:
        goals.add(Goal(propagation, Switch.ON))
    if goals - left_out:
        return f"the routes in {table.id} are unknown: the last reading may be stale"
    return ""


@derived
def _routes_to(table: RouteTableRecord, gateway: VpnGatewayId) -> tuple[RouteTarget, ...]:
    """Return the static routes of *table* to *gateway*, as facts."""
    return tuple(RouteTarget(table.id, r.destination) for r in table.static_routes_to(gateway))


def _unseen(now: Snapshot, left_out: frozenset[Goal]) -> Mapping[RouteTableId, frozenset[Goal]]:
    """Return the goals left out of each table whose fact is unknown at the last reading.

    A stale reading can still show the route that the change left out would have restored, so such
    a route counts as missing.
    """
    found: defaultdict[RouteTableId, set[Goal]] = defaultdict(set)
    for goal in left_out:
        if isinstance(goal.fact, (Propagation, RouteTarget)) and goal.fact in now.doubted:
            found[goal.fact.table].add(goal)
    return {table: frozenset(goals) for table, goals in found.items()}


def _is_residual(row: RouteComparison, swap: GatewaySwap, left_out: frozenset[Goal]) -> bool:
    """Return whether the route of *row* is missing, or unknown, because of a change left out."""
    if not left_out:
        return False
    if any(Goal(RouteTarget(row.table, name), swap.joining) in left_out for name in row.unread):
        return True
    if _propagated(row.before):
        return Goal(Propagation(row.table, swap.joining), Switch.ON) in left_out
    return Goal(RouteTarget(row.table, row.before.destination), swap.joining) in left_out


def _is_taken(
    row: RouteComparison, swap: GatewaySwap, now: Snapshot, known: frozenset[tuple[str, bool]]
) -> bool:
    """Return whether an external change decides the route of *row* now."""
    if not _propagated(row.before):
        target = now.route(row.table, row.before.destination)
        if target not in (swap.leaving, swap.joining):
            return True
    after = row.after
    return bool(after.destination) and (after.destination, _propagated(after)) not in known


def _is_hidden(
    row: RouteComparison, swap: GatewaySwap, now: Snapshot, before: RouteTableRecord
) -> bool:
    """Return whether an external change moved, added or removed a route that may decide *row*."""
    if not row.unread:
        return False
    then = {route.destination: route.target for route in before.routes}
    ours = (swap.leaving, swap.joining, UNKNOWN)
    return any(
        now.route(row.table, name) not in (then.get(name, ABSENT), *ours) for name in row.unread
    )


def _propagated(winner: EffectiveRoute) -> bool:
    return winner.kind is RouteOrigin.PROPAGATED
