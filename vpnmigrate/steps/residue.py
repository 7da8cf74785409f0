"""Residue of a cutover or clean-up: missing goals without which the run continues."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vpnmigrate.steps.base import DesiredFact, Step, StepInput
from vpnmigrate.steps.s01_claim_gateway import RemoveOurClaim
from vpnmigrate.steps.s02_create_gateway import RemoveGateway
from vpnmigrate.steps.s03_create_connections import RemoveConnections
from vpnmigrate.steps.s06_test_vpc import RemoveTestVpc
from vpnmigrate.steps.s07_disable_propagation import StopPropagation
from vpnmigrate.steps.s09_restore_routing import RestoreRouting
from vpnmigrate.steps.s11_delete_old_connections import DeleteOldConnections, DeleteOldGateway

_STEPS = (StopPropagation(), RestoreRouting())
"""The steps with optional parts; without the swap of step 8 nothing else is possible."""
_REMOVALS = (
    RemoveTestVpc(),
    RemoveConnections(),
    RemoveGateway(),
    DeleteOldConnections(),
    DeleteOldGateway(),
    RemoveOurClaim(),
)
"""The steps of which every part is optional, in their order."""


def optional_parts(view: StepInput) -> Iterator[DesiredFact]:
    """Yield the missing parts of the cutover's goals without which the run can continue."""
    yield from _optional_parts(_STEPS, view)


def _optional_parts(steps: Iterable[Step], view: StepInput) -> Iterator[DesiredFact]:
    for step in steps:
        yield from step.optional_parts(view)


def once_left_out(view: StepInput) -> Iterator[DesiredFact]:
    """Yield the missing parts that were left out once, and that AWS may make by now."""
    goals = view.journal_facts.once_left_out
    if goals:
        yield from (want for want in optional_parts(view) if want.is_left_out(goals))


def residue(view: StepInput) -> tuple[DesiredFact, ...]:
    """Return the parts left out of the cutover's goals that are still missing."""
    return _left_out(_STEPS, view)


def removal_residue(view: StepInput) -> tuple[DesiredFact, ...]:
    """Return the parts left out of a clean-up's or finalize's goals that are still missing."""
    return _left_out(_REMOVALS, view)


def _left_out(steps: Iterable[Step], view: StepInput) -> tuple[DesiredFact, ...]:
    left_out = view.journal_facts.left_out
    if not left_out:
        return ()
    left = (want for want in _optional_parts(steps, view) if want.is_left_out(left_out))
    return tuple(want for want in left if not want.holds_unproven)
