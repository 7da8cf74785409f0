"""What a check is: one question about a survey and what is to be done with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.plan import Finding
from vpnmigrate.model.survey import Survey

Findings = Iterator[Finding]
Check = Callable[[Survey, Decisions], Findings]
"""Yields nothing where all is well.  Never fails, whatever the survey says."""


def listed(things: Iterable[object]) -> str:
    """Write *things* as a list for people, in their order."""
    return ", ".join(str(thing) for thing in things)
