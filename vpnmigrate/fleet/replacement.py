"""Replacement of a campaign that has begun, by an edited file.

Limits, freezes, the error budget, accounts and everything that has not begun may change.  What has
begun may not: the schedule keeps other members from its site by its entries in the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from vpnmigrate.fleet.campaign import Campaign, FleetMember
from vpnmigrate.fleet.progress import PLAN_MAY_CHANGE, MemberState

_FOR_PEOPLE = frozenset({"name"})
"""Fields of a member that nothing is decided by."""


def replacement_faults(
    before: Campaign, after: Campaign, states: Mapping[str, MemberState]
) -> Iterator[str]:
    """Yield what *after* changes of *before* that has begun, by the *states* of its members."""
    begun = {id_ for id_, state in states.items() if state not in PLAN_MAY_CHANGE}
    waves = {member.id: wave.name for wave in after.waves for member in wave.members}
    members = {member.id: member for member in after.members}
    for wave in before.waves:
        for member in wave.members:
            if member.id not in begun:
                continue
            there, lead = members.get(member.id), f"{member.id} is {states[member.id]}"
            if there is None:
                yield f"{lead}, and is removed"
                continue
            if waves[member.id] != wave.name:
                yield f"{lead}, and is moved from wave {wave.name} to {waves[member.id]}"
            if changed := _changed(member, there):
                yield f"{lead}, and these of it change: {', '.join(changed)}"
    yield from _moved_waves(before, after, begun)


def _changed(one: FleetMember, other: FleetMember) -> list[str]:
    return [
        field
        for field in msgspec.structs.asdict(one)
        if field not in _FOR_PEOPLE and getattr(one, field) != getattr(other, field)
    ]


def _moved_waves(before: Campaign, after: Campaign, begun: set[str]) -> Iterator[str]:
    """Yield a fault if the waves up to the last that has begun are not the same, in order."""
    has_begun = [any(m.id in begun for m in wave.members) for wave in before.waves]
    if not any(has_begun):
        return
    count = len(has_begun) - has_begun[::-1].index(True)
    expected = [wave.name for wave in before.waves][:count]
    if [wave.name for wave in after.waves][:count] != expected:
        yield f"wave {expected[-1]} has begun, and the first waves are not {', '.join(expected)}"
