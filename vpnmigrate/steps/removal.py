"""Removal: the parts of a clean-up, each of which a run can leave to the operator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vpnmigrate.model.changes import AwsChange
from vpnmigrate.model.ec2 import ResourceState, Role, VpnGatewayId
from vpnmigrate.model.facts import Existence, Goal, attachment_text
from vpnmigrate.model.snapshot import Snapshot
from vpnmigrate.steps.base import (
    DesiredFact,
    Lost,
    Met,
    NotYet,
    Residual,
    StepInput,
    Verdict,
    judge,
)
from vpnmigrate.steps.tags import unowned_resources


def deletion(
    name: str, subject: Role | str, change: AwsChange | None, needs: Goal | None = None
) -> DesiredFact:
    """Return the part of a clean-up that deletes *subject*; *needs* has to precede it."""
    want = deleted_goal(subject)
    return DesiredFact(name, want.fact, want.value, change, restores=True, needs=needs)


def deleted_goal(subject: Role | str) -> Goal:
    """Return the goal that *subject* is deleted."""
    return Goal(Existence(subject), ResourceState.ABSENT)


def naming_attachment(verdict: Verdict, name: str, gateway: VpnGatewayId, now: Snapshot) -> Verdict:
    """Return *verdict*; if it waits for *gateway*, called *name*, with its VPC as the reason."""
    if isinstance(verdict, NotYet):
        for vpc, attachment in now.attachments(gateway).items():
            return NotYet(f"{name} is {attachment_text(attachment, vpc)}")
    return verdict


def first_left(goals: Iterable[Goal], view: StepInput) -> Goal | None:
    """Return the first of *goals* that the run has left out, and that is not reached."""
    left_out = view.journal_facts.left_out
    left = (goal for goal in goals if goal in left_out and view.now.value(goal.fact) != goal.value)
    return next(left, None)


def optional_removals(wants: Iterable[DesiredFact], view: StepInput) -> Iterator[DesiredFact]:
    """Yield those of *wants* that a change would reach."""
    yield from (want for want in wants if want.change is not None and want.is_unmet(view.now))


def verify_removals(wants: Iterable[DesiredFact], view: StepInput) -> Verdict:
    """Return whether *wants* are reached, apart from goals left out and resources of others."""
    verdict = judge(wants, view.now, view.journal_facts.left_out)
    match verdict, unowned_resources(view.now):
        case Residual(), Lost(what, left):
            return Residual(what, left)
        case Met(), Lost() as lost:
            return lost
        case _:
            return verdict
