"""Forcing a gate: one by one, with a reason each, and not every gate."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from vpnmigrate.model.gates import UNFORCEABLE, Force, Seen


def forced(gates: Iterable[Seen], forces: Iterable[Force]) -> tuple[Seen, ...]:
    """Mark the gates that do not pass and that the operator goes on from all the same.

    A force on a gate that passes, or that nobody can force, does nothing.
    """
    reasons = {force.gate: force.reason for force in forces if force.gate not in UNFORCEABLE}
    return tuple(
        seen
        if seen.lets_through or seen.gate not in reasons
        else replace(seen, forced=reasons[seen.gate])
        for seen in gates
    )
