"""Step 8: swap the virtual private gateways."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from vpnmigrate.model.changes import AttachVpnGateway, DetachVpnGateway
from vpnmigrate.model.ec2 import Attachment, ResourceState, VpcId, VpnGatewayId
from vpnmigrate.model.errors.commands import Advice, Command, aws
from vpnmigrate.model.facts import UNKNOWN, AttachmentOf, EdgeAssociation, Switch
from vpnmigrate.model.plan import Phase, Plan
from vpnmigrate.model.snapshot import GatewaySwap, JournalFacts, ReadingPart, Snapshot
from vpnmigrate.steps.base import (
    Blocked,
    Met,
    MissingChanges,
    NotYet,
    Step,
    StepInput,
    Verdict,
    is_external_change,
)

DELETED_STATES = (ResourceState.ABSENT, ResourceState.DELETING)
"""States of a resource that will not carry traffic again."""


class SwapGateways(Step):
    """Replace the leaving virtual private gateway on the VPC with the joining one.

    In AWS: detaches the leaving gateway and attaches the joining one.  A VPC has one virtual
    private gateway, so the attach waits until EC2 reports the other gateway detached.  Traffic,
    interrupted in step 7 or by this detach, is down during this step.

    Rollback: this step runs again with the gateways exchanged (``sequences.gateway_swap``,
    ``engine.runner.Runner.rollback``): it detaches the new gateway and attaches the old one.
    """

    number = 8
    title = "Swap the virtual private gateways"
    phase = Phase.CUTOVER
    precondition = "the joining gateway is available and attached to no other VPC"
    postcondition = "the joining gateway is attached to the VPC, the leaving one is detached"
    limit = timedelta(minutes=45)  # slow days: 30 to detach, 15 to attach (domain.md 3.1)

    def expected_for(self, plan: Plan) -> timedelta | None:
        return timedelta(seconds=90 + 90)  # detach and attach, upper values (domain.md 12.3)

    def external_changes_overwritten(self, view: StepInput) -> Iterable[str]:
        place = AttachmentOf(view.plan.old_gateway, view.plan.vpc)
        detached = view.now.value(place) is Attachment.DETACHED
        if (
            view.swap.joining == view.plan.old_gateway
            and detached
            and is_external_change(place, view.now, view.journal_facts)
        ):
            yield (
                f"{view.plan.old_gateway} was detached from {view.plan.vpc} outside this run; "
                "it is attached again"
            )
        if view.now.attachment(view.swap.leaving, view.plan.vpc) is Attachment.ATTACHED:
            yield from disassociated_externally(
                view.plan, view.swap.leaving, view.now, view.journal_facts
            )

    def awaits(self, view: StepInput) -> ReadingPart | None:
        return ReadingPart.GATEWAYS

    def missing_changes(self, view: StepInput) -> MissingChanges:
        if _third_gateway(view.plan.vpc, view.swap, view.now) or is_deleted(
            view.swap.joining, view.now
        ):
            return
        match (
            view.now.attachment(view.swap.leaving, view.plan.vpc),
            view.now.attachment(view.swap.joining, view.plan.vpc),
        ):
            case Attachment.ATTACHED, _ if not unproven_attachment(view.swap, view.now):
                yield DetachVpnGateway(view.swap.leaving, view.plan.vpc)
            case Attachment.DETACHED, Attachment.DETACHED if not view.now.attachments(
                view.swap.joining
            ):
                yield AttachVpnGateway(view.swap.joining, view.plan.vpc)
            case _:
                pass  # EC2 is between states, or the reading may be stale: observe again

    def verify(self, view: StepInput) -> Verdict:
        leaving, joining = (
            view.now.attachment(view.swap.leaving, view.plan.vpc),
            view.now.attachment(view.swap.joining, view.plan.vpc),
        )
        if (leaving, joining) == (Attachment.DETACHED, Attachment.ATTACHED):
            return Met()
        if third := _third_gateway(view.plan.vpc, view.swap, view.now):
            return blocked_cutover(
                view.plan,
                view.swap,
                view.now,
                f"{third} is attached to {view.plan.vpc}, and this run did not attach it",
                (
                    "find out who attached it; once it is detached, resume or roll back:",
                    _call("detach", third, view.plan.vpc),
                ),
            )
        if is_deleted(view.swap.joining, view.now):
            return blocked_cutover(
                view.plan,
                view.swap,
                view.now,
                f"{view.swap.joining} is gone: it cannot be attached to {view.plan.vpc}",
                "if it was the new gateway, roll back; otherwise resume the migration forward",
            )
        for vpc, attachment in view.now.attachments(view.swap.joining).items():
            if vpc != view.plan.vpc and attachment is Attachment.ATTACHED:
                return blocked_cutover(
                    view.plan,
                    view.swap,
                    view.now,
                    f"{view.swap.joining} is attached to {vpc}, and this run did not attach it",
                    (
                        "detach it, then resume or roll back:",
                        _call("detach", view.swap.joining, vpc),
                    ),
                )
            if vpc != view.plan.vpc:
                return NotYet(f"{view.swap.joining} is still attached to {vpc}")
        return NotYet(f"{view.swap.joining} is {joining}, {view.swap.leaving} is {leaving}")


def _third_gateway(vpc: VpcId, swap: GatewaySwap, now: Snapshot) -> VpnGatewayId | None:
    others = (g for g in now.occupants(vpc) if g not in (swap.leaving, swap.joining))
    return next(iter(sorted(others)), None)


def detached_externally(plan: Plan, swap: GatewaySwap, now: Snapshot) -> Blocked | None:
    """Return a verdict if the joining gateway was detached outside this run, or None."""
    place = AttachmentOf(swap.joining, plan.vpc)
    if place not in now.externally_changed or now.value(place) is not Attachment.DETACHED:
        return None
    return blocked_cutover(
        plan,
        swap,
        now,
        f"{swap.joining} was detached from {plan.vpc} outside this run",
        ("roll back, or attach it again and resume:", _call("attach", swap.joining, plan.vpc)),
    )


def _call(verb: str, gateway: VpnGatewayId, vpc: VpcId) -> Command:
    return aws("ec2", f"{verb}-vpn-gateway", "--vpn-gateway-id", gateway, "--vpc-id", vpc)


def disassociated_externally(
    plan: Plan, gateway: VpnGatewayId, now: Snapshot, journal_facts: JournalFacts
) -> Iterable[str]:
    """Yield edge tables disassociated from *gateway* outside this run while it was attached."""
    for table in plan.edge_tables:
        association = EdgeAssociation(table.id, gateway)
        off = now.value(association) is Switch.OFF and table.id in now.tables
        if (
            off
            and is_external_change(association, now, journal_facts)
            and _was_associated(plan, association, journal_facts)
        ):
            yield (
                f"edge route table {table.id} was disassociated from {gateway} outside this run; "
                "it is associated again"
            )


def _was_associated(plan: Plan, association: EdgeAssociation, journal_facts: JournalFacts) -> bool:
    return association.gateway == plan.old_gateway or (
        journal_facts.touched is not None and association in journal_facts.touched
    )


def unproven_attachment(swap: GatewaySwap, now: Snapshot) -> str:
    """Return a clause if an attachment of either gateway is unknown, or an empty string.

    While traffic flows, it is not interrupted until both are known.  While it is down, a likely
    value takes the place of an unknown one.
    """
    for gateway in (swap.leaving, swap.joining):
        if UNKNOWN in now.attachments(gateway).values():
            return f"the attachment of {gateway} is unknown: the last reading may be stale"
    return ""


def blocked_cutover(
    plan: Plan, swap: GatewaySwap, now: Snapshot, why: str, advice: Advice
) -> Blocked:
    """Return the verdict of a step of the cutover that is blocked, with what AWS shows of traffic.

    Every step of the cutover makes it here, so that none leaves an outage out.
    """
    return Blocked(why, advice, is_interrupted(plan, swap, now))


def is_interrupted(plan: Plan, swap: GatewaySwap, now: Snapshot) -> bool:
    """Return whether AWS shows that traffic is down.

    Neither gateway is attached to the VPC, or only the leaving one is and no table of the plan has
    propagation from it any more.  An unknown value shows nothing.
    """
    joining, leaving = (now.attachment(g, plan.vpc) for g in (swap.joining, swap.leaving))
    if joining is Attachment.ATTACHED or UNKNOWN in (joining, leaving):
        return False
    if leaving is not Attachment.ATTACHED:
        return True
    tables = [table.id for table in plan.propagating_tables if table.id in now.tables]
    return bool(tables) and all(
        now.propagates(table, swap.leaving) is Switch.OFF for table in tables
    )


def is_deleted(gateway: VpnGatewayId, now: Snapshot) -> bool:
    """Return whether *gateway* is deleted or being deleted; a stale reading does not count."""
    known = {id_: role for role, id_ in now.ours.items()}
    return now.state(known.get(gateway, gateway)) in DELETED_STATES
