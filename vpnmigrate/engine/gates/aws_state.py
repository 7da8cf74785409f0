"""Gates on AWS state: the old resources and their successors."""

from __future__ import annotations

from collections.abc import Iterator

from vpnmigrate.engine.gates.base import (
    GateContext,
    RollbackProofResult,
    failed,
    passed,
    plan_again,
    unknown,
    unless,
)
from vpnmigrate.model.ec2 import Attachment, ResourceState, VpnConnectionId
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.model.facts import UNKNOWN, attachment_text
from vpnmigrate.model.gates import Gate, GateResult
from vpnmigrate.model.plan import GATEWAY_ROLE, Plan
from vpnmigrate.model.snapshot import Confirmation, GatewaySwap, JournalFacts, Snapshot
from vpnmigrate.steps.base import Met, StepInput
from vpnmigrate.steps.s03_create_connections import CreateConnections

_THERE = "the old gateway attached, its connections available, its route tables present"
_UNATTACHED = "the new gateway available and not attached to a VPC"
_PREFIXES = "every new connection available, with all its static prefixes"
_AS_PLANNED = "as many old tunnels UP as when planned"
_ROLL_BACK = ("find out who changed it; roll back:", cli("rollback", "RUN"))
_OBSERVE_AGAIN = ("observe again:", cli("apply", "RUN"))


def unchanged(context: GateContext) -> GateResult:
    """Check whether the AWS configuration is unchanged, as far as a step depends on it."""
    others = context.drift.independent
    named = f"no step depends on what has changed: {'; '.join(others)}"
    return unless(
        Gate.WORLD,
        context.drift.breaking,
        named if others else "no differences",
        "the AWS configuration unchanged since planning",
        advice=plan_again("plan again"),
    )


def rollback_possible(plan: Plan, now: Snapshot, proof: RollbackProofResult | None) -> GateResult:
    """Check whether everything that a rollback needs is present, and no test of it failed."""
    faults = [*_old_side(plan, now)]
    if proof is not None and not proof.holds:
        faults.append(proof.text)
    tested = "rollback not tested" if proof is None else proof.text
    return unless(
        Gate.WAY_BACK,
        faults,
        f"{plan.old_gateway}, its connections and route tables present; {tested}",
        _THERE,
        advice=_ROLL_BACK,
    )


def _old_side(plan: Plan, now: Snapshot) -> Iterator[str]:
    attached = now.attachment(plan.old_gateway, plan.vpc)
    if attached is not Attachment.ATTACHED:
        yield f"{plan.old_gateway} is {attachment_text(attached, plan.vpc)}, not attached"
    for old in plan.old_connections:
        if now.state(old) is not ResourceState.AVAILABLE:
            yield f"{old} is {now.state(old)}, not available: a rollback would be impossible"
    for table in sorted({t.id for t in (*plan.propagating_tables, *plan.edge_tables)}):
        if now.state(table) is not ResourceState.AVAILABLE:
            yield f"{table} is {now.state(table)}"


def devices(journal_facts: JournalFacts) -> GateResult:
    """Check whether it is confirmed that every device holds its candidate configuration."""
    required = "a confirmation that the devices are configured (step 5)"
    confirmed = journal_facts.confirmations.get(Confirmation.DEVICES_CONFIGURED)
    if confirmed is None:
        return failed(Gate.DEVICES, "not confirmed", required, advice=cli("done", "RUN", "5"))
    return passed(Gate.DEVICES, f"confirmed {confirmed:%Y-%m-%d %H:%M}Z", required)


def new_connections(view: StepInput) -> GateResult:
    """Check whether the goal of step 3 holds."""
    verdict = CreateConnections().verify(view)
    if isinstance(verdict, Met):
        observed = f"{len(view.plan.old_connections)} available, no static prefix missing"
        return passed(Gate.NEW_CONNECTIONS, observed, _PREFIXES)
    return failed(Gate.NEW_CONNECTIONS, verdict.why, _PREFIXES, advice=_ROLL_BACK)


def new_gateway(swap: GatewaySwap, now: Snapshot) -> GateResult:
    """Check whether the joining gateway is not attached: a gateway can be on one VPC only."""
    state = now.state(GATEWAY_ROLE)
    if state is UNKNOWN:
        observed = "the state of the new virtual private gateway is unknown"
        return unknown(Gate.NEW_GATEWAY, observed, _UNATTACHED, advice=_OBSERVE_AGAIN)
    if state is not ResourceState.AVAILABLE:
        observed = f"the new virtual private gateway is {state}"
        return failed(Gate.NEW_GATEWAY, observed, _UNATTACHED, advice=_ROLL_BACK)
    return unless(
        Gate.NEW_GATEWAY,
        [
            f"{swap.joining} is {attachment_text(attachment, vpc)}; it must not be attached"
            for vpc, attachment in now.attachments(swap.joining).items()
        ],
        f"{swap.joining} is available and not attached",
        _UNATTACHED,
        advice=("detach it, then apply again:", cli("apply", "RUN")),
    )


def old_tunnels(plan: Plan, now: Snapshot) -> GateResult:
    """Check whether as many old tunnels are UP as when planned.

    Step 10 requires of the new side as many tunnels as are UP before step 7, so fewer prove little.
    """
    lines: list[str] = []
    worse: list[str] = []
    for record in plan.before.living:
        planned = sum(tunnel.up for tunnel in record.telemetry)
        found = _tunnels_up(now, record.id)
        if found is None:
            observed = f"{record.id} has no telemetry"
            return unknown(Gate.OLD_TUNNELS, observed, _AS_PLANNED, advice=_OBSERVE_AGAIN)
        line = f"{record.id} has {found} UP, {planned} when planned"
        lines.append(line)
        if found < planned and record.id not in plan.decisions.exceptions.connections:
            worse.append(line)
    return unless(
        Gate.OLD_TUNNELS,
        worse,
        "; ".join(lines),
        _AS_PLANNED,
        advice=(
            "restore the old tunnel, or plan again and apply that plan; once it is restored:",
            cli("apply", "RUN"),
        ),
    )


def _tunnels_up(now: Snapshot, connection: VpnConnectionId) -> int | None:
    record = now.connections.get(connection)
    return None if record is None else sum(tunnel.up for tunnel in record.telemetry)
