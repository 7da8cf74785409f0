"""Invariants: what must hold after every observation and at the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property, lru_cache
from ipaddress import ip_network

from vpnmigrate.journal import RunState
from vpnmigrate.journal.records import Entry, Finished, StepSettled, TrafficVerified
from vpnmigrate.model.changes import (
    AssociateEdge,
    AttachVpnGateway,
    AwsChange,
    CreateRoute,
    Deletion,
    DetachVpnGateway,
    DisablePropagation,
    DisassociateEdge,
    EnablePropagation,
    RemoveClaim,
    ReplaceRoute,
)
from vpnmigrate.model.ec2 import MigrationId, RouteTableId, Tag, VpnGatewayId
from vpnmigrate.model.plan import GATEWAY_ROLE, Direction, Plan, connection_role
from vpnmigrate.rehearsal.simulation.denials import Refusals
from vpnmigrate.sandbox.ec2.routes import Brought, propagated_routes
from vpnmigrate.sandbox.ec2.tunnels import read_tunnel
from vpnmigrate.sandbox.state import LIVING, Connection, RouteTable, WorldState
from vpnmigrate.steps.s03_create_connections import wanted_prefixes

CLAIMS = (TrafficVerified, StepSettled, Finished)
"""The records that claim a fact about AWS."""


@dataclass(frozen=True)
class ActualState:
    """The actual state of a world at one moment, as far as it concerns a migration."""

    lives: Mapping[str, str]
    """The existing resources, by id, with their states."""
    attached: frozenset[str]
    """The gateways that are attached to the VPC."""
    roles: Mapping[str, tuple[str, ...]]
    """The resources in each role of the migration; more than one is a duplicate."""
    propagating: frozenset[tuple[str, str]]
    """Tables with the gateways that propagate routes to them."""
    routes: Mapping[tuple[str, str], str]
    """The targets of static routes, by table and destination."""
    edges: frozenset[tuple[str, str]]
    prefixes: frozenset[tuple[str, str]]
    """Connections with the static prefixes that are available on them."""
    up: frozenset[str]
    """Connections with a tunnel up."""
    paths: frozenset[tuple[str, str]]
    """Tables and destinations whose traffic reaches a device."""
    tags: Mapping[str, Mapping[str, str]]

    @cached_property
    def destinations(self) -> Mapping[str, AbstractSet[str]]:
        """The destinations in ``paths``, by table."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for table, destination in self.paths:
            found[table].add(destination)
        return found


@dataclass(frozen=True)
class InvariantChecker:
    """Checks the world against *plan* and the state *before* the migration.

    A run may continue without a change only if AWS refused it: *refusals* shows that.
    """

    plan: Plan
    before: ActualState
    refusals: Refusals

    def check_observation(
        self, now: ActualState, run: RunState, *, announced: bool
    ) -> Iterator[str]:
        """Yield the invariants that do not hold in the world *now*, for the state of *run*.

        *announced* is whether it has recorded that traffic is down.
        """
        if len(now.attached) > 1:
            yield f"two gateways are attached: {sorted(now.attached)}"
        if not now.attached and not announced:
            yield "no gateway is attached outside the announced outage"
        if not announced and (lost := self.unreached(now)):
            yield f"no path outside the announced outage: {lost[:3]}"
        finalizing = run.direction is Direction.FINALIZE
        may_go = {*self.plan.old_connections, self.plan.old_gateway} if finalizing else set()
        for id_, life in self.before.lives.items():
            if now.lives.get(id_) != life and id_ not in may_go:
                yield f"{id_} was {life} and is {now.lives.get(id_, 'gone')}"
        for role, ids in now.roles.items():
            if len(ids) > 1:
                yield f"{len(ids)} resources are in the role {role}: {ids}"

    def unreached(self, now: ActualState) -> list[tuple[str, str]]:
        """Return the tables and destinations that had a path and have none in the world *now*."""
        missing = self.before.paths - now.paths
        return sorted(path for path in missing if not _is_covered(path, now))

    def check_end(
        self, now: ActualState, direction: Direction | None, *, partly: bool
    ) -> Iterator[str]:
        """Yield what AWS would still have done, in the world *now*, for a process that has ended.

        That is an error if traffic is down, or if the process ended a cutover that is done only
        *partly*.  Of the run's own records only the direction is used.
        """
        lost = self.unreached(now)
        if not (lost or partly):
            return
        left = list(self._left(now, direction))
        for change in left:
            if not self._is_denied(change):
                yield f"ended without: {change}"
        if lost and not left:
            yield f"ended although every change is made, but there is no path for {lost[:3]}"

    def _is_denied(self, change: AwsChange) -> bool:
        return self.refusals.would_deny(change) or self.refusals.denied_lately(change)

    def _left(self, now: ActualState, direction: Direction | None) -> Iterator[AwsChange]:
        """Yield the changes of the cutover in *direction* that EC2 would make next."""
        old, vpc = self.plan.old_gateway, self.plan.vpc
        joining = VpnGatewayId(self._joining(now, direction))
        for each in sorted(now.attached - {joining}):
            leaving = VpnGatewayId(each)
            on = sorted(table for table, gateway in now.propagating if gateway == leaving)
            first = [DisablePropagation(RouteTableId(table), leaving) for table in on]
            if first and joining != old:
                # A cutover, unlike a rollback, does not continue without any of them.
                yield from [each for each in first if self._is_denied(each)] or first
            else:
                yield DetachVpnGateway(leaving, vpc)
            return
        if not now.attached:
            yield AttachVpnGateway(joining, vpc)
            return
        for table, gateway in self.before.propagating:
            if gateway == old and (table, joining) not in now.propagating:
                yield _propagation(table, joining)
        for (table, to), target in self.before.routes.items():
            if target == old and now.routes.get((table, to)) != joining:
                change = ReplaceRoute if (table, to) in now.routes else CreateRoute
                yield change(RouteTableId(table), to, joining)
        for table, gateway in self.before.edges:
            ties = [VpnGatewayId(tied) for each, tied in now.edges if each == table]
            if gateway == old and joining not in ties:
                yield from (DisassociateEdge(RouteTableId(table), tied, "") for tied in ties)
                if not ties:
                    yield AssociateEdge(RouteTableId(table), joining)

    def check_entry(self, entry: Entry, now: ActualState, run: RunState) -> Iterator[str]:
        """Yield the claims of *entry* that are not true."""
        match entry.record:
            case TrafficVerified():
                untrue = self._flows(now, run)
            case StepSettled(number=number, cleaning=False) if run.direction is not None:
                untrue = self._settled(number, now, run)
            case Finished(direction=direction, lost=lost):
                untrue = self._arrived(direction, now, run, lost)
            case _:
                return
        for what in untrue:
            yield f"{type(entry.record).__name__} of line {entry.seq}, but {what}"

    def _joining(self, now: ActualState, direction: Direction | None) -> str:
        if direction is Direction.ROLLBACK:
            return self.plan.old_gateway
        return next(iter(now.roles.get(GATEWAY_ROLE, ("",))))

    def _flows(self, now: ActualState, run: RunState) -> Iterator[str]:
        joining = self._joining(now, run.direction)
        if now.attached != {joining}:
            yield f"attached are {sorted(now.attached)}, not {joining}"
        missing = self.before.paths - now.paths
        if run.residue.is_left:
            missing = frozenset(path for path in missing if not self._is_refused(path, joining))
        if lost := sorted(path for path in missing if not _leads_to(joining, path, now)):
            yield f"no path for {lost[:3]}"

    def _settled(self, number: int, now: ActualState, run: RunState) -> Iterator[str]:
        joining = self._joining(now, run.direction)
        match number:
            case 2:
                if now.lives.get(joining) != "available":
                    yield f"the new gateway is {now.lives.get(joining)}"
            case 3:
                yield from self._successors(now)
            case 7:
                leaving = {self.plan.old_gateway, *now.roles.get(GATEWAY_ROLE, ())} - {joining}
                for table, gateway in sorted(now.propagating):
                    if gateway not in leaving:
                        continue
                    change = DisablePropagation(RouteTableId(table), VpnGatewayId(gateway))
                    if not (run.residue.is_left and self.refusals.explain(change)):
                        yield f"still propagating: {gateway} in {table}"
            case 8:
                if now.attached != {joining}:
                    yield f"attached are {sorted(now.attached)}, not {joining}"
            case 9:
                yield from self._routed(now, joining, incomplete=run.residue.is_left)
            case 10:
                yield from self._flows(now, run)
            case _:
                pass

    def _successors(self, now: ActualState) -> Iterator[str]:
        for old in self.plan.before.living:
            new = next(iter(now.roles.get(connection_role(old.id), ("",))))
            if now.lives.get(new) != "available":
                yield f"the successor of {old.id} is {now.lives.get(new)}"
            for cidr in wanted_prefixes(old):
                if (new, cidr) not in now.prefixes:
                    yield f"{cidr} is not on the successor of {old.id}"

    def _routed(self, now: ActualState, joining: str, *, incomplete: bool) -> Iterator[str]:
        """Yield the routing that is not the joining gateway's.

        A run that reports that it is *incomplete* may lack the changes that AWS has refused.
        """
        old = self.plan.old_gateway
        for table, gateway in self.before.propagating:
            excused = incomplete and self.refusals.explain(_propagation(table, joining))
            if gateway == old and (table, joining) not in now.propagating and not excused:
                yield f"{table} does not propagate {joining}"
        for route, target in self.before.routes.items():
            wanted = joining if target == old else target
            excused = incomplete and self._is_refused(route, joining)
            if now.routes.get(route) != wanted and not excused:
                yield f"{route} goes to {now.routes.get(route)}, not to {wanted}"
        for table, gateway in self.before.edges:
            excused = incomplete and self._is_edge_refused(table, now, joining)
            if gateway == old and (table, joining) not in now.edges and not excused:
                yield f"{table} is not the edge table of {joining}"

    def _removals_left(self, run: RunState) -> frozenset[str]:
        """Return marks of what a rollback reports as left because AWS has refused to remove it.

        What depends on a refused change is left with it.
        """
        changes = [each.change for each in run.residue.changes]
        if not any(self.refusals.explain(change) for change in changes):
            return frozenset()
        claims = {
            f"{c.gateway} is tagged {Tag.CLAIM}=" for c in changes if isinstance(c, RemoveClaim)
        }
        deletions = [change for change in changes if isinstance(change, Deletion)]
        # What is being deleted has no role any more.
        return frozenset(
            claims | {f"<{c.subject}>" for c in deletions} | {str(c.id) for c in deletions}
        )

    def _is_refused(self, path: tuple[str, str], joining: str) -> bool:
        """Return whether AWS has refused a change that *path*, a table and destination, needs."""
        table, destination = path
        route = ReplaceRoute(RouteTableId(table), destination, VpnGatewayId(joining))
        return self.refusals.explain(route) or self.refusals.explain(_propagation(table, joining))

    def _is_edge_refused(self, table: str, now: ActualState, joining: str) -> bool:
        id_ = RouteTableId(table)
        # The leaving gateway may be off the table by now: the run ties the other one later.
        leaving = {self.plan.old_gateway, *map(VpnGatewayId, now.roles.get(GATEWAY_ROLE, ()))}
        return self.refusals.explain(AssociateEdge(id_, VpnGatewayId(joining))) or any(
            self.refusals.explain(DisassociateEdge(id_, gateway, "")) for gateway in leaving
        )

    def _arrived(
        self, direction: Direction, now: ActualState, run: RunState, lost: tuple[str, ...]
    ) -> Iterator[str]:
        match direction:
            case Direction.FORWARD:
                yield from self._flows(now, run)
                yield from self._routed(now, self._joining(now, run.direction), incomplete=False)
                yield from self._successors(now)
                known = {*self.before.lives, *(id_ for ids in now.roles.values() for id_ in ids)}
                # A deletion may take some time.
                for id_ in sorted(set(now.lives) - known):
                    if now.lives[id_] in LIVING:
                        yield f"{id_} is left and has no role"
            case Direction.ROLLBACK if run.keep_new:
                yield from self._flows(now, run)
            case Direction.ROLLBACK:
                # The engineer enables all old tunnels, including those that were down before.
                more = configuration(now) - {f"{old} is up" for old in self.plan.old_connections}
                for line in sorted(configuration(self.before) - configuration(now)):
                    yield f"not as before, missing: {line}"
                news = more - configuration(self.before)
                left = self._removals_left(run)
                for line in sorted(each for each in news if not _is_named(each, now, lost)):
                    if not any(mark in line for mark in left):
                        yield f"not as before: {line}"
            case Direction.FINALIZE:
                yield from self._flows(now, run)
                for old in self.plan.old_connections:
                    if old in now.lives:
                        yield f"{old} is {now.lives[old]}"


def _propagation(table: str, joining: str) -> EnablePropagation:
    return EnablePropagation(RouteTableId(table), VpnGatewayId(joining))


def _is_named(line: str, now: ActualState, lost: tuple[str, ...]) -> bool:
    """Return whether the run has reported as left behind what *line* of a configuration names."""
    left = {role for role, ids in now.roles.items() for id_ in ids if any(id_ in w for w in lost)}
    return any(f"<{role}>" in line for role in left)


HINTS = frozenset({Tag.MIGRATION, Tag.ROLE, Tag.ATTEMPT})
"""Tags that a run puts on its resources, and that anyone else can put on any resource."""

MALLORY = "mallory@elsewhere/0"
"""The holder of a claim that the hostile tagger sets."""

_OVER = frozenset({"unborn", "gone", "deleted"})


def actual_state(state: WorldState, vpc: str, migration: MigrationId) -> ActualState:
    """Return the actual state in *state* now; *vpc* is the one that is migrated."""
    now, lives = state.now, _lives(state)
    up = frozenset([c.id for c in state.connections.values() if _is_up(state, c)])
    attached = frozenset([g.id for g in state.gateways.values() if g.vpc(now) == vpc])
    carrying = {str(state.connections[c].gateway) for c in up} & attached
    brought: Brought = {}
    tables = [t for t in state.tables.values() if t.vpc == vpc]
    return ActualState(
        lives=lives,
        attached=attached,
        roles=_roles(state, lives, migration),
        propagating=frozenset([(t.id, p.gateway) for t in tables for p in t.propagating(now)]),
        routes={
            (t.id, r.destination): r.target
            for t in tables
            for r in t.routes
            if r.origin == "CreateRoute"
        },
        edges=frozenset([(t.id, a.gateway) for t in tables for a in t.tied(now) if a.gateway]),
        prefixes=frozenset(
            [
                (c.id, cidr)
                for c in state.connections.values()
                for cidr, life in c.prefixes.items()
                if life.at(now) == "available" and c.id in lives
            ]
        ),
        up=up,
        paths=frozenset([path for t in tables for path in _paths(state, t, carrying, brought)]),
        tags={id_: dict(state.tags.get(id_, {})) for id_ in lives},
    )


def _leads_to(joining: str, path: tuple[str, str], now: ActualState) -> bool:
    """Return whether a wider static route leads to *joining* until the propagated route is there.

    The table propagates that gateway, whose tunnels are up: only the delay of EC2 is left.
    """
    table, destination = path
    if (table, joining) not in now.propagating:
        return False
    wider = _networks_with(destination)
    return next((now.routes[table, n] for n in wider if (table, n) in now.routes), "") == joining


def _is_covered(path: tuple[str, str], now: ActualState) -> bool:
    """Return whether a wider static route carries *path* until its own route is propagated."""
    table, destination = path
    wider = _networks_with(destination)[1:]
    return not now.destinations.get(table, frozenset()).isdisjoint(wider)


@lru_cache(maxsize=4096)
def _networks_with(destination: str) -> tuple[str, ...]:
    """Return *destination* and every wider network, narrowest first; none for a prefix list."""
    if destination.startswith("pl-"):
        return ()
    network = ip_network(destination)
    return tuple(str(network.supernet(new_prefix=n)) for n in range(network.prefixlen, -1, -1))


def _lives(state: WorldState) -> dict[str, str]:
    lives: dict[str, str] = {}
    for things in (
        state.gateways,
        state.connections,
        state.customer_gateways,
        state.vpcs,
        state.subnets,
    ):
        for thing in things.values():
            life = state.life(thing)
            if life not in _OVER:
                lives[thing.id] = life
    # The table of a VPC that was created here exists as long as its VPC, and is named by it.
    tables = [table.id for table in state.tables.values() if table.vpc not in state.born]
    return {**lives, **dict.fromkeys(tables, "available")}


def _is_up(state: WorldState, connection: Connection) -> bool:
    numbers = range(len(connection.tunnels))
    return any(read_tunnel(state, connection, number).up for number in numbers)


def _roles(
    state: WorldState, lives: Mapping[str, str], migration: MigrationId
) -> Mapping[str, tuple[str, ...]]:
    roles: dict[str, tuple[str, ...]] = {}
    # Tags may be changed by others; those of the create call show who created a resource.
    ours = [id_ for id_, tags in state.born.items() if tags.get(Tag.MIGRATION) == migration]
    for id_ in sorted(ours):
        if lives.get(id_) in LIVING:
            role = state.born[id_].get(Tag.ROLE, "")
            roles[role] = (*roles.get(role, ()), id_)
    return roles


def _paths(
    state: WorldState, table: RouteTable, carrying: set[str], brought: Brought
) -> list[tuple[str, str]]:
    written = [route for route in table.routes if route.target in carrying]
    # A static route, wherever it leads, has priority over a propagated one (domain.md 4.3).
    shadowed = {route.destination for route in table.routes}
    brings = [
        route
        for route in propagated_routes(state, table, brought)
        if route.state == "active" and route.destination not in shadowed
    ]
    return [(table.id, route.destination) for route in (*written, *brings)]


def configuration(truth: ActualState) -> frozenset[str]:
    """Return the configuration, with roles in place of the ids that the migration created.

    Two worlds of one topology have the same configuration if and only if this is equal.
    """
    role = {id_: f"<{name}>" for name, ids in truth.roles.items() for id_ in ids}

    def named(id_: str) -> str:
        return role.get(id_, id_)

    return frozenset(
        (
            *(f"{named(id_)} is {life}" for id_, life in truth.lives.items()),
            *(f"{named(gateway)} is attached" for gateway in truth.attached),
            *(f"{table} propagates {named(gateway)}" for table, gateway in truth.propagating),
            *(
                f"{table} routes {destination} to {named(target)}"
                for (table, destination), target in truth.routes.items()
            ),
            *(f"{table} is the edge table of {named(gateway)}" for table, gateway in truth.edges),
            *(f"{named(connection)} has {cidr}" for connection, cidr in truth.prefixes),
            *(f"{named(connection)} is up" for connection in truth.up),
            *(
                f"{named(id_)} is tagged {key}={value}"
                for id_, tags in truth.tags.items()
                for key, value in tags.items()
                if key not in HINTS and value != MALLORY
            ),
        )
    )
