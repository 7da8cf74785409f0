"""Step 2: create the new virtual private gateway."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

from vpnmigrate.model.carry_over import successor_asn
from vpnmigrate.model.changes import CreateVpnGateway, DeleteVpnGateway
from vpnmigrate.model.ec2 import Attachment, ResourceState, VpnGatewayId
from vpnmigrate.model.facts import AttachmentOf, Goal
from vpnmigrate.model.plan import GATEWAY_ROLE, Phase, connection_role
from vpnmigrate.model.snapshot import Snapshot
from vpnmigrate.steps.base import (
    DesiredFact,
    Met,
    MissingChanges,
    NotYet,
    Step,
    StepInput,
    Verdict,
)
from vpnmigrate.steps.removal import (
    deleted_goal,
    deletion,
    first_left,
    naming_attachment,
    optional_removals,
    verify_removals,
)
from vpnmigrate.steps.tags import copied_tags, duplicate_roles, suspected


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
            and GATEWAY_ROLE not in view.now.owned.possible
        ):
            yield CreateVpnGateway(
                GATEWAY_ROLE,
                asn=successor_asn(view.plan.decisions, view.plan.before.gateway),
                tags=copied_tags(view.plan.before.gateway.tags, view.plan.decisions.tags),
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
            and GATEWAY_ROLE not in view.now.owned.ambiguous_roles
            and view.now.state(GATEWAY_ROLE) in (ResourceState.PENDING, ResourceState.AVAILABLE)
            and not view.now.attachments(VpnGatewayId(gateway))
            and first_left(_in_use_by(view), view) is None
        ):
            yield DeleteVpnGateway(GATEWAY_ROLE, gateway)

    def optional_parts(self, view: StepInput) -> Iterable[DesiredFact]:
        """Yield the gateway, if it is left."""
        yield from optional_removals(_removals(view), view)

    def verify(self, view: StepInput) -> Verdict:
        verdict, new = verify_removals(_removals(view), view), new_gateway(view.now)
        return naming_attachment(verdict, "the new virtual private gateway", new, view.now)


def _removals(view: StepInput) -> Iterator[DesiredFact]:
    if GATEWAY_ROLE in view.now.owned.ambiguous_roles:
        return
    gateway = view.now.ours.get(GATEWAY_ROLE)
    change = None if gateway is None else DeleteVpnGateway(GATEWAY_ROLE, gateway)
    needs = first_left(_in_use_by(view), view)
    yield deletion("the new virtual private gateway", GATEWAY_ROLE, change, needs)


def _in_use_by(view: StepInput) -> Iterator[Goal]:
    """Yield what has to be reached before the new gateway can be deleted."""
    for old in view.plan.old_connections:
        yield deleted_goal(connection_role(old))
    gateway = new_gateway(view.now)
    for vpc in view.now.attachments(gateway):
        yield Goal(AttachmentOf(gateway, vpc), Attachment.DETACHED)
