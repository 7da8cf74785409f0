"""Step 8: swap the virtual private gateways."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from vpnmigrate.commands import Command, aws
from vpnmigrate.model.changes import AttachVpnGateway, DetachVpnGateway
from vpnmigrate.model.ec2 import Attachment, ResourceState, VpcId, VpnGatewayId
from vpnmigrate.model.facts import AttachmentOf, EdgeAssociation, Switch
from vpnmigrate.model.plan import Phase, Plan
from vpnmigrate.model.snapshot import GatewaySwap, JournalFacts, Snapshot
from vpnmigrate.steps.base import (
    Blocked,
    Met,
    MissingChanges,
    NotYet,
    Step,
    Verdict,
    is_external_change,
)

GONE = (ResourceState.ABSENT, ResourceState.DELETING)
"""Believed states of what will not carry traffic again."""


class SwapGateways(Step):
    """Put the joining virtual private gateway on the VPC in place of the leaving one.

    A VPC holds one virtual private gateway, so the joining one waits until EC2 reports the other
    detached.  Traffic, interrupted since step 7, stays down throughout.
    """

    number = 8
    title = "Swap the virtual private gateways"
    phase = Phase.CUTOVER
    limit = timedelta(minutes=45)  # slow days: 30 to detach, 15 to attach (domain.md 3.1)

    def external_changes_overwritten(
        self, plan: Plan, swap: GatewaySwap, now: Snapshot, journal_facts: JournalFacts
    ) -> Iterable[str]:
        place = AttachmentOf(plan.old_gateway, plan.vpc)
        gone = now.value(place) is Attachment.DETACHED
        if (
            swap.joining == plan.old_gateway
            and gone
            and is_external_change(place, now, journal_facts)
        ):
            yield f"{plan.old_gateway} was taken off {plan.vpc} by somebody else; it is put back"
        if now.attachment(swap.leaving, plan.vpc) is Attachment.ATTACHED:
            yield from disassociated_externally(plan, swap.leaving, now, journal_facts)

    def missing_changes(
        self, plan: Plan, swap: GatewaySwap, now: Snapshot, journal_facts: JournalFacts
    ) -> MissingChanges:
        if _stranger(plan.vpc, swap, now) or is_gone(swap.joining, now):
            return
        match now.attachment(swap.leaving, plan.vpc), now.attachment(swap.joining, plan.vpc):
            case Attachment.ATTACHED, _:
                yield DetachVpnGateway(swap.leaving, plan.vpc)
            case Attachment.DETACHED, Attachment.DETACHED if not now.attachments(swap.joining):
                yield AttachVpnGateway(swap.joining, plan.vpc)
            case _:
                pass  # EC2 is between states, or not to be believed yet: look again

    def verify(
        self, plan: Plan, swap: GatewaySwap, now: Snapshot, journal_facts: JournalFacts
    ) -> Verdict:
        gone, there = now.attachment(swap.leaving, plan.vpc), now.attachment(swap.joining, plan.vpc)
        if (gone, there) == (Attachment.DETACHED, Attachment.ATTACHED):
            return Met()
        if stranger := _stranger(plan.vpc, swap, now):
            return Blocked(
                f"{stranger} is on {plan.vpc}, and this run did not put it there",
                (
                    "find out who did; once it is detached, resume or roll back:",
                    _call("detach", stranger, plan.vpc),
                ),
            )
        if is_gone(swap.joining, now):
            return Blocked(
                f"{swap.joining} is gone: it cannot be put on {plan.vpc}",
                "go the other way: roll back if it was the new one; else resume forward",
            )
        for vpc, attachment in now.attachments(swap.joining).items():
            if vpc != plan.vpc and attachment is Attachment.ATTACHED:
                return Blocked(
                    f"{swap.joining} is attached to {vpc}, and this run did not put it there",
                    (
                        "detach it, then resume or roll back:",
                        _call("detach", swap.joining, vpc),
                    ),
                )
            if vpc != plan.vpc:
                return NotYet(f"{swap.joining} is still on {vpc}")
        return NotYet(f"{swap.joining} is {there}, {swap.leaving} is {gone}")


def _stranger(vpc: VpcId, swap: GatewaySwap, now: Snapshot) -> VpnGatewayId | None:
    others = (g for g in now.occupants(vpc) if g not in (swap.leaving, swap.joining))
    return next(iter(sorted(others)), None)


def detached_externally(plan: Plan, swap: GatewaySwap, now: Snapshot) -> Blocked | None:
    """Stop where somebody took the joining gateway off again: waiting does not bring it back."""
    place = AttachmentOf(swap.joining, plan.vpc)
    if place not in now.foreign or now.value(place) is not Attachment.DETACHED:
        return None
    return Blocked(
        f"{swap.joining} was taken off {plan.vpc} by somebody else",
        ("roll back, or attach it again and resume:", _call("attach", swap.joining, plan.vpc)),
    )


def _call(verb: str, gateway: VpnGatewayId, vpc: VpcId) -> Command:
    return aws("ec2", f"{verb}-vpn-gateway", "--vpn-gateway-id", gateway, "--vpc-id", vpc)


def disassociated_externally(
    plan: Plan, gateway: VpnGatewayId, now: Snapshot, journal_facts: JournalFacts
) -> Iterable[str]:
    """Name the edge tables that others untied from *gateway*, which was on the VPC all the time."""
    for table in plan.edge_tables:
        tie = EdgeAssociation(table.id, gateway)
        off = now.value(tie) is Switch.OFF and table.id in now.tables
        if (
            off
            and is_external_change(tie, now, journal_facts)
            and _is_or_was_tied(plan, tie, journal_facts)
        ):
            yield (
                f"edge table {table.id} was untied from {gateway} by somebody else; "
                "it is tied again"
            )


def _is_or_was_tied(plan: Plan, tie: EdgeAssociation, journal_facts: JournalFacts) -> bool:
    return tie.gateway == plan.old_gateway or (
        journal_facts.touched is not None and tie in journal_facts.touched
    )


def is_gone(gateway: VpnGatewayId, now: Snapshot) -> bool:
    """Tell whether *gateway* cannot be attached any more; a stale reading does not count."""
    known = {id_: role for role, id_ in now.ours.items()}
    return now.state(known.get(gateway, gateway)) in GONE
