"""Inverse of a change, and of a step: the changes of the plan's rollback to the same facts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from msgspec.structs import asdict, replace

from vpnmigrate.model.changes import AskOperator, AwsChange, Change
from vpnmigrate.model.ec2 import Role
from vpnmigrate.model.facts import Fact
from vpnmigrate.model.plan import Plan, PlannedStep

AnyChange = TypeVar("AnyChange", bound=Change)


def with_inverses(
    forward: Sequence[PlannedStep], back: Iterable[PlannedStep]
) -> tuple[PlannedStep, ...]:
    """Return the steps of *forward*, each with the changes of *back* that undo it.

    A change is undone by the one that alters the same fact; a task at the devices by those of the
    same step of the rollback.
    """
    undoing = [(step.number, change) for step in back for change in step.changes]
    places: defaultdict[Fact | int, list[int]] = defaultdict(list)
    for place, (number, change) in enumerate(undoing):
        places[number if isinstance(change, AskOperator) else change.fact].append(place)
    undone = ([undoing[place][1] for place in _places(step, places)] for step in forward)
    return tuple(
        replace(step, inverse=tuple(changes)) for step, changes in zip(forward, undone, strict=True)
    )


def _places(step: PlannedStep, places: Mapping[Fact | int, Sequence[int]]) -> list[int]:
    """Return the places of what undoes *step*: of its facts, and of the tasks with its number."""
    undone: set[Fact | int] = {change.fact for change in step.changes}
    if any(isinstance(change, AskOperator) for change in step.changes):
        undone.add(step.number)
    return sorted(place for each in undone for place in places.get(each, ()))


def inverse_of(plan: Plan, change: AwsChange, made: Mapping[Role, str]) -> Change | None:
    """Return the change of the rollback that undoes *change*; None if the plan has none.

    *made* has the ids of the resources that the run created, which the plan names by their roles.
    """
    roles: dict[str, str] = {id_: role for role, id_ in made.items()}
    ids: dict[str, str] = dict(made.items())
    fact = _renamed(change, roles).fact
    undoing = (undone for step in plan.back for undone in step.changes)
    found = next((undone for undone in undoing if undone.fact == fact), None)
    return None if found is None else _renamed(found, ids)


def _renamed(change: AnyChange, names: Mapping[str, str]) -> AnyChange:
    """Return *change* with the ids that are in *names* replaced; a role stays as it is."""
    return replace(
        change,
        **{
            field: names[value]
            for field, value in asdict(change).items()
            if isinstance(value, str) and field not in {"role", "subject"} and value in names
        },
    )
