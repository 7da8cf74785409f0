"""Gates before finalize: traffic and archived configurations."""

from __future__ import annotations

from vpnmigrate.commands import aws
from vpnmigrate.engine.gates.base import unless
from vpnmigrate.model.ec2 import ResourceState
from vpnmigrate.model.gates import Gate, GateResult
from vpnmigrate.model.plan import Plan, connection_role
from vpnmigrate.model.snapshot import JournalFacts, Snapshot
from vpnmigrate.steps.base import StepInput
from vpnmigrate.steps.traffic import degraded, missing_traffic


def traffic(view: StepInput) -> GateResult:
    """Ask that traffic flows through the new connections now, whatever was verified before."""
    few = "".join(f"; DEGRADED: {what}" for what in degraded(view))
    return unless(
        Gate.TRAFFIC,
        missing_traffic(view),
        f"nothing is lacking{few}",
        "traffic through the new connections, now",
        advice="see that it does, then finalize again; until then rollback works",
    )


def archived(plan: Plan, now: Snapshot, journal_facts: JournalFacts) -> GateResult:
    """Ask that the configuration of every connection, old and new, is in the vault."""
    roles = [connection_role(old) for old in plan.old_connections]
    new = [now.ours[role] for role in roles if now.state(role) is ResourceState.AVAILABLE]
    wanted = [*plan.old_connections, *new]
    return unless(
        Gate.ARCHIVED,
        [
            f"no configuration of {each} in the vault"
            for each in wanted
            if each not in journal_facts.files
        ],
        f"{len(wanted)} configurations",
        "the configuration of every connection in the vault",
        advice=(
            f"keep them yourself, then add --force {Gate.ARCHIVED} --reason TEXT; to keep them:",
            aws("ec2", "describe-vpn-connections", "--vpn-connection-ids", *wanted),
        ),
    )
