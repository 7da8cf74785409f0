"""A migration imagined: the production steps, driven over a world in which everything works.

So a plan's changes are not written a second time: they are what the steps will ask for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

from msgspec import Struct
from msgspec.structs import replace

from vpnmigrate.commands import Advice
from vpnmigrate.errors import RefusedError
from vpnmigrate.imagine.scene import Scene
from vpnmigrate.imagine.world import World, world_of
from vpnmigrate.model.changes import ArchiveConfiguration, AskOperator, Change, RunTest
from vpnmigrate.model.ec2 import Role
from vpnmigrate.model.plan import Direction, Plan, PlannedStep
from vpnmigrate.model.snapshot import Snapshot, Told, Way, Word
from vpnmigrate.steps.base import Blocked, NotYet, Step
from vpnmigrate.steps.s10_switch_tunnels import SwitchTunnels
from vpnmigrate.steps.sequences import way_of
from vpnmigrate.steps.traffic import assumed, shortfalls

__all__ = ["Scene", "Turn", "World", "opening", "turned", "walked"]

MOST_LOOKS = 1000
"""More than any step needs; one that needs more would never end."""
BETWEEN_LOOKS = timedelta(minutes=5)
"""Imagined looks lie further apart than any delay a step allows for."""
HOLDER = "the run that applies this plan"
_REPORT = "this is a fault of vpnmigrate: please report it with the survey"


class Turn(Struct, frozen=True):
    """One look of a step whose goal does not hold: the scene, what it asks for there, and why."""

    scene: Scene
    changes: tuple[Change, ...]
    """Independent of each other: any of them may be performed without the others."""
    why: str

    def after(self, changes: Iterable[Change]) -> Scene:
        """Give the scene a while later, with *changes*, all or some of ours, performed."""
        later = _after(self.scene, changes)
        return replace(later, at=later.at + BETWEEN_LOOKS)


def opening(plan: Plan, made: Mapping[Role, str]) -> Scene:
    """Give the moment before the first step; *made* has the ids of what will be created.

    A role that is not in *made* stands for its own id.
    """
    world = world_of(plan.before, plan.migration, made)
    return Scene(plan, world, plan.made, Told(holder=HOLDER))


def walked(
    scene: Scene, steps: Iterable[Step], direction: Direction
) -> tuple[tuple[PlannedStep, ...], Scene]:
    """Take *steps* from *scene* on; give their changes and the moment after the last.

    Raises:
        RefusedError: A step can never reach its goal; names the step and why.
    """
    planned: list[PlannedStep] = []
    scene = replace(scene, told=replace(scene.told, verified=None))
    for step in steps:
        changes, scene = _settled(scene, step, direction)
        planned.append(PlannedStep(step.number, step.title, step.phase, changes))
    return tuple(planned), scene


def turned(scene: Scene, step: Step, direction: Direction, now: Snapshot) -> Turn | None:
    """Give what *step* asks for when it looks at *scene* and sees *now*; None if its goal holds.

    Raises:
        RefusedError: It can never reach its goal from here; names the step and why.
    """
    way = way_of(direction, scene.plan, now)
    verdict = step.verify(scene.plan, way, now, scene.told)
    if isinstance(verdict, Blocked):
        raise _unplannable(step, verdict.why, verdict.advice)
    if not isinstance(verdict, NotYet):
        return None
    changes = tuple(step.apply(scene.plan, way, now, scene.told))
    later = _verified(scene, way, now) if isinstance(step, SwitchTunnels) else scene
    if not changes and later.told == scene.told:
        raise _unplannable(step, verdict.why, _REPORT)
    return Turn(later, changes, verdict.why)


def _settled(scene: Scene, step: Step, direction: Direction) -> tuple[tuple[Change, ...], Scene]:
    changes: list[Change] = []
    why = "it would look at AWS for ever"
    for _ in range(MOST_LOOKS):
        turn = turned(scene, step, direction, scene.look())
        if turn is None:
            return tuple(changes), scene
        why = turn.why
        changes += turn.changes
        scene = turn.after(turn.changes)
    raise _unplannable(step, why, _REPORT)


def _after(scene: Scene, changes: Iterable[Change]) -> Scene:
    for change in changes:
        match change:
            case AskOperator(_, word):
                scene = _spoken(scene, word)
            case RunTest():
                scene = _spoken(scene, Word.TEST_PASSED)
            case ArchiveConfiguration(connection):
                files = {**scene.told.files, connection: "archived"}
                scene = replace(scene, told=replace(scene.told, files=files))
            case _:
                scene = replace(scene, world=scene.world.after(change))
    return scene


def _spoken(scene: Scene, word: Word) -> Scene:
    words = {**scene.told.words, word: scene.at}
    return replace(scene, told=replace(scene.told, words=words))


def _verified(scene: Scene, way: Way, now: Snapshot) -> Scene:
    """Do as the runner does: traffic that has lacked nothing for long enough is verified."""
    if shortfalls(scene.plan, way, now, scene.told):
        return scene
    told = replace(
        scene.told,
        verified=scene.told.verified or scene.at,
        green=scene.told.green or assumed(scene.plan, now, scene.at),
    )
    return replace(scene, told=told)


def _unplannable(step: Step, why: str, advice: Advice) -> RefusedError:
    return RefusedError(
        f"step {step.number} ({step.title}) cannot be planned: {why}", advice=advice
    )
