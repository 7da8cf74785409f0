"""Gates before finalize: traffic and archived configurations."""

from __future__ import annotations

from vpnmigrate.engine.gates.base import unless
from vpnmigrate.errors.commands import aws
from vpnmigrate.model.ec2 import ResourceState
from vpnmigrate.model.gates import Gate, GateResult
from vpnmigrate.model.plan import Plan, connection_role
from vpnmigrate.model.snapshot import JournalFacts, Snapshot
from vpnmigrate.steps.base import StepInput
from vpnmigrate.steps.traffic import degraded, missing_traffic


def traffic(view: StepInput) -> GateResult:
    """Check whether traffic flows through the new connections now."""
    few = "".join(f"; DEGRADED: {what}" for what in degraded(view))
    return unless(
        Gate.TRAFFIC,
        missing_traffic(view),
        f"traffic flows{few}",
        "traffic flowing through the new connections now",
        advice="restore this traffic, then run finalize again; rollback is still possible",
    )


def archived(plan: Plan, now: Snapshot, journal_facts: JournalFacts) -> GateResult:
    """Check whether the configuration of every connection, old and new, is in the vault."""
    roles = [connection_role(old) for old in plan.old_connections]
    new = [now.ours[role] for role in roles if now.state(role) is ResourceState.AVAILABLE]
    wanted = [*plan.old_connections, *new]
    return unless(
        Gate.ARCHIVED,
        [
            f"no configuration of {each} in the vault"
            for each in wanted
            if not journal_facts.files.get(each)
        ],
        f"{len(wanted)} configurations in the vault",
        "the configuration of every connection in the vault",
        advice=(
            f"save them, then add --force {Gate.ARCHIVED} --reason TEXT; to save them:",
            aws("ec2", "describe-vpn-connections", "--vpn-connection-ids", *wanted),
        ),
    )
