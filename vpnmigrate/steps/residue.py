"""Residue of a cutover: goals that AWS did not make and without which the run continues."""

from __future__ import annotations

from collections.abc import Iterator

from vpnmigrate.steps.base import DesiredFact, StepInput
from vpnmigrate.steps.s07_disable_propagation import StopPropagation
from vpnmigrate.steps.s09_restore_routing import RestoreRouting

_STEPS = (StopPropagation(), RestoreRouting())
"""The steps with separable changes; without the swap of step 8 nothing else is possible."""


def separable(view: StepInput) -> Iterator[DesiredFact]:
    """Yield the missing parts of the cutover's goals without which the run can continue."""
    for step in _STEPS:
        yield from step.separable(view)


def pursued(view: StepInput) -> Iterator[DesiredFact]:
    """Yield the missing parts that were isolated once, and that AWS may make by now."""
    goals = view.journal_facts.pursued
    if goals:
        yield from (want for want in separable(view) if want.is_isolated(goals))


def residue(view: StepInput) -> tuple[DesiredFact, ...]:
    """Return the isolated parts of the cutover's goals that are still missing."""
    isolated = view.journal_facts.isolated
    return tuple(want for want in separable(view) if want.is_isolated(isolated)) if isolated else ()
