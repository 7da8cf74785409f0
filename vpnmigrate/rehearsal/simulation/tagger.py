"""Hostile tagger: an actor that may create and delete tags on every resource."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace as with_fields

from vpnmigrate.model.ec2 import MigrationId, Role, Tag
from vpnmigrate.model.plan import Plan
from vpnmigrate.planning.ownership import roles_of
from vpnmigrate.rehearsal.simulation.invariants import HINTS, MALLORY
from vpnmigrate.rehearsal.simulation.seeded_random import SeededRandom
from vpnmigrate.rehearsal.simulation.topology import OLD
from vpnmigrate.sandbox.scenarios.scenario import Scenario
from vpnmigrate.sandbox.world import World

_T = TypeVar("_T", bound=Struct)

LATEST = 30
"""The highest number of calls after which a drawn tagging happens."""


class Trick(StrEnum):
    """What the tagger does with tags."""

    PUT = "put a role's tags on"
    TAKE = "take every tag of the run off"
    COPY = "copy the tags of the run's next resource to"
    CLAIM = "claim"
    UNCLAIM = "take the claim off"


class Tagging(Struct, frozen=True):
    """One action of the tagger once *call* calls were sent, counted over all processes."""

    call: int
    trick: Trick
    target: int | None = None
    """The resource, by number; None for all resources."""
    role: int = 0
    """The role, by number; for all resources, that of the first of them."""

    def __str__(self) -> str:
        target = "everything" if self.target is None else f"resource {self.target}"
        return f"{self.trick} {target} (role {self.role}) after call {self.call}"


class Tagger:
    """Applies *taggings* to a world, in order."""

    def __init__(self, taggings: Sequence[Tagging], plan: Plan, world: World) -> None:
        self._left = sorted(taggings, key=lambda each: each.call)
        self._plan = plan
        self._world = world

    def acts(self, calls: int) -> None:
        """Apply the taggings that are due once *calls* calls were sent."""
        while self._left and self._left[0].call <= calls:
            self._do(self._left.pop(0))

    def _do(self, tagging: Tagging) -> None:
        living = self._living()
        targets = living if tagging.target is None else [living[tagging.target % len(living)]]
        roles = roles_of(self._plan)
        for number, target in enumerate(targets, tagging.role):
            match tagging.trick:
                case Trick.PUT:
                    self._put(target, hints(self._plan.migration, roles[number % len(roles)]))
                case Trick.TAKE:
                    self._take(target, *HINTS)
                case Trick.COPY:
                    self._put(target, self._copied(number))
                case Trick.CLAIM:
                    self._put(OLD if OLD in living else target, {Tag.CLAIM: MALLORY})
                case Trick.UNCLAIM:
                    self._take(target, Tag.CLAIM)

    def _living(self) -> list[str]:
        """Return all resources that can be tagged."""
        with self._world.to_be_read() as state:
            living = [
                *(g.id for g in state.gateways.values() if state.is_there(g)),
                *(c.id for c in state.connections.values() if state.is_there(c)),
                *(c.id for c in state.customer_gateways.values() if state.is_there(c)),
                *(v.id for v in state.vpcs.values() if state.is_there(v)),
                *(s.id for s in state.subnets.values() if state.is_there(s)),
            ]
            return sorted((*living, *state.tables))

    def _copied(self, number: int) -> dict[str, str]:
        with self._world.to_be_read() as state:
            ours = sorted(id_ for id_, tags in state.born.items() if Tag.MIGRATION in tags)
            born = state.born[ours[number % len(ours)]] if ours else {}
            return {key: value for key, value in born.items() if key in HINTS}

    def _put(self, target: str, tags: dict[str, str]) -> None:
        if tags:
            rows = [{"Key": str(key), "Value": value} for key, value in tags.items()]
            self._world.execute("ec2", "CreateTags", {"Resources": [target], "Tags": rows})

    def _take(self, target: str, *keys: str) -> None:
        rows = [{"Key": str(key)} for key in sorted(keys)]
        self._world.execute("ec2", "DeleteTags", {"Resources": [target], "Tags": rows})


def hints(migration: MigrationId, role: Role) -> dict[str, str]:
    """Return the tags that a run puts on the resource that it creates for *role*."""
    return {Tag.MIGRATION: migration, Tag.ROLE: role, Tag.ATTEMPT: "1"}


def tagged(scenario: Scenario, migration: MigrationId, roles: Sequence[Role]) -> Scenario:
    """Return *scenario* with the tags of a run on every resource, with *roles* in turn."""
    numbers = iter(range(1000))

    def marked(things: Sequence[_T]) -> tuple[_T, ...]:
        return tuple(
            with_fields(
                thing,
                tags={
                    **thing.tags,  # type: ignore[attr-defined]
                    **hints(migration, roles[next(numbers) % len(roles)]),
                },
            )
            for thing in things
        )

    return with_fields(
        scenario,
        gateways=marked(scenario.gateways),
        connections=marked(scenario.connections),
        vpcs=marked(scenario.vpcs),
        subnets=marked(scenario.subnets),
        customer_gateways=marked(scenario.customer_gateways),
        route_tables=marked(scenario.route_tables),
    )


def drawn_taggings(seed: int) -> tuple[Tagging, ...]:
    """Return the taggings drawn for the trial of *seed*; usually none."""
    random = SeededRandom(f"tagger/{seed}")
    if not random.chance(0.35):
        return ()
    tricks = (Trick.PUT, Trick.PUT, Trick.TAKE, Trick.COPY, Trick.COPY, Trick.CLAIM, Trick.UNCLAIM)
    return tuple(
        Tagging(
            random.number(0, LATEST),
            random.one(tricks),
            None if random.chance(0.2) else random.number(0, 40),
            random.number(0, 11),
        )
        for _ in range(random.number(1, 6))
    )
