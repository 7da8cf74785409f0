"""Gates before finalize: traffic, its soak, and archived configurations."""

from __future__ import annotations

from datetime import timedelta

from vpnmigrate.engine.gates.base import GateContext, failed, passed, unknown, unless
from vpnmigrate.engine.gates.change_control import NOT_REQUIRED
from vpnmigrate.model.clock import moment, span
from vpnmigrate.model.ec2 import ResourceState
from vpnmigrate.model.errors.commands import Advice, cli
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


def soak(plan: Plan, context: GateContext) -> GateResult:
    """Check whether traffic was verified as long ago as the plan asks.

    Between the cutover and finalize no process observes traffic; the gate on traffic does now.
    """
    asked, flowed = plan.decisions.finalize.soak, context.flowed
    if asked <= timedelta(0):
        return passed(Gate.SOAK, "the plan asks for none", NOT_REQUIRED)
    if context.finalizing:
        return passed(Gate.SOAK, "finalize has started already", NOT_REQUIRED)
    required = f"traffic verified at least {span(asked)} ago"
    if flowed is None:
        return unknown(Gate.SOAK, "traffic is not verified", required, advice=_observe(""))
    observed = f"traffic was verified {span(flowed)} ago, at {moment(context.now - flowed)}"
    if flowed >= asked:
        return passed(Gate.SOAK, observed, required)
    until = f" until {moment(context.now + (asked - flowed))}"
    return failed(Gate.SOAK, observed, required, advice=_observe(until))


def _observe(until: str) -> Advice:
    how = f"or add --force {Gate.SOAK} --reason TEXT, with your reason in place of TEXT"
    return (f"observe the run{until}, {how}; to observe:", cli("status", "RUN"))


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
            "save them first, outside this run, from the AWS console (Site-to-Site VPN, Download "
            "configuration); they contain pre-shared keys, so keep them secret. Then add "
            f"--force {Gate.ARCHIVED} --reason TEXT to finalize, with your reason in place of TEXT"
        ),
    )
