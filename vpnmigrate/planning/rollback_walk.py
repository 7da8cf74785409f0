"""Rollback walk: every reachable state of a plan, and the path to the end from each.

The production steps run against the model of AWS in ``predicted_aws``, as in planning, but may be
interrupted at any point: after each change, with some changes of a proposal made and others not;
forward, in a rollback, and forward again.  A state from which the steps never reach their end,
or reach it with other routing than required, is a dead end.

Changes of one proposal are independent of each other, so not every subset is tried: each one alone,
the first few in order, and all but one (of many: each one alone, half, and all but one).  Only one
proposal is made in part at a time.

A state has the whole world, so a walk over many route tables takes very long.  ``rollback_proof``
walks small parts of a plan; tests walk whole small plans and compare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from hashlib import sha256

import msgspec
from msgspec import Struct
from msgspec.structs import replace as replace_fields

from vpnmigrate.model.changes import Change, OperatorTask
from vpnmigrate.model.derived import derived
from vpnmigrate.model.ec2 import CREATED_ROUTE, RouteTableRecord, VpnGatewayId
from vpnmigrate.model.errors import RefusedError
from vpnmigrate.model.plan import FIRST_OF_CUTOVER, GATEWAY_ROLE, LAST_OF_CUTOVER, Direction, Plan
from vpnmigrate.model.snapshot import JournalFacts, Snapshot
from vpnmigrate.planning.predicted_aws import PredictedAws, PredictedMoment
from vpnmigrate.planning.prediction import StepProposal, initial_state, propose
from vpnmigrate.steps.base import Step
from vpnmigrate.steps.sequences import CLAIM, CLEAN_UP, CUTOVER, FORWARD

BACK: tuple[Step, ...] = (*CLAIM, *CUTOVER, *CLEAN_UP)
"""Steps of a rollback; step 10 applies only if a cutover has begun."""

SHOWN = 10
"""How many parts of the state that are not as required a dead end names."""

FEW = 12
"""Up to this many changes of a proposal, each one is left out once; more would cost too much."""


@dataclass(frozen=True)
class LongestPath:
    """The longest path to the end of a direction."""

    changes: int = 0
    """Number of mutating calls."""
    cutover: timedelta = timedelta(0)
    """Sum of the limits of those steps 7 to 10 that have something to do."""
    begins: str = ""
    """The state at its start, as text for an operator."""


@dataclass(frozen=True)
class DeadEnd:
    """A state from which the end of a direction cannot be reached."""

    state: str
    direction: Direction
    why: str

    def __str__(self) -> str:
        back = self.direction is Direction.ROLLBACK
        return f"no {'rollback' if back else 'way forward'} from {self.state}: {self.why}"


@dataclass(frozen=True)
class RollbackProof:
    """Result of the proof over all states."""

    states: int
    back: LongestPath
    """The longest rollback from any state."""
    forward: LongestPath
    """The longest path forward from any state."""
    dead_ends: tuple[DeadEnd, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every state can be rolled back and resumed forward."""
        return not self.dead_ends


def walk(
    plan: Plan, forward: Sequence[Step] = FORWARD, back: Sequence[Step] = BACK
) -> RollbackProof:
    """Return the proof of *plan* by a walk over whole worlds: for small plans; never raise."""
    return RollbackWalk(initial_state(plan, {}), tuple(forward), tuple(back)).prove()


class ReachableState(Struct, frozen=True, dict=True):
    """A state in which a run can be interrupted: the moment in AWS, and the journal."""

    scene: PredictedMoment
    direction: Direction
    settled: frozenset[str] = frozenset()
    """Titles of steps that are not verified again."""
    cutting: bool = False
    """Whether a cutover was begun and not rolled back."""
    whole: bool = True
    """Whether every proposal so far was made completely."""
    story: str = "the start"

    @cached_property
    def key(self) -> _Key:
        """Identity of the state: everything except the time and ``story``."""
        return self.moment, self.direction, self.settled, self.cutting

    @cached_property
    def moment(self) -> _Key:
        """Identity of what is observed in this state."""
        facts = self.scene.journal_facts
        recorded = frozenset(facts.confirmations), frozenset(facts.files)
        return _digest_of_world(self.scene.world), recorded, facts.verified is not None

    def after(self, step: Step, turn: StepProposal, changes: Sequence[Change]) -> ReachableState:
        """Return the state after *changes*: all or some of those that *turn* proposes."""
        whole = len(changes) == len(turn.changes)
        in_cutover = FIRST_OF_CUTOVER <= step.number <= LAST_OF_CUTOVER and not step.cleaning
        some = "" if whole else f" ({len(changes)} of {len(turn.changes)} changes)"
        back = "in a rollback, " if self.direction is Direction.ROLLBACK else ""
        story = f"{back}step {step.number}{some}"
        return replace_fields(
            self,
            scene=turn.after(changes),
            cutting=self.cutting or (in_cutover and bool(changes)),
            whole=self.whole and whole,
            story=f"{story}, after: {changes[-1]}" if changes else story,
        )

    def past(self, step: Step) -> ReachableState:
        """Return the state in which *step* is done."""
        over = self.direction is Direction.ROLLBACK and step.number == LAST_OF_CUTOVER
        return replace_fields(
            self, settled=self.settled | {step.title}, cutting=self.cutting and not over
        )

    def resumed(self) -> ReachableState:
        """Return the state for another process, which starts a rollback from its first step."""
        return (
            self
            if self.direction is Direction.FORWARD
            else replace_fields(self, settled=frozenset())
        )

    def turned_back(self) -> ReachableState:
        """Return the state in which a rollback starts here."""
        journal_facts = replace_fields(self.scene.journal_facts, verified=None)
        scene = replace_fields(self.scene, journal_facts=journal_facts)
        return replace_fields(self, scene=scene, direction=Direction.ROLLBACK, settled=frozenset())

    def tried_again(self) -> ReachableState:
        """Return the state in which another attempt forward starts here."""
        journal_facts = JournalFacts(
            files=self.scene.journal_facts.files, holder=self.scene.journal_facts.holder
        )
        scene = replace_fields(self.scene, journal_facts=journal_facts)
        return replace_fields(self, scene=scene, direction=Direction.FORWARD, settled=frozenset())


_Key = tuple[object, ...]


@derived
def _digest_of_world(world: PredictedAws) -> bytes:
    """Return a digest of *world*: worlds with equal resources have the same one."""
    tables = {id_: _digest(table) for id_, table in world.tables.items()}
    others = (world.gateways, world.connections, world.vpcs, world.subnets)
    return sha256(msgspec.json.encode((*others, tables), order="sorted")).digest()


@derived
def _digest(table: RouteTableRecord) -> str:
    return sha256(msgspec.json.encode(table, order="sorted")).hexdigest()


Subsets = Callable[[Sequence[Change]], Iterable[Sequence[Change]]]
"""Yields the parts of a proposal after which a run may be interrupted: all of it, and some."""


def subsets(changes: Sequence[Change]) -> Iterator[Sequence[Change]]:
    """Yield all *changes*, each one alone, the first few, and all but one."""
    yield changes
    count = len(changes)
    yield from ((change,) for change in changes if count > 1)
    yield from (changes[:number] for number in range(2, count) if _is_telling(number, count))
    if count <= FEW:
        yield from ((*changes[:i], *changes[i + 1 :]) for i in range(count - 1))


def _is_telling(number: int, count: int) -> bool:
    return count <= FEW or number in (count // 2, count - 1)


def calls(change: Change) -> int:
    """Return how many mutating calls *change* is: none for a person's task."""
    return int(not isinstance(change, OperatorTask))


@dataclass(frozen=True)
class _Following:
    """The first step that is not done in a state, with its proposal."""

    begun: ReachableState
    step: Step
    turn: StepProposal

    @cached_property
    def completed(self) -> ReachableState:
        """The state after the whole proposal."""
        return self.begun.after(self.step, self.turn, self.turn.changes)

    def after(self, some: Sequence[Change], *, whole: bool) -> ReachableState:
        """Return the state after *some* of the changes, or all; *whole* is that of the start."""
        complete = len(some) == len(self.turn.changes)
        later = self.completed if complete else self.begun.after(self.step, self.turn, some)
        return replace_fields(later, whole=whole and complete)


class RollbackWalk:
    """A walk over the states that *forward* and *back* can reach from one scene.

    Each state is observed once, and the step that follows is kept.
    """

    def __init__(
        self,
        scene: PredictedMoment,
        forward: Sequence[Step],
        back: Sequence[Step],
        parts: Subsets = subsets,
        *,
        weight: Callable[[Change], int] = calls,
    ) -> None:
        """Start at *scene*; *weight* is how many calls of the plan a change stands for."""
        self._steps = {Direction.FORWARD: forward, Direction.ROLLBACK: back}
        self._start = ReachableState(scene, Direction.FORWARD)
        self._parts = parts
        self._weight = weight
        self._before = outline(scene.world)
        moved = (_moved(table, scene.plan) for table in scene.world.tables.values())
        self._goal = frozenset(line for table in moved for line in _lines(table))
        self._lengths: dict[_Key, LongestPath | DeadEnd] = {}
        self._under_way: set[_Key] = set()
        self._following: dict[_Key, _Following | RefusedError | None] = {}
        self._observed: dict[_Key, Snapshot] = {}
        self._proposals: dict[_Key, StepProposal | None] = {}

    def prove(self) -> RollbackProof:
        """Return the proof for every state; never raise."""
        there = list(self._reached([self._start]))
        returning = list(self._reached([reached.turned_back() for reached in there]))
        begun = (*there, *returning, *(reached.tried_again() for reached in returning))
        found = [self._length(reached) for reached in begun]
        ends = dict.fromkeys(end for end in found if isinstance(end, DeadEnd))
        return RollbackProof(
            states=len(there) + len(returning),
            back=self._longest(returning),
            forward=self._longest((*there, *(reached.tried_again() for reached in returning))),
            dead_ends=tuple(ends),
        )

    def changes(self) -> Mapping[Direction, frozenset[Change]]:
        """Return the changes of the uninterrupted ways: forward, and back from its end."""
        forward, end = self._way(self._start)
        back, _ = self._way(end.turned_back())
        return {Direction.FORWARD: forward, Direction.ROLLBACK: back}

    def _way(self, reached: ReachableState) -> tuple[frozenset[Change], ReachableState]:
        made: set[Change] = set()
        while isinstance(following := self._next(reached), _Following):
            made.update(following.turn.changes)
            reached = following.completed
        return frozenset(made), reached

    def _longest(self, starts: Sequence[ReachableState]) -> LongestPath:
        lengths = [
            replace(length, begins=reached.story)
            for reached in starts
            if isinstance(length := self._length(reached), LongestPath)
        ]
        return max(lengths, key=lambda each: (each.cutover, each.changes), default=LongestPath())

    def _reached(self, starts: Sequence[ReachableState]) -> Iterator[ReachableState]:
        """Yield *starts* and every state in which a run from there can be interrupted."""
        # Complete proposals first: a state reached both ways counts as whole.
        whole = [reached for reached in starts if reached.whole]
        cut = [reached for reached in starts if not reached.whole]
        seen: set[_Key] = set()
        while whole or cut:
            reached = whole.pop() if whole else cut.pop()
            if reached.key in seen:
                continue
            seen.add(reached.key)
            yield reached
            following = self._next(reached)
            if not isinstance(following, _Following):
                continue  # The end; or a dead end, which ``_length`` reports.
            every = following.turn.changes
            for some in self._parts(every) if reached.whole else (every,):
                left = following.after(some, whole=reached.whole).resumed()
                (whole if left.whole else cut).append(left)

    def _length(self, reached: ReachableState) -> LongestPath | DeadEnd:
        """Return the length of the path from *reached* to the end of its direction."""
        key = reached.key
        if key in self._lengths:
            return self._lengths[key]
        if key in self._under_way:
            return DeadEnd(reached.story, reached.direction, "the steps repeat without end")
        self._under_way.add(key)
        length = self._lengths[key] = self._measured(reached)
        self._under_way.remove(key)
        return length

    def _measured(self, reached: ReachableState) -> LongestPath | DeadEnd:
        following = self._next(reached)
        if isinstance(following, RefusedError):
            return DeadEnd(reached.story, reached.direction, following.message)
        if following is None:
            left = tuple(self._left(reached))
            if not left:
                return LongestPath()
            more = f"; and {len(left) - SHOWN} more" if len(left) > SHOWN else ""
            return DeadEnd(reached.story, reached.direction, "; ".join(left[:SHOWN]) + more)
        later = following.completed
        rest = self._length(later)
        if isinstance(rest, DeadEnd):
            return replace(rest, state=reached.story)
        sent = sum(map(self._weight, following.turn.changes))
        return LongestPath(rest.changes + sent, rest.cutover + self._limit(following.step, later))

    def _limit(self, step: Step, later: ReachableState) -> timedelta:
        """Return the limit of *step*, counted once: when the next observation finds it done."""
        if step.cleaning or step.number < FIRST_OF_CUTOVER:
            return timedelta(0)
        following = self._next(later)
        again = isinstance(following, _Following) and following.step is step
        return timedelta(0) if again else step.limit_for(later.scene.plan)

    def _next(self, reached: ReachableState) -> _Following | RefusedError | None:
        """Return what follows *reached*: None at the end, an error if a step is stuck."""
        key = reached.key
        if key not in self._following:
            try:
                self._following[key] = self._proposed(reached)
            except RefusedError as error:
                self._following[key] = error
        return self._following[key]

    def _proposed(self, reached: ReachableState) -> _Following | None:
        """Return the first step that is not done, with its proposal; None at the end.

        Raises:
            RefusedError: The step can never reach its goal.
        """
        for step in self._steps[reached.direction]:
            if self._is_history(reached, step):
                continue
            turn = self._proposal(reached, step)
            if turn is not None:
                return _Following(reached, step, turn)
            reached = reached.past(step)
        return None

    def _proposal(self, reached: ReachableState, step: Step) -> StepProposal | None:
        """Return what *step* proposes in *reached*; None if its goal holds.

        States that differ in what the runner would skip share it.

        Raises:
            RefusedError: The step can never reach its goal.
        """
        asked = reached.moment, reached.direction, step
        if asked not in self._proposals:
            now = self._observed.get(reached.moment)
            if now is None:
                now = self._observed[reached.moment] = reached.scene.observe()
            self._proposals[asked] = propose(reached.scene, step, reached.direction, now)
        return self._proposals[asked]

    def _is_history(self, reached: ReachableState, step: Step) -> bool:
        """Return whether the runner would skip *step* here."""
        if step.title in reached.settled:
            return True
        if reached.direction is Direction.ROLLBACK:
            return step.number == LAST_OF_CUTOVER and not reached.cutting
        return reached.cutting and 1 < step.number < FIRST_OF_CUTOVER

    def _left(self, reached: ReachableState) -> Iterator[str]:
        """Yield how the end differs: of a rollback from the state before, forward from its goal."""
        now = outline(reached.scene.world)
        if reached.direction is Direction.ROLLBACK:
            yield from (f"{each} is missing" for each in sorted(self._before - now))
            yield from (f"{each} is left" for each in sorted(now - self._before))
        else:
            yield from (f"{each} is missing" for each in sorted(self._goal - now))


def _moved(table: RouteTableRecord, plan: Plan) -> RouteTableRecord:
    """Return *table* as it must be at the end of step 9: all that led to the old gateway moved."""
    old, new = plan.old_gateway, VpnGatewayId(GATEWAY_ROLE)
    return replace_fields(
        table,
        propagating=tuple(new if each == old else each for each in table.propagating),
        routes=tuple(
            replace_fields(route, target=new) if route.target == old else route
            for route in table.routes
        ),
        associations=tuple(
            replace_fields(tie, gateway=new) if tie.gateway == old else tie
            for tie in table.associations
        ),
    )


def outline(world: PredictedAws) -> frozenset[str]:
    """Return what must be as before after a rollback; ids of associations may differ."""
    things: list[str] = [*world.connections, *world.vpcs, *world.subnets]
    for gateway in world.gateways.values():
        things.append(gateway.id)
        things += (f"{gateway.id} on {a.vpc}" for a in gateway.attachments if a.state == "attached")
        things += (f"tag {key} of {gateway.id}" for key in gateway.tags)
    for table in world.tables.values():
        things += _lines(table)
    return frozenset(things)


@derived
def _lines(table: RouteTableRecord) -> tuple[str, ...]:
    """Return what a rollback must restore in *table*."""
    return (
        *(f"propagation from {each} in {table.id}" for each in table.propagating),
        *(
            f"the route {route.destination} in {table.id} to {route.target}"
            for route in table.routes
            if route.origin == CREATED_ROUTE
        ),
        *(
            f"the edge association of {table.id} with {tie.gateway}"
            for tie in table.associations
            if tie.gateway
        ),
    )
