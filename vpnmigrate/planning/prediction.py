"""Prediction: the production steps run against a model of AWS without failures.

So a plan's changes need no code of their own: they are the changes that the steps propose.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from vpnmigrate.model.changes import ArchiveConfiguration, AskOperator, AwsChange, Change, RunTest
from vpnmigrate.model.ec2 import (
    ConnectionRecord,
    Role,
    RouteTableRecord,
    VpnConnectionId,
    VpnGatewayId,
)
from vpnmigrate.model.errors import RefusedError
from vpnmigrate.model.errors.commands import Advice
from vpnmigrate.model.plan import GATEWAY_ROLE, Direction, Plan, PlannedStep
from vpnmigrate.model.snapshot import Confirmation, JournalFacts, Snapshot
from vpnmigrate.model.survey import Survey
from vpnmigrate.planning.predicted_aws import PredictedMoment, predicted_aws
from vpnmigrate.steps.base import Blocked, NotYet, Step, StepInput, Verdict
from vpnmigrate.steps.s10_switch_tunnels import SwitchTunnels
from vpnmigrate.steps.sequences import FORWARD, gateway_swap
from vpnmigrate.steps.traffic import first_missing, lacks_tunnels, stable_reading

MOST_LOOKS = 1000
"""Limit of observations per step; a step that needs more would never end."""

BETWEEN_LOOKS = timedelta(minutes=5)
"""Time between predicted observations: longer than any delay that a step waits for."""

HOLDER = "the run that applies this plan"

_REPORT = "this is a bug in vpnmigrate: please report it with the survey"


class StepProposal(Struct, frozen=True):
    """A step whose goal does not hold: the scene, the changes it proposes, and why."""

    scene: PredictedMoment
    changes: tuple[Change, ...]
    """Changes that are independent of each other: each may be made without the others."""
    why: str

    def after(self, changes: Iterable[Change]) -> PredictedMoment:
        """Return a later scene, after *changes*: all or some of the proposed ones."""
        later = _after(self.scene, changes)
        return replace(later, at=later.at + BETWEEN_LOOKS)


def initial_state(plan: Plan, made: Mapping[Role, str]) -> PredictedMoment:
    """Return the moment before the first step; *made* has ids of resources to be created.

    A role that is not in *made* is its own id.
    """
    world = predicted_aws(plan.before, plan.migration, made)
    return PredictedMoment(plan, world, plan.made, JournalFacts(holder=HOLDER))


def predict_steps(
    scene: PredictedMoment, steps: Iterable[Step], direction: Direction
) -> tuple[tuple[PlannedStep, ...], PredictedMoment]:
    """Return the changes of *steps* from *scene* on, and the moment after the last step.

    Raises:
        RefusedError: A step can never reach its goal; the message names the step and why.
    """
    planned: list[PlannedStep] = []
    scene = replace(scene, journal_facts=replace(scene.journal_facts, verified=None))
    for step in steps:
        changes, scene = _settled(scene, step, direction)
        planned.append(
            PlannedStep(
                step.number,
                step.title,
                step.phase,
                changes,
                limit=step.limit_for(scene.plan),
                expected=step.expected_for(scene.plan),
                precondition=step.precondition,
                postcondition=step.postcondition,
            )
        )
    return tuple(planned), scene


def propose(
    scene: PredictedMoment, step: Step, direction: Direction, now: Snapshot
) -> StepProposal | None:
    """Return what *step* proposes in *scene*, observed as *now*; None if its goal holds.

    Raises:
        RefusedError: It can never reach its goal from here; the message names the step and why.
    """
    view = StepInput(scene.plan, gateway_swap(direction, scene.plan, now), now, scene.journal_facts)
    verdict = _verdict(step, view)
    if isinstance(verdict, Blocked):
        raise _unplannable(step, verdict.why, verdict.advice)
    if not isinstance(verdict, NotYet):
        return None
    changes = tuple(step.missing_changes(view))
    later = _verified(scene, view) if isinstance(step, SwitchTunnels) else scene
    if not changes and later.journal_facts == scene.journal_facts:
        raise _unplannable(step, verdict.why, _REPORT)
    return StepProposal(later, changes, verdict.why)


def _verdict(step: Step, view: StepInput) -> Verdict:
    """Return the verdict of *step*: without tunnels, no destination needs to be compared."""
    if isinstance(step, SwitchTunnels) and lacks_tunnels(view):
        return NotYet("the tunnels are not UP")
    return step.verify(view)


def proposals(scene: PredictedMoment, step: Step, direction: Direction) -> Iterator[StepProposal]:
    """Yield what *step* proposes from *scene* on, each after the one before, until its goal holds.

    Raises:
        RefusedError: It can never reach its goal; the message names the step and why.
    """
    why = "it would never finish"
    for _ in range(MOST_LOOKS):
        turn = propose(scene, step, direction, scene.observe())
        if turn is None:
            return
        yield turn
        why = turn.why
        scene = turn.after(turn.changes)
    raise _unplannable(step, why, _REPORT)


def _settled(
    scene: PredictedMoment, step: Step, direction: Direction
) -> tuple[tuple[Change, ...], PredictedMoment]:
    changes: list[Change] = []
    for turn in proposals(scene, step, direction):
        changes += turn.changes
        scene = turn.after(turn.changes)
    return tuple(changes), scene


_OUTSIDE_AWS: Final = (AskOperator, RunTest, ArchiveConfiguration)


def _after(scene: PredictedMoment, changes: Iterable[Change]) -> PredictedMoment:
    sent: list[AwsChange] = []
    for change in changes:
        if not isinstance(change, _OUTSIDE_AWS):  # nearly all
            sent.append(change)
            continue
        match change:
            case AskOperator(_, confirmation):
                scene = _confirmed(scene, confirmation)
            case RunTest():
                scene = _confirmed(scene, Confirmation.TEST_PASSED)
            case ArchiveConfiguration(connection):
                files = {**scene.journal_facts.files, connection: "archived"}
                scene = replace(scene, journal_facts=replace(scene.journal_facts, files=files))
    return replace(scene, world=scene.world.after(sent)) if sent else scene


def _confirmed(scene: PredictedMoment, confirmation: Confirmation) -> PredictedMoment:
    words = {**scene.journal_facts.confirmations, confirmation: scene.at}
    return replace(scene, journal_facts=replace(scene.journal_facts, confirmations=words))


def _verified(scene: PredictedMoment, view: StepInput) -> PredictedMoment:
    """Return *scene* with traffic verified if nothing is missing, as the runner does."""
    if first_missing(view):
        return scene
    journal_facts = replace(
        scene.journal_facts,
        verified=scene.journal_facts.verified or scene.at,
        stability=scene.journal_facts.stability or stable_reading(scene.plan, view.now, scene.at),
    )
    return replace(scene, journal_facts=journal_facts)


def _unplannable(step: Step, why: str, advice: Advice) -> RefusedError:
    return RefusedError(
        f"step {step.number} ({step.title}) cannot be planned: {why}", advice=advice
    )


@dataclass(frozen=True, eq=False)
class _PlanIdentity:
    """A plan compared by identity: hashing the whole plan would cost more."""

    plan: Plan

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _PlanIdentity) and self.plan is other.plan

    def __hash__(self) -> int:
        return id(self.plan)


def predicted_end(plan: Plan, made: Mapping[Role, str]) -> Survey:
    """Return the predicted survey of the new gateway after step 10, as far as it is configuration.

    *made* has the ids of created resources; a role without one is its own id.
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
    """Return the predicted end of a plan, cached: a rehearsal with faults needs it 1,000 times."""
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
