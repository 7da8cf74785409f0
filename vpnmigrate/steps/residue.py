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
from vpnmigrate.steps.s11_delete_classic import DeleteClassic, DeleteOldGateway

_STEPS = (StopPropagation(), RestoreRouting())
"""The steps with separable changes; without the swap of step 8 nothing else is possible."""
_REMOVALS = (
    RemoveTestVpc(),
    RemoveConnections(),
    RemoveGateway(),
    DeleteClassic(),
    DeleteOldGateway(),
    RemoveOurClaim(),
)
"""The steps of which every part is separable, in their order."""


def separable(view: StepInput) -> Iterator[DesiredFact]:
    """Yield the missing parts of the cutover's goals without which the run can continue."""
    yield from _separable(_STEPS, view)


def _separable(steps: Iterable[Step], view: StepInput) -> Iterator[DesiredFact]:
    for step in steps:
        yield from step.separable(view)


def pursued(view: StepInput) -> Iterator[DesiredFact]:
    """Yield the missing parts that were isolated once, and that AWS may make by now."""
    goals = view.journal_facts.pursued
    if goals:
        yield from (want for want in separable(view) if want.is_isolated(goals))


def residue(view: StepInput) -> tuple[DesiredFact, ...]:
    """Return the isolated parts of the cutover's goals that are still missing."""
    return _isolated(_STEPS, view)


def removal_residue(view: StepInput) -> tuple[DesiredFact, ...]:
    """Return the isolated parts of a clean-up's or finalize's goals that are still missing."""
    return _isolated(_REMOVALS, view)


def _isolated(steps: Iterable[Step], view: StepInput) -> tuple[DesiredFact, ...]:
    isolated = view.journal_facts.isolated
    if not isolated:
        return ()
    left = (want for want in _separable(steps, view) if want.is_isolated(isolated))
    return tuple(want for want in left if not want.holds_unproven)
