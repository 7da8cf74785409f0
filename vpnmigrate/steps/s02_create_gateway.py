"""Step 2: create the new virtual private gateway."""

from __future__ import annotations

from datetime import timedelta

from vpnmigrate.model.changes import CreateVpnGateway, DeleteVpnGateway
from vpnmigrate.model.ec2 import ResourceState, VpnGatewayId
from vpnmigrate.model.plan import GATEWAY_ROLE, Phase
from vpnmigrate.model.snapshot import Snapshot
from vpnmigrate.steps.base import Met, MissingChanges, NotYet, Step, StepInput, Verdict
from vpnmigrate.steps.tags import copied_tags, duplicate_roles, suspected, unowned_resources


def new_gateway(now: Snapshot) -> VpnGatewayId:
    """Return the new gateway's id, or the name of its role before it exists."""
    return VpnGatewayId(now.ours.get(GATEWAY_ROLE, GATEWAY_ROLE))


class CreateGateway(Step):
    """Create the new virtual private gateway.  In AWS: creates it, unattached, with its tags.

    EC2 has no client token for this call, so the tags sent with it are used to find the gateway
    after a lost answer (domain.md 2.1).
    """

    number = 2
    title = "Create the virtual private gateway"
    phase = Phase.PREPARE
    precondition = "the quota allows one more gateway in the Region"
    postcondition = "the new gateway is available and attached to no VPC"
    limit = timedelta(minutes=15)  # creation 10 (domain.md 3.1), and two consistency delays

    def missing_changes(self, view: StepInput) -> MissingChanges:
        if (
            view.now.state(GATEWAY_ROLE) is ResourceState.ABSENT
            and GATEWAY_ROLE not in view.now.owned.suspects
        ):
            yield CreateVpnGateway(
                GATEWAY_ROLE,
                asn=view.plan.decisions.asn,
                tags=copied_tags(view.plan.before.gateway.tags),
            )

    def verify(self, view: StepInput) -> Verdict:
        if blocked := duplicate_roles(view.now) or suspected(view.plan, view.now, GATEWAY_ROLE):
            return blocked
        state = view.now.state(GATEWAY_ROLE)
        if state is ResourceState.AVAILABLE:
            return Met()
        return NotYet(f"the new virtual private gateway is {state}")


class RemoveGateway(Step):
    """Delete the new gateway.  In AWS: deletes it once it is detached and has no connection."""

    number = 2
    title = "Delete the new virtual private gateway"
    phase = Phase.CLEAN_UP
    precondition = "the new gateway is detached and has no connection"
    postcondition = "the new gateway is deleted"
    limit = timedelta(minutes=15)  # deletion 10 (domain.md 3.1), and the consistency delay

    def missing_changes(self, view: StepInput) -> MissingChanges:
        gateway = view.now.ours.get(GATEWAY_ROLE)
        if (
            gateway is not None
            and GATEWAY_ROLE not in view.now.owned.contested
            and view.now.state(GATEWAY_ROLE) in (ResourceState.PENDING, ResourceState.AVAILABLE)
            and not view.now.attachments(VpnGatewayId(gateway))
        ):
            yield DeleteVpnGateway(GATEWAY_ROLE, gateway)

    def verify(self, view: StepInput) -> Verdict:
        state = view.now.state(GATEWAY_ROLE)
        if state is ResourceState.ABSENT or GATEWAY_ROLE in view.now.owned.contested:
            return unowned_resources(view.now)
        return NotYet(f"the new virtual private gateway is {state}")
