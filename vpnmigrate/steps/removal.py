"""Removal: the parts of a clean-up, each of which a run can leave to the operator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vpnmigrate.model.changes import AwsChange
from vpnmigrate.model.ec2 import ResourceState, Role
from vpnmigrate.model.facts import Existence, Goal
from vpnmigrate.steps.base import DesiredFact, Lost, Met, Residual, StepInput, Verdict, judge
from vpnmigrate.steps.tags import unowned_resources


def deletion(
    name: str, subject: Role | str, change: AwsChange | None, needs: Goal | None = None
) -> DesiredFact:
    """Return the part of a clean-up that *subject* is deleted; *needs* has to precede that."""
    gone = ResourceState.ABSENT
    return DesiredFact(name, Existence(subject), gone, change, restores=True, needs=needs)


def first_left(goals: Iterable[Goal], view: StepInput) -> Goal | None:
    """Return the first of *goals* that the run has gone on without, and that is not reached."""
    isolated = view.journal_facts.isolated
    left = (goal for goal in goals if goal in isolated and view.now.value(goal.fact) != goal.value)
    return next(left, None)


def separable_removals(wants: Iterable[DesiredFact], view: StepInput) -> Iterator[DesiredFact]:
    """Yield those of *wants* that a change would reach."""
    yield from (want for want in wants if want.change is not None and want.is_unmet(view.now))


def verify_removals(wants: Iterable[DesiredFact], view: StepInput) -> Verdict:
    """Return whether *wants* are reached, except for isolated ones and resources of others."""
    verdict = judge(wants, view.now, view.journal_facts.isolated)
    match verdict, unowned_resources(view.now):
        case Residual(), Lost(what, left):
            return Residual(what, left)
        case Met(), Lost() as lost:
            return lost
        case _:
            return verdict
