"""Proof of return: from every state a plan can reach, a bounded way back, and a way forward.

The production steps are walked over the imagined AWS of ``imagine``, as in planning, but they may
be left at any point: after each change, with some changes of a look performed and others not, on
the way forward, on the way back, and on the way forward again.  A state from which the steps never
come to the end is a dead end.

Changes of one look are independent of each other, so not every subset of them is tried: each one
alone, the first few in order, and all but one (of many: each one alone, half, and all but one); and
one look is cut short at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

from vpnmigrate.errors import RefusedError
from vpnmigrate.imagine import Turn, opening, turned
from vpnmigrate.model.changes import AwsChange, Change
from vpnmigrate.model.plan import FIRST_OF_CUTOVER, LAST_OF_CUTOVER, Direction, Plan
from vpnmigrate.proving.proof import DeadEnd, Length, Proof
from vpnmigrate.proving.stand import Stand, outline
from vpnmigrate.steps.base import Step
from vpnmigrate.steps.sequences import CLAIM, CLEAN_UP, CUTOVER, FORWARD

__all__ = ["BACK", "FEW", "DeadEnd", "Length", "Proof", "prove"]

BACK: tuple[Step, ...] = (*CLAIM, *CUTOVER, *CLEAN_UP)
"""The whole way back; its step 10 is for a cutover that has begun."""

FEW = 12
"""Changes of one look of which every one is left out once; more would only cost time."""


def prove(plan: Plan, forward: Sequence[Step] = FORWARD, back: Sequence[Step] = BACK) -> Proof:
    """Walk every state that *plan* can reach by the steps *forward* and *back*; never raises."""
    return _Walk(plan, tuple(forward), tuple(back)).prove()


class _Walk:
    def __init__(self, plan: Plan, forward: Sequence[Step], back: Sequence[Step]) -> None:
        self._plan = plan
        self._steps = {Direction.FORWARD: forward, Direction.BACK: back}
        self._start = Stand(opening(plan, {}), Direction.FORWARD)
        self._lengths: dict[bytes, Length | DeadEnd] = {}
        self._under_way: set[bytes] = set()

    def prove(self) -> Proof:
        there = list(self._reached([self._start]))
        returning = list(self._reached([stand.turned_back() for stand in there]))
        begun = (*there, *returning, *(stand.tried_again() for stand in returning))
        found = [self._length(stand) for stand in begun]
        ends = dict.fromkeys(end for end in found if isinstance(end, DeadEnd))
        return Proof(
            states=len(there) + len(returning),
            back=self._longest(returning),
            forward=self._longest((*there, *(stand.tried_again() for stand in returning))),
            dead_ends=tuple(ends),
        )

    def _longest(self, stands: Sequence[Stand]) -> Length:
        lengths = [
            replace(length, begins=stand.story)
            for stand in stands
            if isinstance(length := self._length(stand), Length)
        ]
        return max(lengths, key=lambda each: (each.cutover, each.changes), default=Length())

    def _reached(self, stands: Sequence[Stand]) -> Iterator[Stand]:
        """Give *stands* and every state that a run can be left in on their way."""
        # Whole looks first: a state that is reached both ways is gone on from as whole.
        whole = [stand for stand in stands if stand.whole]
        cut = [stand for stand in stands if not stand.whole]
        seen: set[bytes] = set()
        while whole or cut:
            stand = whole.pop() if whole else cut.pop()
            if stand.key in seen:
                continue
            seen.add(stand.key)
            yield stand
            try:
                following = self._next(stand)
            except RefusedError:
                continue  # told as the dead end it is when its length is asked for
            if following is not None:
                begun, step, turn = following
                parts = _subsets(turn.changes) if stand.whole else [turn.changes]
                for left in (begun.after(step, turn, some).resumed() for some in parts):
                    (whole if left.whole else cut).append(left)

    def _length(self, stand: Stand) -> Length | DeadEnd:
        """Give how long the way from *stand* to the end of its direction is."""
        key = stand.key
        if key in self._lengths:
            return self._lengths[key]
        if key in self._under_way:
            return DeadEnd(stand.story, stand.direction, "the steps go round in a circle")
        self._under_way.add(key)
        length = self._lengths[key] = self._measured(stand)
        self._under_way.remove(key)
        return length

    def _measured(self, stand: Stand) -> Length | DeadEnd:
        try:
            following = self._next(stand)
        except RefusedError as error:
            return DeadEnd(stand.story, stand.direction, error.message)
        if following is None:
            left = tuple(self._left(stand))
            return DeadEnd(stand.story, stand.direction, "; ".join(left)) if left else Length()
        begun, step, turn = following
        rest = self._length(begun.after(step, turn, turn.changes))
        if isinstance(rest, DeadEnd):
            return replace(rest, state=stand.story)
        sent = sum(isinstance(change, AwsChange) for change in turn.changes)
        return Length(rest.changes + sent, rest.cutover + self._limit(stand, step, turn))

    def _limit(self, stand: Stand, step: Step, turn: Turn) -> timedelta:
        """Give the limit of *step*, once: where the look after this one finds its goal reached."""
        if step.cleaning or step.number < FIRST_OF_CUTOVER:
            return timedelta(0)
        later = turn.after(turn.changes)
        over = turned(later, step, stand.direction, later.look()) is None
        return step.limit_for(self._plan) if over else timedelta(0)

    def _next(self, stand: Stand) -> tuple[Stand, Step, Turn] | None:
        """Give the first step that still lacks something, with what it asks for; None at the end.

        Raises:
            RefusedError: It can never reach its goal.
        """
        now = stand.scene.look()
        for step in self._steps[stand.direction]:
            if self._is_history(stand, step):
                continue
            turn = turned(stand.scene, step, stand.direction, now)
            if turn is not None:
                return stand, step, turn
            stand = stand.past(step)
        return None

    def _is_history(self, stand: Stand, step: Step) -> bool:
        """Tell whether the runner would leave *step* out here."""
        if step.title in stand.settled:
            return True
        if stand.direction is Direction.BACK:
            return step.number == LAST_OF_CUTOVER and not stand.cutting
        return stand.cutting and 1 < step.number < FIRST_OF_CUTOVER

    def _left(self, stand: Stand) -> Iterator[str]:
        """Say how the end of a way back differs from how it was before."""
        if stand.direction is Direction.BACK:
            before, now = outline(self._start.scene.world), outline(stand.scene.world)
            yield from (f"{each} is missing" for each in sorted(before - now))
            yield from (f"{each} is left" for each in sorted(now - before))


def _subsets(changes: Sequence[Change]) -> Iterator[Sequence[Change]]:
    yield changes
    count = len(changes)
    yield from ((change,) for change in changes if count > 1)
    yield from (changes[:number] for number in range(2, count) if _is_telling(number, count))
    if count <= FEW:
        yield from ((*changes[:i], *changes[i + 1 :]) for i in range(count - 1))


def _is_telling(number: int, count: int) -> bool:
    return count <= FEW or number in (count // 2, count - 1)
