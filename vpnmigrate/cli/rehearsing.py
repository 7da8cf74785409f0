"""A rehearsal, and the same plan under hardship."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from msgspec.structs import replace

from vpnmigrate.model.approval import Rehearsed
from vpnmigrate.model.plan import Plan
from vpnmigrate.rehearsal.rehearse import Rehearsal, rehearse, result_of, unbound
from vpnmigrate.rehearsal.with_faults import Hardship, undergo


def tried(
    plan: Plan, faults: int, seed: int, *, at: datetime, tool: str, tell: Callable[[str], None]
) -> tuple[Rehearsal, tuple[Hardship, ...], Rehearsed]:
    """Rehearse *plan*, and *faults* times more under hardship; one unsafe run fails it all."""
    found = rehearse(plan, tell)
    hard = (undergo(unbound(plan), faults, seed, tell),) if faults else ()
    result = result_of(found, plan, at, tool)
    unsafe = any(each.unsafe for each in hard)
    return found, hard, replace(result, passed=result.passed and not unsafe)
