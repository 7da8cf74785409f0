"""Step 11: delete the Classic connections."""

from __future__ import annotations

from datetime import timedelta

from vpnmigrate.changes import ArchiveConfiguration, DeleteVpnConnection, DeleteVpnGateway
from vpnmigrate.facts import standing
from vpnmigrate.model import State
from vpnmigrate.plan import Phase, Plan
from vpnmigrate.snapshot import Snapshot, Told, Way
from vpnmigrate.steps.base import Changes, Met, NotYet, Step, Verdict


class DeleteClassic(Step):
    """Delete the old connections: the point of no return.

    A new Classic connection cannot be created (domain.md 1.1).  The customer gateways stay: the
    new connections use them.  No configuration that is not archived is ever deleted.
    """

    number = 11
    title = "Delete the old connections"
    phase = Phase.RETIRE
    limit = timedelta(minutes=40)  # deletion 30 (domain.md 3.1), and the belief delay

    def apply(self, plan: Plan, way: Way, now: Snapshot, told: Told) -> Changes:
        for old in plan.old_connections:
            if now.state(old) not in (State.AVAILABLE, State.PENDING):
                continue
            if old in told.files:
                yield DeleteVpnConnection(old, old)
            else:
                yield ArchiveConfiguration(old)

    def verify(self, plan: Plan, way: Way, now: Snapshot, told: Told) -> Verdict:
        for old in plan.old_connections:
            state = now.state(old)
            if state is not State.ABSENT:
                return NotYet(f"{old} is {state}")
        return Met()


class DeleteOldGateway(Step):
    """Delete the old virtual private gateway too, when finalize was asked to."""

    number = 11
    title = "Delete the old virtual private gateway"
    phase = Phase.RETIRE
    limit = timedelta(minutes=15)  # deletion 10 (domain.md 3.1), and the belief delay

    def apply(self, plan: Plan, way: Way, now: Snapshot, told: Told) -> Changes:
        old = plan.old_gateway
        alive = now.state(old) in (State.AVAILABLE, State.PENDING)
        if alive and not now.attachments(old):
            yield DeleteVpnGateway(old, old)

    def verify(self, plan: Plan, way: Way, now: Snapshot, told: Told) -> Verdict:
        state = now.state(plan.old_gateway)
        if state is State.ABSENT:
            return Met()
        for vpc, attachment in now.attachments(plan.old_gateway).items():
            return NotYet(f"{plan.old_gateway} is {standing(attachment, vpc)}")
        return NotYet(f"{plan.old_gateway} is {state}")
