"""Outage estimate: how long a cutover interrupts traffic, as expected and at worst."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.plan import Phase, Plan
from vpnmigrate.planning.windows import BY_DEFAULT, expected

AT_WORST = "the limits of steps 7 to 10 together"


@dataclass(frozen=True)
class OutageEstimate:
    """Length of the outage of a cutover; the soak time is not part of it, traffic flows then."""

    expected: timedelta
    source: str
    """Where ``expected`` comes from: a rehearsal, or AWS's times."""
    worst: timedelta
    """After this time the run has rolled back, or stopped and asked."""


def outage_estimate(plan: Plan, rehearsed: RehearsalResult | None) -> OutageEstimate:
    """Return the estimate for *plan*, from its last rehearsal if there was one."""
    soak = plan.decisions.waits.soak
    cutover = [step for step in plan.forward if step.phase is Phase.CUTOVER]
    worst = sum((step.limit or timedelta(0) for step in cutover), timedelta(0)) - soak
    durations = expected(plan.fingerprint, rehearsed)
    if durations is not BY_DEFAULT and rehearsed is not None:
        length = rehearsed.outage or max(rehearsed.cutover - soak, timedelta(0))
    else:
        times = [step.expected for step in cutover if step.expected is not None]
        length = sum(times, timedelta(0)) or durations.cutover
    return OutageEstimate(length, durations.source, max(worst, length))
