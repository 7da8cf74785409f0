"""Gates on AWS state: the old resources and their successors."""

from __future__ import annotations

from collections.abc import Iterator

from vpnmigrate.commands import cli
from vpnmigrate.engine.gates.base import (
    GateContext,
    RollbackTrial,
    failed,
    passed,
    unknown,
    unless,
)
from vpnmigrate.model.ec2 import Attachment, ResourceState, VpnConnectionId
from vpnmigrate.model.facts import UNKNOWN, attachment_text
from vpnmigrate.model.gates import Gate, GateResult
from vpnmigrate.model.plan import GATEWAY_ROLE, Plan
from vpnmigrate.model.snapshot import Confirmation, GatewaySwap, JournalFacts, Snapshot
from vpnmigrate.steps.base import Met, StepInput
from vpnmigrate.steps.s03_create_connections import CreateConnections

_THERE = "the old gateway attached, its connections available, its route tables there"
_UNATTACHED = "the new gateway available and on no VPC"
_PREFIXES = "every new connection available, with all its static prefixes"
_AS_PLANNED = "as many old tunnels UP as when it was planned"


def unchanged(ports: GateContext) -> GateResult:
    """Ask that AWS is configured as the plan found it."""
    return unless(
        Gate.WORLD,
        ports.differences,
        "nothing differs",
        "AWS configured as the plan found it",
        advice=("plan again:", cli("plan", "--from", "RUN")),
    )


def way_back(plan: Plan, now: Snapshot, proof: RollbackTrial | None) -> GateResult:
    """Ask that all the pieces of a rollback are there, and that no trial of it has failed."""
    faults = [*_old_side(plan, now)]
    if proof is not None and not proof.holds:
        faults.append(proof.text)
    tried = "not tried out" if proof is None else proof.text
    return unless(
        Gate.WAY_BACK,
        faults,
        f"{plan.old_gateway} and all that belongs to it is there; {tried}",
        _THERE,
        advice=("find out who changed it; roll back:", cli("rollback", "RUN")),
    )


def _old_side(plan: Plan, now: Snapshot) -> Iterator[str]:
    attached = now.attachment(plan.old_gateway, plan.vpc)
    if attached is not Attachment.ATTACHED:
        yield f"{plan.old_gateway} is {attachment_text(attached, plan.vpc)}, not attached"
    for old in plan.old_connections:
        if now.state(old) is not ResourceState.AVAILABLE:
            yield f"{old} is {now.state(old)}, not available: there would be no way back"
    for table in sorted({t.id for t in (*plan.propagating_tables, *plan.edge_tables)}):
        if now.state(table) is not ResourceState.AVAILABLE:
            yield f"{table} is {now.state(table)}"


def devices(journal_facts: JournalFacts) -> GateResult:
    """Ask for the word that every device holds its candidate configuration."""
    required = "the word that the devices are configured (step 5)"
    said = journal_facts.words.get(Confirmation.DEVICES_CONFIGURED)
    if said is None:
        return failed(Gate.DEVICES, "nobody has said so", required, advice=cli("done", "RUN", "5"))
    return passed(Gate.DEVICES, f"said {said:%Y-%m-%d %H:%M}Z", required)


def new_connections(view: StepInput) -> GateResult:
    """Ask that step 3 would find nothing left to do."""
    verdict = CreateConnections().verify(view)
    if isinstance(verdict, Met):
        observed = f"{len(view.plan.old_connections)} available, no prefix missing"
        return passed(Gate.NEW_CONNECTIONS, observed, _PREFIXES)
    return failed(Gate.NEW_CONNECTIONS, verdict.why, _PREFIXES)


def new_gateway(swap: GatewaySwap, now: Snapshot) -> GateResult:
    """Ask that the joining gateway is free everywhere: a gateway can be on one VPC."""
    state = now.state(GATEWAY_ROLE)
    if state is UNKNOWN:
        return unknown(Gate.NEW_GATEWAY, "the new virtual private gateway is unknown", _UNATTACHED)
    if state is not ResourceState.AVAILABLE:
        return failed(Gate.NEW_GATEWAY, f"the new virtual private gateway is {state}", _UNATTACHED)
    held = [
        f"{swap.joining} is {attachment_text(attachment, vpc)}; it has to be on no VPC"
        for vpc, attachment in now.attachments(swap.joining).items()
    ]
    return unless(Gate.NEW_GATEWAY, held, f"{swap.joining} is available, on none", _UNATTACHED)


def old_tunnels(plan: Plan, now: Snapshot) -> GateResult:
    """Ask that the old side is as well as when it was planned, or what comes after proves little.

    What is UP before step 7 is what step 10 asks of the new side.
    """
    lines: list[str] = []
    worse: list[str] = []
    for record in plan.before.living:
        planned = sum(tunnel.up for tunnel in record.telemetry)
        found = _tunnels_up(now, record.id)
        if found is None:
            return unknown(Gate.OLD_TUNNELS, f"{record.id} shows no telemetry", _AS_PLANNED)
        line = f"{record.id} has {found} UP, {planned} when planned"
        lines.append(line)
        if found < planned and record.id not in plan.decisions.exceptions.connections:
            worse.append(line)
    return unless(
        Gate.OLD_TUNNELS,
        worse,
        "; ".join(lines),
        _AS_PLANNED,
        advice="see to the old tunnel first, or plan again",
    )


def _tunnels_up(now: Snapshot, connection: VpnConnectionId) -> int | None:
    record = now.connections.get(connection)
    return None if record is None else sum(tunnel.up for tunnel in record.telemetry)
