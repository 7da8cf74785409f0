"""Step 9: restore propagation, routes and edge associations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from msgspec.structs import replace

from vpnmigrate.model.changes import (
    AssociateEdge,
    CreateRoute,
    DisassociateEdge,
    EnablePropagation,
    ReplaceRoute,
)
from vpnmigrate.model.consistency import CONSISTENCY_DELAY
from vpnmigrate.model.derived import derived
from vpnmigrate.model.ec2 import ResourceState, RouteTableId, RouteTableRecord, VpnGatewayId
from vpnmigrate.model.facts import (
    ABSENT,
    UNKNOWN,
    AttachmentOf,
    EdgeAssociation,
    Goal,
    Propagation,
    RouteTarget,
    Switch,
)
from vpnmigrate.model.plan import Phase, Plan
from vpnmigrate.model.snapshot import GatewaySwap, Snapshot
from vpnmigrate.steps.base import (
    DesiredFact,
    Lost,
    Met,
    MissingChanges,
    NotYet,
    Residual,
    Step,
    StepInput,
    Verdict,
    is_external_change,
    judge,
    missing,
)
from vpnmigrate.steps.s08_swap_gateways import detached_externally, disassociated_externally

AT_ONCE = 50
"""Calls that AWS takes without a delay."""
PER_CALL = timedelta(seconds=0.2)
"""After these, AWS takes 5 calls of one action a second (domain.md 5)."""


class RestoreRouting(Step):
    """Restore the routing of the before-survey, table by table, to the joining gateway.

    In AWS: enables propagation, changes the targets of static routes, and moves edge associations.
    One table may have propagation *and* static routes to the gateway; both are restored.  Static
    routes can only be changed now, because EC2 accepts no route to a gateway that is not attached
    to the VPC (domain.md 2.6).  A static route that was deleted outside this run is created again,
    so that its traffic does not follow a less specific route.

    Rollback: this step runs again with the gateways exchanged: it enables propagation from the old
    gateway, and moves static routes and edge associations back to it.
    """

    number = 9
    title = "Restore routing"
    phase = Phase.CUTOVER
    precondition = "the joining gateway is attached to the VPC"
    postcondition = (
        "propagation, static routes and edge tables are those of the survey, through the "
        "joining gateway"
    )
    limit = timedelta(minutes=15)  # 2 to 5 a call (domain.md 3.1), many tables and throttling

    def expected_for(self, plan: Plan) -> timedelta | None:
        return timedelta(seconds=20)  # the upper value of domain.md 12.3

    def limit_for(self, plan: Plan) -> timedelta:
        """Return the limit, longer by the time in which AWS takes the calls of a large plan."""
        tables = plan.before.route_tables
        calls = sum(1 + len(table.static_routes_to(plan.old_gateway)) for table in tables)
        return self.limit + max(0, calls - AT_ONCE) * PER_CALL

    def external_changes_overwritten(self, view: StepInput) -> Iterable[str]:
        for table in (
            view.plan.propagating_tables if view.swap.joining == view.plan.old_gateway else ()
        ):
            setting = Propagation(table.id, view.swap.joining)
            off = (
                view.now.value(setting) is Switch.OFF and setting not in view.now.externally_changed
            )
            if off and is_external_change(setting, view.now, view.journal_facts):
                yield (
                    f"propagation from {view.swap.joining} in {table.id} was disabled outside this "
                    "run; it is enabled again"
                )
        place = AttachmentOf(view.swap.joining, view.plan.vpc)
        if view.swap.joining == view.plan.old_gateway and place not in (
            view.journal_facts.touched or {place}
        ):
            yield from disassociated_externally(
                view.plan, view.swap.joining, view.now, view.journal_facts
            )

        for want in _wants(view):
            if isinstance(want.change, CreateRoute) and want.missing(view.now):
                yield f"{want.name} was deleted outside this run; it is created again"

    def missing_changes(self, view: StepInput) -> MissingChanges:
        yield from missing(_wants(view), view.now)
        yield from (EnablePropagation(t, view.swap.joining) for t in _idle(view))

    def optional_parts(self, view: StepInput) -> Iterable[DesiredFact]:
        """Yield everything that is missing: no table depends on another one."""
        yield from (want for want in _wants(view) if want.is_unmet(view.now))
        yield from (want for want, _ in _without_effect(view))

    def verify(self, view: StepInput) -> Verdict:
        if blocked := detached_externally(view.plan, view.swap, view.now):
            return blocked
        left_out = view.journal_facts.left_out
        verdict = judge(_wants(view), view.now, left_out)
        if isinstance(verdict, NotYet):
            return verdict
        residual, lost = isinstance(verdict, Residual), _lost(verdict)
        for want, why in _without_effect(view):
            if not want.is_left_out(left_out):
                return NotYet(why)
            if want.holds_unproven:
                lost = (*lost, f"{want.name} is on, and its effect shows once a route is learned")
            else:
                residual = True
        lost = (*lost, *_left_behind(view.plan, view.swap, view.now))
        if residual:
            return Residual(lost)
        return Lost(lost) if lost else Met()


def _lost(verdict: Met | Lost | Residual) -> tuple[str, ...]:
    match verdict:
        case Met():
            return ()
        case Lost(what) | Residual(what):
            return what


def _without_effect(view: StepInput) -> Iterator[tuple[DesiredFact, str]]:
    """Yield facts that have the desired value and no effect, each with a clause about it."""
    joining = view.swap.joining
    for table, destination in _interrupted_routes(view):
        if view.now.route(table, destination) == joining:
            name, fact = f"the route {destination} in {table}", RouteTarget(table, destination)
            change = ReplaceRoute(table, destination, joining)
            yield DesiredFact(name, fact, joining, change), f"{name} is a black hole"
    for table in _idle(view):
        name, setting = f"propagation from {joining} in {table}", Propagation(table, joining)
        yield (
            DesiredFact(
                name,
                setting,
                Switch.ON,
                EnablePropagation(table, joining),
                holds_unproven=_learned_nothing(table, view),
            ),
            f"{name} was on before it was attached, and may have no effect: it is enabled again",
        )


def _idle(view: StepInput) -> tuple[RouteTableId, ...]:
    """Return the tables where propagation stayed on over a detach, possibly without effect.

    AWS does not document what such a setting does once the gateway is attached (domain.md 4.1).
    Routes that it propagates show its effect, for example after an operator enabled it by hand.
    """
    settings = ((t.id, Propagation(t.id, view.swap.joining)) for t in view.plan.propagating_tables)
    return tuple(
        table
        for table, setting in settings
        if view.now.value(setting) is Switch.ON
        and setting in view.journal_facts.idle
        and setting not in view.now.externally_changed
        and not _brings_routes(table, view)
    )


def _learned_nothing(table: RouteTableId, view: StepInput) -> bool:
    """Return whether no route was propagated into *table* before step 7."""
    return not view.baseline.propagated.get(table)


def _brings_routes(table: RouteTableId, view: StepInput) -> bool:
    """Return whether *table* has active routes that are propagated from the joining gateway.

    A reading that may be from before the last detach of the gateway does not count.
    """
    record = view.now.tables.get(table)
    fresh = AttachmentOf(view.swap.joining, view.plan.vpc) not in view.now.stale
    return fresh and record is not None and bool(record.propagated_from(view.swap.joining))


def _interrupted_routes(view: StepInput) -> Iterator[tuple[RouteTableId, str]]:
    """Yield the static routes to the old gateway that carried traffic, and carry none now.

    What was a black hole in the before-survey may be one again, and is not waited for.
    """
    plan, now = view.plan, view.now
    for table in plan.before.route_tables:
        before = table.static_routes_to(plan.old_gateway)
        active = now.active_routes(table.id) if before else frozenset()
        if table.carrying <= active:
            continue
        for route in before:
            if route.state == "active" and route.destination not in active:
                yield table.id, route.destination


def _left_behind(plan: Plan, swap: GatewaySwap, now: Snapshot) -> Iterator[str]:
    """Yield black holes this run must not fix: routes that the before-survey does not contain."""
    before = {table.id: table for table in plan.before.route_tables}
    for table in now.tables.values():
        left = table.static_routes_to(swap.leaving) if table.vpc == plan.vpc else ()
        surveyed = before.get(table.id) if left else None
        known = _destinations_to(surveyed, plan.old_gateway) if surveyed else frozenset()
        for route in left:
            if route.destination not in known:
                yield (
                    f"the route {route.destination} in {table.id}: "
                    f"its target was set outside this run to {swap.leaving}, which is detached"
                )


def _destinations_to(table: RouteTableRecord, gateway: VpnGatewayId) -> frozenset[str]:
    return frozenset(route.destination for route in table.static_routes_to(gateway))


@derived
def _wants(view: StepInput) -> Sequence[DesiredFact]:
    """Return the goal, without static routes that hold: of ten thousand, most do."""
    plan, swap, now = view.plan, view.swap, view.now
    wants: list[DesiredFact] = []
    for table in plan.before.route_tables:
        unreachable_why = _why_gone(table.id, now)
        wants += _propagation(plan, swap, table, unreachable_why)
        wants += _static_routes(view, table, unreachable_why)
        wants += _edge(plan, swap, table, unreachable_why, now)
    return wants


def _why_gone(table: RouteTableId, now: Snapshot) -> str:
    return "the table was deleted" if now.state(table) is ResourceState.ABSENT else ""


def _propagation(
    plan: Plan, swap: GatewaySwap, table: RouteTableRecord, unreachable_why: str
) -> Iterator[DesiredFact]:
    if plan.old_gateway in table.propagating:
        yield DesiredFact(
            f"propagation from {swap.joining} in {table.id}",
            Propagation(table.id, swap.joining),
            Switch.ON,
            EnablePropagation(table.id, swap.joining),
            unreachable_why,
        )


def _static_routes(
    view: StepInput, table: RouteTableRecord, unreachable_why: str
) -> Iterator[DesiredFact]:
    leaving, joining = view.swap.leaving, view.swap.joining
    facts, refused = view.now.facts, view.journal_facts.vanished
    for route, want in _moves(table, view.plan.old_gateway, joining):
        seen = facts.get(route)
        if unreachable_why or (refused and route in refused):
            yield _exceptional(route, want, view, unreachable_why)
        elif seen == joining:
            continue
        elif seen == leaving or seen is UNKNOWN:
            yield want
        else:
            yield _exceptional(route, want, view, unreachable_why)


@derived
def _moves(
    table: RouteTableRecord, old: VpnGatewayId, joining: VpnGatewayId
) -> tuple[tuple[RouteTarget, DesiredFact], ...]:
    """Return the static routes of *table* to *old*, each as it is to lead to *joining*."""
    routes = (RouteTarget(table.id, route.destination) for route in table.static_routes_to(old))
    return tuple(
        (
            route,
            DesiredFact(
                f"the route {route.destination} in {table.id}",
                route,
                joining,
                ReplaceRoute(table.id, route.destination, joining),
            ),
        )
        for route in routes
    )


def _exceptional(
    route: RouteTarget, want: DesiredFact, view: StepInput, unreachable_why: str
) -> DesiredFact:
    """Return *want* for a *route* that leads to neither gateway, or that EC2 could not find."""
    joining, seen = view.swap.joining, view.now.value(route)
    if _has_vanished(route, view):
        change = CreateRoute(route.table, route.destination, joining)
        return replace(want, change=change, unreachable_why=unreachable_why, restores=True)
    # Only a route that still leads to one of the two gateways may be changed.
    ours = seen in (view.swap.leaving, joining, UNKNOWN)
    return replace(
        want, unreachable_why=unreachable_why or ("" if ours else f"set outside this run to {seen}")
    )


def _has_vanished(route: RouteTarget, view: StepInput) -> bool:
    """Return whether *route* was deleted outside this run, so that it is to be created again.

    EC2's refusal to replace it shows that earlier than a describe that may be stale.  A route that
    was deleted after this step had directed it to the joining gateway stays deleted.
    """
    facts, now = view.journal_facts, view.now
    refused = facts.vanished.get(route)
    if refused is not None and now.begun < refused + CONSISTENCY_DELAY:
        return now.value(route) != view.swap.joining
    done = route in now.externally_changed and facts.directed.get(route) == view.swap.joining
    return now.value(route) == ABSENT and not done


def _edge(
    plan: Plan, swap: GatewaySwap, table: RouteTableRecord, unreachable_why: str, now: Snapshot
) -> Iterator[DesiredFact]:
    if table.edge_of(plan.old_gateway) is None:
        return
    leaving = EdgeAssociation(table.id, swap.leaving)
    current = now.tables.get(table.id)
    tie = current.edge_of(swap.leaving) if current else None
    yield DesiredFact(
        f"the edge association of {table.id} with {swap.leaving}",
        leaving,
        Switch.OFF,
        DisassociateEdge(table.id, swap.leaving, tie.id) if tie else None,
    )
    yield DesiredFact(
        f"the edge association of {table.id} with {swap.joining}",
        EdgeAssociation(table.id, swap.joining),
        Switch.ON,
        AssociateEdge(table.id, swap.joining),
        unreachable_why,
        needs=Goal(leaving, Switch.OFF),
    )
