"""Step 3: create the new VPN connections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

from vpnmigrate.model.carry_over import (
    requested_options,
    successor_selectors,
    uses_secrets_manager,
)
from vpnmigrate.model.changes import AddStaticPrefix, CreateVpnConnection, DeleteVpnConnection
from vpnmigrate.model.decisions import InsideMode
from vpnmigrate.model.ec2 import (
    AWS_VPN,
    NAME_TAG,
    ConnectionRecord,
    ResourceState,
    VpnConnectionId,
    VpnGatewayId,
)
from vpnmigrate.model.facts import UNKNOWN, Prefix, Switch
from vpnmigrate.model.plan import GATEWAY_ROLE, Phase, Plan, connection_role
from vpnmigrate.model.snapshot import Snapshot
from vpnmigrate.steps.base import (
    Blocked,
    DesiredFact,
    Met,
    MissingChanges,
    NotYet,
    Step,
    StepInput,
    Verdict,
)
from vpnmigrate.steps.removal import deletion, optional_removals, verify_removals
from vpnmigrate.steps.s02_create_gateway import new_gateway
from vpnmigrate.steps.tags import automation_of, copied_tags, duplicate_roles, suspected

AT_ONCE = 2
"""Connections created at a time: EC2 limits concurrently changing objects (domain.md 5)."""


class CreateConnections(Step):
    """Create one successor per old connection: same customer gateway, same routing type.

    In AWS: creates VPN connections on the new gateway and adds their static prefixes.  The prefixes
    are added here, outside the outage: there is one call per prefix and no bulk call
    (domain.md 2.4).
    """

    number = 3
    title = "Create the VPN connections"
    phase = Phase.PREPARE
    precondition = "the new gateway is available"
    postcondition = (
        "each old connection has an available successor of category VPN with the same static "
        "prefixes"
    )
    # Creation can take 40 minutes (domain.md 3.1); two at a time, ten connections at most.
    limit = timedelta(minutes=200)

    def missing_changes(self, view: StepInput) -> MissingChanges:
        if view.now.state(GATEWAY_ROLE) is not ResourceState.AVAILABLE:
            return
        room = AT_ONCE - sum(_in_creation(old, view.now) for old in view.plan.before.living)
        for old in view.plan.before.living:
            role = connection_role(old.id)
            state = view.now.state(role)
            if state is ResourceState.ABSENT and room > 0 and not _foreign_connection(view, old):
                room -= 1
                yield successor(view.plan, old, new_gateway(view.now))
            elif state is ResourceState.AVAILABLE:
                new = VpnConnectionId(view.now.ours[role])
                for cidr in wanted_prefixes(old):
                    if view.now.value(Prefix(new, cidr)) is Switch.OFF:
                        yield AddStaticPrefix(new, cidr)

    def verify(self, view: StepInput) -> Met | NotYet | Blocked:
        if blocked := duplicate_roles(view.now):
            return blocked
        for old in view.plan.before.living:
            role = connection_role(old.id)
            if role in view.now.owned.possible:
                why = (
                    f"whether the successor of {old.id} was created is unknown: "
                    "the last reading may be stale"
                )
                return suspected(view.plan, view.now, role) or NotYet(why)
            if foreign := _foreign_connection(view, old):
                return foreign
            verdict = _is_ready(old, view.now)
            if not isinstance(verdict, Met):
                return verdict
        return Met()


class RemoveConnections(Step):
    """Delete the new connections.  In AWS: deletes those that step 3 created, and no others."""

    number = 3
    title = "Delete the new VPN connections"
    phase = Phase.CLEAN_UP
    precondition = "no traffic depends on the new connections"
    postcondition = "the new connections are deleted"
    limit = timedelta(minutes=40)  # deletion 30 (domain.md 3.1), and the consistency delay

    def missing_changes(self, view: StepInput) -> MissingChanges:
        for want in _removals(view):
            living = view.now.value(want.fact) in (ResourceState.PENDING, ResourceState.AVAILABLE)
            if want.change is not None and living:
                yield want.change

    def optional_parts(self, view: StepInput) -> Iterable[DesiredFact]:
        """Yield every connection that is left: none depends on another one."""
        yield from optional_removals(_removals(view), view)

    def verify(self, view: StepInput) -> Verdict:
        return verify_removals(_removals(view), view)


def _removals(view: StepInput) -> Iterator[DesiredFact]:
    for old in view.plan.old_connections:
        role = connection_role(old)
        if role in view.now.owned.ambiguous_roles:
            continue
        new = view.now.ours.get(role)
        change = None if new is None else DeleteVpnConnection(role, new)
        yield deletion(f"the successor of {old}", role, change)


def wanted_prefixes(old: ConnectionRecord) -> tuple[str, ...]:
    """Return the static prefixes that the successor of *old* needs.

    A BGP connection may list some in saved output; EC2 accepts none for it.
    """
    return old.static_prefixes if old.static_only else ()


def successor(plan: Plan, old: ConnectionRecord, gateway: VpnGatewayId) -> CreateVpnConnection:
    """Return the change that creates the successor of *old* on *gateway*."""
    if old.customer_gateway is None:
        message = f"{old.id} has no customer gateway: preflight refuses it"
        raise AssertionError(message)
    selectors = successor_selectors(plan.decisions, old)
    return CreateVpnConnection(
        connection_role(old.id),
        gateway=gateway,
        customer_gateway=old.customer_gateway,
        replaces=old.id,
        static_only=old.static_only,
        inside_cidrs=_inside_cidrs(plan, old),
        keys=plan.decisions.keys,
        tunnels=requested_options(plan.decisions, old),
        local_network=selectors.local,
        remote_network=selectors.remote,
        in_secrets_manager=uses_secrets_manager(plan.decisions, old),
        tags=copied_tags(old.tags, plan.decisions.tags),
    )


def _inside_cidrs(plan: Plan, old: ConnectionRecord) -> tuple[str, ...]:
    match plan.decisions.inside:
        case InsideMode.AMAZON:
            return ()
        case InsideMode.KEEP:
            return tuple(t.inside_cidr for t in old.tunnels if t.inside_cidr)
        case InsideMode.LISTED:
            return tuple(plan.decisions.inside_cidrs.get(old.id, ()))


def _in_creation(old: ConnectionRecord, now: Snapshot) -> bool:
    return now.state(connection_role(old.id)) in (ResourceState.PENDING, UNKNOWN)


def _foreign_connection(view: StepInput, old: ConnectionRecord) -> Blocked | None:
    """Return a verdict on a live connection between the two gateways that is not this run's.

    EC2 may return such a connection instead of creating a new one (domain.md 2.3).
    """
    now = view.now
    gateway = new_gateway(now)
    ours = set(now.ours.values()) | {duplicate for _, duplicate in now.owned.duplicates}
    for connection in now.connections.values():
        if (
            connection.vpn_gateway == gateway
            and connection.customer_gateway == old.customer_gateway
            and connection.state in ("pending", "available")
            and connection.id not in ours
        ):
            return Blocked(
                f"{connection.id} already connects {gateway} and {old.customer_gateway}, "
                "and this run did not create it",
                _about_foreign(view.plan),
            )
    return None


def _about_foreign(plan: Plan) -> str:
    """Return what to do about a connection that another program may have created."""
    keys = [key for key, _ in copied_tags(plan.before.gateway.tags, plan.decisions.tags)]
    acted_on = [key for key in keys if automation_of(key)]
    likely_causes = acted_on or [key for key in keys if key != NAME_TAG]
    advice = "find out who created it; delete it, or plan again; do not give it the run's tags"
    if not likely_causes:
        return advice
    drop = ", ".join(likely_causes)
    return (
        f"{advice}.  A program that acts on a tag copied to the new gateway may have: leave it "
        f"out in the playbook, tags: {{drop: [{drop}]}}"
    )


def _is_ready(old: ConnectionRecord, now: Snapshot) -> Met | NotYet | Blocked:
    role = connection_role(old.id)
    state = now.state(role)
    if state is not ResourceState.AVAILABLE:
        return NotYet(f"the successor of {old.id} is {state}")
    new = now.connections.get(VpnConnectionId(now.ours[role]))
    if new is None:
        return NotYet(f"the successor of {old.id} is not listed yet")
    if new.category != AWS_VPN:
        return Blocked(
            f"{new.id} was created with category {new.category!r}, not {AWS_VPN!r}",
            "roll back and ask AWS Support: the account still gets Classic connections",
        )
    for cidr in wanted_prefixes(old):
        if now.value(Prefix(new.id, cidr)) is not Switch.ON:
            return NotYet(f"static prefix {cidr} on {new.id} is not available yet")
    return Met()
