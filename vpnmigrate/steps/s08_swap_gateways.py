"""Step 8: swap the virtual private gateways."""

from __future__ import annotations

from datetime import timedelta

from vpnmigrate.changes import AttachVpnGateway, DetachVpnGateway
from vpnmigrate.model import Attachment, State, VpcId, VpnGatewayId
from vpnmigrate.plan import Phase, Plan
from vpnmigrate.snapshot import Snapshot, Told, Way
from vpnmigrate.steps.base import Blocked, Changes, Met, NotYet, Step, Verdict

GONE = (State.ABSENT, State.DELETING)
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

    def apply(self, plan: Plan, way: Way, now: Snapshot, told: Told) -> Changes:
        if _stranger(plan.vpc, way, now) or is_gone(way.joining, now):
            return
        match now.attachment(way.leaving, plan.vpc), now.attachment(way.joining, plan.vpc):
            case Attachment.ATTACHED, _:
                yield DetachVpnGateway(way.leaving, plan.vpc)
            case Attachment.DETACHED, Attachment.DETACHED if not now.attachments(way.joining):
                yield AttachVpnGateway(way.joining, plan.vpc)
            case _:
                pass  # EC2 is between states, or not to be believed yet: look again

    def verify(self, plan: Plan, way: Way, now: Snapshot, told: Told) -> Verdict:
        gone, there = now.attachment(way.leaving, plan.vpc), now.attachment(way.joining, plan.vpc)
        if (gone, there) == (Attachment.DETACHED, Attachment.ATTACHED):
            return Met()
        if stranger := _stranger(plan.vpc, way, now):
            return Blocked(
                f"{stranger} is on {plan.vpc}, and this run did not put it there",
                f"find out who did; once it is detached, resume or roll back "
                f"(aws ec2 detach-vpn-gateway --vpn-gateway-id {stranger} --vpc-id {plan.vpc})",
            )
        if is_gone(way.joining, now):
            return Blocked(
                f"{way.joining} is gone: it cannot be put on {plan.vpc}",
                "go the other way: roll back if it was the new one; else resume forward",
            )
        elsewhere = [vpc for vpc in now.attachments(way.joining) if vpc != plan.vpc]
        if elsewhere:
            return NotYet(f"{way.joining} is still on {elsewhere[0]}")
        return NotYet(f"{way.joining} is {there}, {way.leaving} is {gone}")


def _stranger(vpc: VpcId, way: Way, now: Snapshot) -> VpnGatewayId | None:
    others = (g for g in now.occupants(vpc) if g not in (way.leaving, way.joining))
    return next(iter(sorted(others)), None)


def is_gone(gateway: VpnGatewayId, now: Snapshot) -> bool:
    """Tell whether *gateway* cannot be attached any more; a stale reading does not count."""
    known = {id_: role for role, id_ in now.ours.items()}
    return now.state(known.get(gateway, gateway)) in GONE
