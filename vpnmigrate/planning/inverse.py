"""Inverse of a change: what the plan's rollback does about the same fact."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import TypeVar

from msgspec.structs import asdict, replace

from vpnmigrate.model.changes import AwsChange, Change
from vpnmigrate.model.ec2 import Role
from vpnmigrate.model.plan import Plan

AnyChange = TypeVar("AnyChange", bound=Change)


def inverse_of(plan: Plan, change: AwsChange, made: Mapping[Role, str]) -> Change | None:
    """Return the change of the rollback that undoes *change*; None if the plan has none.

    The rollback's own steps have it as well, for a plan from before steps had their inverse.

    *made* has the ids of the resources that the run created, which the plan names by their roles.
    """
    roles: dict[str, str] = {id_: role for role, id_ in made.items()}
    ids: dict[str, str] = dict(made.items())
    fact = renamed(change, roles).fact
    stored = (undone for step in plan.forward for undone in step.inverse)
    inverses = chain(stored, (undone for step in plan.back for undone in step.changes))
    found = next((undone for undone in inverses if undone.fact == fact), None)
    return None if found is None else renamed(found, ids)


def renamed(change: AnyChange, names: Mapping[str, str]) -> AnyChange:
    """Return *change* with the ids that are in *names* replaced; a role stays as it is."""
    return replace(
        change,
        **{
            field: names[value]
            for field, value in asdict(change).items()
            if isinstance(value, str) and field not in {"role", "subject"} and value in names
        },
    )
