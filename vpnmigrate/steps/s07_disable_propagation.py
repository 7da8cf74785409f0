"""Step 7: disable route propagation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

from vpnmigrate.model.changes import DisablePropagation
from vpnmigrate.model.ec2 import Attachment, RouteTableId
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.model.facts import Propagation, Switch
from vpnmigrate.model.plan import Phase, Plan
from vpnmigrate.model.snapshot import GatewaySwap, Snapshot
from vpnmigrate.steps.base import (
    Blocked,
    DesiredFact,
    MissingChanges,
    NotYet,
    Step,
    StepInput,
    Verdict,
    judge,
    missing,
)
from vpnmigrate.steps.s08_swap_gateways import (
    DELETED_STATES,
    blocked_cutover,
    is_deleted,
    unproven_attachment,
)

TABLES = 10
PROPAGATION_OFF = timedelta(seconds=5)
"""For ten tables, the upper value of domain.md 12.3."""


class StopPropagation(Step):
    """Disable propagation from the leaving gateway in every route table that has it.

    In AWS: disables route propagation in each table, so its propagated routes disappear.  The
    outage begins here.  What a detach alone does to the setting is not documented (domain.md 4.1),
    so propagation is disabled, and read back, before the detach.

    Rollback: this step runs again with the gateways exchanged and disables propagation from the new
    gateway; step 9 of the rollback enables it from the old one again.
    """

    number = 7
    title = "Stop propagation"
    phase = Phase.CUTOVER
    precondition = "forward: each gate before the cutover passes or is forced; rollback: none"
    postcondition = "no table has propagation from the leaving gateway"
    limit = timedelta(minutes=15)  # 2 a call (domain.md 3.1), many tables and throttling

    def expected_for(self, plan: Plan) -> timedelta | None:
        batches = -(-len(plan.propagating_tables) // TABLES)
        return batches * PROPAGATION_OFF

    def external_changes_overwritten(self, view: StepInput) -> Iterable[str]:
        known = {table.id for table in view.plan.propagating_tables}
        for table in sorted(
            _tables_propagating_from_leaving(view.plan, view.swap, view.now) - known
        ):
            if view.now.propagates(table, view.swap.leaving) is Switch.ON:
                yield (
                    f"{table} propagates routes from {view.swap.leaving}, which was not so in the "
                    "plan; propagation ends when the gateway is detached"
                )

    def missing_changes(self, view: StepInput) -> MissingChanges:
        if not unproven_attachment(view.swap, view.now):
            yield from missing(_wants(view.plan, view.swap, view.now), view.now)

    def optional_parts(self, view: StepInput) -> Iterable[DesiredFact]:
        """Yield the tables in which propagation from the new gateway is on, in a rollback.

        Its routes lead nowhere once the gateway is detached, so the rest of the rollback continues.
        """
        if view.swap.joining == view.plan.old_gateway:
            wants = _wants(view.plan, view.swap, view.now)
            yield from (want for want in wants if want.is_unmet(view.now))

    def verify(self, view: StepInput) -> Verdict:
        if refusal := _joining_side_cannot_carry_traffic(view.plan, view.swap, view.now):
            return refusal
        wants = _wants(view.plan, view.swap, view.now)
        verdict = judge(wants, view.now, view.journal_facts.left_out)
        unproven = unproven_attachment(view.swap, view.now)
        return NotYet(unproven) if unproven and isinstance(verdict, NotYet) else verdict


def _joining_side_cannot_carry_traffic(
    plan: Plan, swap: GatewaySwap, now: Snapshot
) -> Blocked | None:
    """Return a verdict that refuses to interrupt traffic if the joining side cannot carry it."""
    if now.attachment(swap.leaving, plan.vpc) is not Attachment.ATTACHED:
        return None
    if why := _hindrance(plan, swap, now):
        return blocked_cutover(
            plan,
            swap,
            now,
            f"{why}: it cannot replace {swap.leaving}, which stays attached",
            (
                "correct that, then try again; to see the status of the run:",
                cli("status", plan.migration),
            ),
        )
    return None


def _hindrance(plan: Plan, swap: GatewaySwap, now: Snapshot) -> str:
    if is_deleted(swap.joining, now):
        return f"{swap.joining} is gone"
    for vpc, attachment in now.attachments(swap.joining).items():
        if vpc != plan.vpc and attachment is Attachment.ATTACHED:
            return f"{swap.joining} is attached to {vpc}"
    back = swap.joining == plan.old_gateway
    if back and all(now.state(old) in DELETED_STATES for old in plan.old_connections):
        return f"{swap.joining} has lost its connections ({', '.join(plan.old_connections)})"
    return ""


def _wants(plan: Plan, swap: GatewaySwap, now: Snapshot) -> Iterator[DesiredFact]:
    recorded = {t.id for t in plan.propagating_tables}
    for table in sorted(recorded | _tables_propagating_from_leaving(plan, swap, now)):
        yield DesiredFact(
            f"propagation from {swap.leaving} in {table}",
            Propagation(table, swap.leaving),
            Switch.OFF,
            DisablePropagation(table, swap.leaving),
        )


def _tables_propagating_from_leaving(
    plan: Plan, swap: GatewaySwap, now: Snapshot
) -> set[RouteTableId]:
    return {
        t.id for t in now.tables.values() if t.vpc == plan.vpc and swap.leaving in t.propagating
    }
