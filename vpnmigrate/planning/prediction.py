"""Prediction: the production steps run against a model of AWS without failures.

So a plan's changes are not written a second time: they are what the steps will ask for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from msgspec import Struct
from msgspec.structs import replace

from vpnmigrate.commands import Advice
from vpnmigrate.errors import RefusedError
from vpnmigrate.model.changes import ArchiveConfiguration, AskOperator, Change, RunTest
from vpnmigrate.model.ec2 import (
    ConnectionRecord,
    Role,
    RouteTableRecord,
    VpnConnectionId,
    VpnGatewayId,
)
from vpnmigrate.model.plan import GATEWAY_ROLE, Direction, Plan, PlannedStep
from vpnmigrate.model.snapshot import Confirmation, JournalFacts, Snapshot
from vpnmigrate.model.survey import Survey
from vpnmigrate.planning.predicted_aws import PredictedMoment, predicted_aws
from vpnmigrate.steps.base import Blocked, NotYet, Step, StepInput
from vpnmigrate.steps.s10_switch_tunnels import SwitchTunnels
from vpnmigrate.steps.sequences import FORWARD, gateway_swap
from vpnmigrate.steps.traffic import missing_traffic, stable_reading

MOST_LOOKS = 1000
"""More than any step needs; one that needs more would never end."""

BETWEEN_LOOKS = timedelta(minutes=5)
"""Imagined looks lie further apart than any delay a step allows for."""

HOLDER = "the run that applies this plan"

_REPORT = "this is a fault of vpnmigrate: please report it with the survey"


class StepProposal(Struct, frozen=True):
    """One look of a step whose goal does not hold: the scene, what it asks for there, and why."""

    scene: PredictedMoment
    changes: tuple[Change, ...]
    """Independent of each other: any of them may be performed without the others."""
    why: str

    def after(self, changes: Iterable[Change]) -> PredictedMoment:
        """Return the scene a while later, with *changes*, all or some of ours, performed."""
        later = _after(self.scene, changes)
        return replace(later, at=later.at + BETWEEN_LOOKS)


def initial_state(plan: Plan, made: Mapping[Role, str]) -> PredictedMoment:
    """Return the moment before the first step; *made* has the ids of what will be created.

    A role that is not in *made* stands for its own id.
    """
    world = predicted_aws(plan.before, plan.migration, made)
    return PredictedMoment(plan, world, plan.made, JournalFacts(holder=HOLDER))


def predict_steps(
    scene: PredictedMoment, steps: Iterable[Step], direction: Direction
) -> tuple[tuple[PlannedStep, ...], PredictedMoment]:
    """Take *steps* from *scene* on; give their changes and the moment after the last.

    Raises:
        RefusedError: A step can never reach its goal; names the step and why.
    """
    planned: list[PlannedStep] = []
    scene = replace(scene, journal_facts=replace(scene.journal_facts, verified=None))
    for step in steps:
        changes, scene = _settled(scene, step, direction)
        planned.append(PlannedStep(step.number, step.title, step.phase, changes))
    return tuple(planned), scene


def propose(
    scene: PredictedMoment, step: Step, direction: Direction, now: Snapshot
) -> StepProposal | None:
    """Return what *step* asks for when it looks at *scene* and sees *now*; None if its goal holds.

    Raises:
        RefusedError: It can never reach its goal from here; names the step and why.
    """
    view = StepInput(scene.plan, gateway_swap(direction, scene.plan, now), now, scene.journal_facts)
    verdict = step.verify(view)
    if isinstance(verdict, Blocked):
        raise _unplannable(step, verdict.why, verdict.advice)
    if not isinstance(verdict, NotYet):
        return None
    changes = tuple(step.missing_changes(view))
    later = _verified(scene, view) if isinstance(step, SwitchTunnels) else scene
    if not changes and later.journal_facts == scene.journal_facts:
        raise _unplannable(step, verdict.why, _REPORT)
    return StepProposal(later, changes, verdict.why)


def _settled(
    scene: PredictedMoment, step: Step, direction: Direction
) -> tuple[tuple[Change, ...], PredictedMoment]:
    changes: list[Change] = []
    why = "it would look at AWS for ever"
    for _ in range(MOST_LOOKS):
        turn = propose(scene, step, direction, scene.observe())
        if turn is None:
            return tuple(changes), scene
        why = turn.why
        changes += turn.changes
        scene = turn.after(turn.changes)
    raise _unplannable(step, why, _REPORT)


def _after(scene: PredictedMoment, changes: Iterable[Change]) -> PredictedMoment:
    for change in changes:
        match change:
            case AskOperator(_, word):
                scene = _spoken(scene, word)
            case RunTest():
                scene = _spoken(scene, Confirmation.TEST_PASSED)
            case ArchiveConfiguration(connection):
                files = {**scene.journal_facts.files, connection: "archived"}
                scene = replace(scene, journal_facts=replace(scene.journal_facts, files=files))
            case _:
                scene = replace(scene, world=scene.world.after(change))
    return scene


def _spoken(scene: PredictedMoment, word: Confirmation) -> PredictedMoment:
    words = {**scene.journal_facts.words, word: scene.at}
    return replace(scene, journal_facts=replace(scene.journal_facts, words=words))


def _verified(scene: PredictedMoment, view: StepInput) -> PredictedMoment:
    """Do as the runner does: traffic that has lacked nothing for long enough is verified."""
    if missing_traffic(view):
        return scene
    journal_facts = replace(
        scene.journal_facts,
        verified=scene.journal_facts.verified or scene.at,
        green=scene.journal_facts.green or stable_reading(scene.plan, view.now, scene.at),
    )
    return replace(scene, journal_facts=journal_facts)


def _unplannable(step: Step, why: str, advice: Advice) -> RefusedError:
    return RefusedError(
        f"step {step.number} ({step.title}) cannot be planned: {why}", advice=advice
    )


@dataclass(frozen=True, eq=False)
class _PlanIdentity:
    """A plan that is known again as the very same object: to hash all of it would cost more."""

    plan: Plan

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _PlanIdentity) and self.plan is other.plan

    def __hash__(self) -> int:
        return id(self.plan)


def predicted_end(plan: Plan, made: Mapping[Role, str]) -> Survey:
    """Return what a survey of the new gateway would show of its configuration after step 10.

    *made* has the ids of what was created; without them a role stands for its own id.
    """
    end = _with_roles_for_ids(_PlanIdentity(plan))

    def named(id_: str) -> str:
        return made.get(Role(id_), id_)

    def connection(record: ConnectionRecord) -> ConnectionRecord:
        gateway = record.vpn_gateway and VpnGatewayId(named(record.vpn_gateway))
        return replace(record, id=VpnConnectionId(named(record.id)), vpn_gateway=gateway)

    def table(record: RouteTableRecord) -> RouteTableRecord:
        return replace(
            record,
            propagating=tuple(VpnGatewayId(named(gateway)) for gateway in record.propagating),
            routes=tuple(replace(route, target=named(route.target)) for route in record.routes),
            associations=tuple(
                replace(tie, gateway=tie.gateway and named(tie.gateway))
                for tie in record.associations
            ),
        )

    return replace(
        end,
        gateway=replace(end.gateway, id=VpnGatewayId(named(end.gateway.id))),
        connections=tuple(map(connection, end.connections)),
        route_tables=tuple(map(table, end.route_tables)),
    )


@lru_cache(maxsize=4)
def _with_roles_for_ids(of: _PlanIdentity) -> Survey:
    """Walk all of it, once for each plan: a rehearsal with faults asks a thousand times."""
    plan = of.plan
    _, there = predict_steps(initial_state(plan, {}), FORWARD, Direction.FORWARD)
    new = VpnGatewayId(GATEWAY_ROLE)
    world = there.world
    return replace(
        plan.before,
        gateway=world.gateways[new],
        connections=tuple(c for c in world.connections.values() if c.vpn_gateway == new),
        route_tables=tuple(world.tables.values()),
    )
