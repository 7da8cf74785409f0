"""What is true in a world, read from its state and not through any call that may lag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vpnmigrate.model.ec2 import MigrationId, Tag
from vpnmigrate.sandbox.ec2.routes import Brought, propagated_routes
from vpnmigrate.sandbox.ec2.tunnels import read_tunnel
from vpnmigrate.sandbox.state import LIVING, Connection, RouteTable, State

HINTS = frozenset({Tag.MIGRATION, Tag.ROLE, Tag.ATTEMPT})
"""Tags that a run puts on what it makes, and that anybody may put on anything."""
MALLORY = "mallory@elsewhere/0"
"""A hostile tagger, as the holder of a claim."""
_OVER = frozenset({"unborn", "gone", "deleted"})


@dataclass(frozen=True)
class Truth:
    """A world at one moment, as far as a migration has to do with it."""

    lives: Mapping[str, str]
    """Everything that is there, by id, with its state."""
    attached: frozenset[str]
    """The gateways that are attached to the VPC."""
    roles: Mapping[str, tuple[str, ...]]
    """Roles of the migration to what lives in them; more than one is a duplicate."""
    propagating: frozenset[tuple[str, str]]
    """Tables with the gateways whose routes they take up."""
    routes: Mapping[tuple[str, str], str]
    """Tables and destinations of the routes that people wrote, to their targets."""
    edges: frozenset[tuple[str, str]]
    prefixes: frozenset[tuple[str, str]]
    """Connections with the static prefixes that are available on them."""
    up: frozenset[str]
    """Connections with a tunnel up."""
    paths: frozenset[tuple[str, str]]
    """Tables and destinations whose traffic arrives at a device."""
    tags: Mapping[str, Mapping[str, str]]


def truth_of(state: State, vpc: str, migration: MigrationId) -> Truth:
    """Read *state* as it is now; *vpc* is the one that is migrated."""
    now, lives = state.now, _lives(state)
    up = frozenset([c.id for c in state.connections.values() if _is_up(state, c)])
    attached = frozenset([g.id for g in state.gateways.values() if g.vpc(now) == vpc])
    carrying = {str(state.connections[c].gateway) for c in up} & attached
    brought: Brought = {}
    tables = [t for t in state.tables.values() if t.vpc == vpc]
    return Truth(
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


def _lives(state: State) -> dict[str, str]:
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
    return {**lives, **dict.fromkeys(state.tables, "available")}


def _is_up(state: State, connection: Connection) -> bool:
    numbers = range(len(connection.tunnels))
    return any(read_tunnel(state, connection, number).up for number in numbers)


def _roles(
    state: State, lives: Mapping[str, str], migration: MigrationId
) -> Mapping[str, tuple[str, ...]]:
    roles: dict[str, tuple[str, ...]] = {}
    # Tags may be put on and taken off by others; those of the create call tell who made a thing.
    ours = [id_ for id_, tags in state.born.items() if tags.get(Tag.MIGRATION) == migration]
    for id_ in sorted(ours):
        if lives.get(id_) in LIVING:
            role = state.born[id_].get(Tag.ROLE, "")
            roles[role] = (*roles.get(role, ()), id_)
    return roles


def _paths(
    state: State, table: RouteTable, carrying: set[str], brought: Brought
) -> list[tuple[str, str]]:
    written = [route for route in table.routes if route.target in carrying]
    brings = [r for r in propagated_routes(state, table, brought) if r.state == "active"]
    return [(table.id, route.destination) for route in (*written, *brings)]


def configuration(truth: Truth) -> frozenset[str]:
    """Say what is configured, with roles for the ids of what the migration made.

    Two worlds of one topology are configured alike if and only if this is equal.
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
