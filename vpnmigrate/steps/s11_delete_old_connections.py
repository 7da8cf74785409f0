"""Step 11: delete the Classic connections."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from vpnmigrate.model.changes import ArchiveConfiguration, DeleteVpnConnection, DeleteVpnGateway
from vpnmigrate.model.ec2 import Attachment, ResourceState, VpnConnectionId
from vpnmigrate.model.facts import UNKNOWN, Archive, Goal, Switch, attachment_text
from vpnmigrate.model.plan import Phase, Plan
from vpnmigrate.model.snapshot import GatewaySwap, JournalFacts, Snapshot
from vpnmigrate.steps.base import (
    Blocked,
    DesiredFact,
    MissingChanges,
    NotYet,
    Step,
    StepInput,
    Verdict,
    judge,
)
from vpnmigrate.steps.removal import (
    deleted_goal,
    deletion,
    first_left,
    naming_attachment,
    optional_removals,
)
from vpnmigrate.steps.traffic import joining_connection, verified_recently

_LIVING = (ResourceState.AVAILABLE, ResourceState.PENDING)


class DeleteOldConnections(Step):
    """Delete the old connections: the point of no return.

    In AWS: deletes the Classic connections.  A new Classic connection cannot be created
    (domain.md 1.1), so this step cannot be rolled back.  The customer gateways stay: the new
    connections use them.  A connection is deleted only after its configuration is archived.
    """

    number = 11
    title = "Delete the old connections"
    phase = Phase.FINALIZE
    precondition = (
        "traffic flows through the new connections, and the old configurations are in the vault"
    )
    postcondition = "the old connections are deleted"
    limit = timedelta(minutes=40)  # deletion 30 (domain.md 3.1), and the consistency delay

    def missing_changes(self, view: StepInput) -> MissingChanges:
        if _still_needed(view.plan, view.swap, view.now):
            return
        for old in _left(view.plan, view.now):
            if old in view.journal_facts.files:
                yield DeleteVpnConnection(old, old)
            else:
                yield ArchiveConfiguration(old)

    def optional_parts(self, view: StepInput) -> Iterable[DesiredFact]:
        """Yield what is left of each connection: its deletion, or what has to precede it."""
        for old in view.plan.old_connections:
            want = _removal(old, view)
            if not want.is_unmet(view.now):
                continue
            if old in view.journal_facts.files:
                yield want
            else:
                change = ArchiveConfiguration(old)
                yield DesiredFact(f"the archive of {old}", change.fact, change.becomes, change)

    def verify(self, view: StepInput) -> Verdict:
        if _left(view.plan, view.now) and (why := _still_needed(view.plan, view.swap, view.now)):
            return _kept(view.plan, view.now, view.journal_facts, why)
        wants = (_removal(old, view) for old in view.plan.old_connections)
        return judge(wants, view.now, view.journal_facts.left_out)


def _removal(old: VpnConnectionId, view: StepInput) -> DesiredFact:
    """Return the deletion of *old*, which needs its archived configuration."""
    archived = None if old in view.journal_facts.files else Goal(Archive(old), Switch.ON)
    return deletion(old, old, DeleteVpnConnection(old, old), archived)


def _left(plan: Plan, now: Snapshot) -> Sequence[VpnConnectionId]:
    """Return the old connections that are not deleted or being deleted."""
    return [old for old in plan.old_connections if now.state(old) in _LIVING]


def _still_needed(plan: Plan, swap: GatewaySwap, now: Snapshot) -> str:
    """Return why the old side may be the only path now, or an empty string."""
    attached = now.attachment(swap.joining, plan.vpc)
    if attached not in (Attachment.ATTACHED, UNKNOWN):
        return f"{swap.joining} is {attachment_text(attached, plan.vpc)}"
    for old in plan.old_connections:
        new = joining_connection(plan, swap, now, old)
        excepted = old in plan.decisions.exceptions.connections
        if not excepted and (new is None or not any(t.up for t in new.telemetry)):
            return f"the successor of {old} has no tunnel UP"
    return ""


def _kept(plan: Plan, now: Snapshot, journal_facts: JournalFacts, why: str) -> NotYet | Blocked:
    """Return the verdict that keeps the old side: final once no describe can be stale."""
    if verified_recently(now, journal_facts):
        return NotYet(why)
    return Blocked(
        f"{why}: the connections of {plan.old_gateway} may be the only path, and are not deleted",
        "make sure that traffic flows through the new connections, then finalize again",
    )


class DeleteOldGateway(Step):
    """Delete the old virtual private gateway, for ``finalize --delete-old-gateway``.

    In AWS: deletes the gateway once it is detached.
    """

    number = 11
    title = "Delete the old virtual private gateway"
    phase = Phase.FINALIZE
    precondition = "the old gateway is detached and has no connection"
    postcondition = "the old gateway is deleted"
    limit = timedelta(minutes=15)  # deletion 10 (domain.md 3.1), and the consistency delay

    def missing_changes(self, view: StepInput) -> MissingChanges:
        old = view.plan.old_gateway
        alive = view.now.state(old) in _LIVING
        if alive and not view.now.attachments(old) and _has_no_connection(view):
            yield DeleteVpnGateway(old, old)

    def optional_parts(self, view: StepInput) -> Iterable[DesiredFact]:
        """Yield the gateway, if it is left."""
        yield from optional_removals((_gateway_removal(view),), view)

    def verify(self, view: StepInput) -> Verdict:
        old = view.plan.old_gateway
        verdict = judge((_gateway_removal(view),), view.now, view.journal_facts.left_out)
        return naming_attachment(verdict, old, old, view.now)


def _gateway_removal(view: StepInput) -> DesiredFact:
    old = view.plan.old_gateway
    goals = (goal for each in view.plan.old_connections for goal in _removal_goals(each))
    return deletion(old, old, DeleteVpnGateway(old, old), first_left(goals, view))


def _removal_goals(old: VpnConnectionId) -> Sequence[Goal]:
    """Return what step 11 does with a connection, each of which finalize can leave out."""
    return Goal(Archive(old), Switch.ON), deleted_goal(old)


def _has_no_connection(view: StepInput) -> bool:
    """Return whether every old connection is seen to be deleted, whatever the run has left out."""
    absent = ResourceState.ABSENT
    return all(view.now.state(old) is absent for old in view.plan.old_connections)
