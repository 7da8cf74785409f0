"""A state that a run can be left in, and what it has to be compared by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from vpnmigrate.imagine import Turn
from vpnmigrate.imagine.scene import Scene
from vpnmigrate.imagine.world import World
from vpnmigrate.model.changes import Change
from vpnmigrate.model.ec2 import CREATED_ROUTE, RouteTableRecord
from vpnmigrate.model.plan import FIRST_OF_CUTOVER, LAST_OF_CUTOVER, Direction
from vpnmigrate.model.snapshot import Told
from vpnmigrate.steps.base import Step


class Stand(Struct, frozen=True, dict=True):
    """A state a run can be left in: the moment in AWS, and where its journal stands."""

    scene: Scene
    direction: Direction
    settled: frozenset[str] = frozenset()
    """Steps that are not looked at again, by title."""
    cutting: bool = False
    """Whether a cutover was begun that no way back has undone."""
    whole: bool = True
    """Whether every look so far was carried out whole."""
    story: str = "the beginning"

    @cached_property
    def key(self) -> bytes:
        """What tells this state from others: everything but the time and the story."""
        world, told = self.scene.world, self.scene.told
        records = [
            world.gateways,
            world.connections,
            world.tables,
            world.vpcs,
            world.subnets,
            sorted(told.words),
            sorted(told.files),
            told.verified is not None,
            (self.direction, sorted(self.settled), self.cutting),
        ]
        return msgspec.json.encode(records, order="sorted")

    def after(self, step: Step, turn: Turn, changes: Sequence[Change]) -> Stand:
        """Give the state in which *changes*, all or some of the turn's, have been performed."""
        whole = len(changes) == len(turn.changes)
        in_cutover = FIRST_OF_CUTOVER <= step.number <= LAST_OF_CUTOVER and not step.cleaning
        done = [str(change) for change in changes]
        some = "" if whole else f" ({len(done)} of {len(turn.changes)} changes)"
        back = "on the way back, " if self.direction is Direction.BACK else ""
        story = f"{back}step {step.number}{some}"
        return replace(
            self,
            scene=turn.after(changes),
            cutting=self.cutting or (in_cutover and bool(done)),
            whole=self.whole and whole,
            story=f"{story}, after: {done[-1]}" if done else story,
        )

    def past(self, step: Step) -> Stand:
        """Give the state in which the goal of *step* has been seen to hold."""
        over = self.direction is Direction.BACK and step.number == LAST_OF_CUTOVER
        return replace(self, settled=self.settled | {step.title}, cutting=self.cutting and not over)

    def resumed(self) -> Stand:
        """Give the state as another process finds it: the way back is gone from its beginning."""
        return self if self.direction is Direction.FORWARD else replace(self, settled=frozenset())

    def turned_back(self) -> Stand:
        """Give the state in which a rollback begins here."""
        told = replace(self.scene.told, verified=None)
        scene = replace(self.scene, told=told)
        return replace(self, scene=scene, direction=Direction.BACK, settled=frozenset())

    def tried_again(self) -> Stand:
        """Give the state in which another attempt forward begins here."""
        told = Told(files=self.scene.told.files, holder=self.scene.told.holder)
        scene = replace(self.scene, told=told)
        return replace(self, scene=scene, direction=Direction.FORWARD, settled=frozenset())


def outline(world: World) -> frozenset[str]:
    """Give what must be as before when all is taken back; ids of associations may differ."""
    things: list[str] = [*world.connections, *world.vpcs, *world.subnets]
    for gateway in world.gateways.values():
        things.append(gateway.id)
        things += (f"{gateway.id} on {a.vpc}" for a in gateway.attachments if a.state == "attached")
        things += (f"tag {key} of {gateway.id}" for key in gateway.tags)
    for table in world.tables.values():
        things += _lines(table)
    return frozenset(things)


def _lines(table: RouteTableRecord) -> Iterator[str]:
    yield from (f"propagation from {each} in {table.id}" for each in table.propagating)
    for route in table.routes:
        if route.origin == CREATED_ROUTE:
            yield f"the route {route.destination} in {table.id} to {route.target}"
    for tie in table.associations:
        if tie.gateway:
            yield f"the edge association of {table.id} with {tie.gateway}"
