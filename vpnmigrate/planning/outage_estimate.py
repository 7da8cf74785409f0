"""Outage estimate: how long a cutover interrupts traffic, as expected and at worst."""

from __future__ import annotations

from datetime import timedelta

from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.decisions import BackOut, OldTunnels
from vpnmigrate.model.plan import OutageEstimate, Phase, Plan
from vpnmigrate.planning.windows import BY_DEFAULT, expected
from vpnmigrate.steps.sequences import CUTOVER

WAITS_THEN = "the limits of steps 7 to 10; then the run stops and waits for an operator"
ROLLED_BACK_THEN = "the limits of steps 7 to 10, and those of the rollback that follows"


def outage_estimate(plan: Plan, rehearsed: RehearsalResult | None) -> OutageEstimate:
    """Return the estimate for *plan*, from its last rehearsal if there was one."""
    soak = plan.decisions.waits.soak
    cutover = [step for step in plan.forward if step.phase is Phase.CUTOVER]
    worst, at_worst = limits(plan) - soak, WAITS_THEN
    if plan.decisions.back_out is BackOut.ROLLBACK:
        worst, at_worst = 2 * worst, ROLLED_BACK_THEN
    durations = expected(plan.fingerprint, rehearsed)
    if durations is not BY_DEFAULT and rehearsed is not None:
        length = rehearsed.outage or max(rehearsed.cutover - soak, timedelta(0))
    else:
        times = [step.expected for step in cutover if step.expected is not None]
        length = sum(times, timedelta(0)) or durations.cutover
    return OutageEstimate(length, durations.source, max(worst, length), at_worst)


_NO_DEVICES = timedelta(minutes=6)
"""AWS's usual times of ``windows.BY_DEFAULT``, without its time at the devices."""


def rollback_estimate(plan: Plan, rehearsed: RehearsalResult | None) -> tuple[timedelta, str]:
    """Return how long a rollback of *plan* takes, and the source of that.

    A plan that leaves the old tunnels enabled needs no work at the devices to restore traffic, one
    with a driver for each device no more than the limit of a call.
    """
    durations = expected(plan.fingerprint, rehearsed)
    if durations is BY_DEFAULT and plan.decisions.old_tunnels is OldTunnels.LEAVE:
        return _NO_DEVICES, "not rehearsed: at most AWS's usual times; no work at the devices"
    if durations is BY_DEFAULT and not plan.by_hand:
        longest = max(plan.driver_of(old).limit for old in plan.old_connections)
        return _NO_DEVICES + longest, "not rehearsed: AWS's usual times, and a call of each driver"
    return durations.rollback, durations.source


def limits(plan: Plan) -> timedelta:
    """Return the sum of the limits of steps 7 to 10, which are the same in either direction.

    A run uses these limits, also for a plan that was made without them.
    """
    return sum((step.limit_for(plan) for step in CUTOVER), timedelta(0))
