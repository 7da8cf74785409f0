"""Runbook checks: before, when stuck and after, and the gates."""

from __future__ import annotations

from collections.abc import Iterator

from vpnmigrate.model.decisions import OldTunnels, TunnelPolicy
from vpnmigrate.model.gates import UNFORCEABLE, Gate
from vpnmigrate.model.plan import Plan
from vpnmigrate.report.runbook.content import AcceptedWarning, GateRow, PlanCommands, RunbookCheck
from vpnmigrate.report.text import count


def warnings(plan: Plan) -> tuple[AcceptedWarning, ...]:
    """Return what planning warned of, for a board to accept."""
    return tuple(
        AcceptedWarning(f"{finding.code} {finding.name}", finding.evidence, finding.fix)
        for finding in plan.findings
    )


def preconditions(plan: Plan) -> tuple[str, ...]:
    """Return what has to be true days before."""
    keys = "new pre-shared keys" if plan.decisions.keys == "new" else "the pre-shared keys"
    return (
        "This document was read by everybody named on its cover, and the plan was rehearsed.",
        (
            f"Staging is done: steps 1 to 6 settled, the candidate with {keys} is loaded on "
            f"{count(len(plan.old_connections), 'device side')}, every new tunnel DISABLED."
        ),
        (
            "Firewalls in front of the devices let the new outside addresses of AWS through: UDP "
            "500 and 4500, and ESP. Monitoring knows them too."
        ),
        (
            "A freeze holds for the VPC, its route tables and its gateways: no deployment of "
            "CloudFormation or Terraform runs in the window."
        ),
        "Each device can be reached by a path that does not use this VPN.",
        "The plan file lies in a second place, and a second person can run it.",
        "The operator's own path to EC2 and STS does not use this VPN.",
        "The operator's credentials outlast the window.",
    )


def pre_checks(plan: Plan, on: PlanCommands) -> tuple[RunbookCheck, ...]:
    """Return what is looked at when the window opens."""
    return (
        RunbookCheck(
            "the right account",
            on.aws("sts", "get-caller-identity", "--query", "Account", "--output", "text"),
            plan.account,
            "stop: wrong credentials",
        ),
        RunbookCheck(
            "the plan still leads back from every step",
            on.file("rehearse"),
            "end state: as before, in every row",
            "stop: plan again",
        ),
        RunbookCheck(
            "the old gateway is on the VPC",
            on.aws(
                *("ec2", "describe-vpn-gateways", "--vpn-gateway-ids", plan.old_gateway),
                *("--query", "VpnGateways[0].VpcAttachments"),
            ),
            f"{plan.vpc}, attached",
            "stop: somebody else is at work",
        ),
        *_telemetry(plan, on),
        *_approvals(plan, on),
        RunbookCheck(
            "the run is held before the cutover",
            on.run("status"),
            "held; phase prepare; traffic through the old gateway",
            "do what its line next says",
        ),
    )


def _approvals(plan: Plan, on: PlanCommands) -> Iterator[RunbookCheck]:
    needed = plan.decisions.approvals.needed
    if needed:
        who = "none by the operator" if plan.decisions.approvals.four_eyes else "by anybody"
        yield RunbookCheck(
            f"{count(needed, 'approval')} of this fingerprint",
            on.file("approve"),
            f"{count(needed, 'file')} to give to apply, {who}",
            "no cutover",
        )


def _telemetry(plan: Plan, on: PlanCommands) -> Iterator[RunbookCheck]:
    for connection in plan.before.living:
        up = sum(tunnel.up for tunnel in connection.telemetry)
        yield RunbookCheck(
            f"tunnels of {connection.id}",
            on.aws(
                *("ec2", "describe-vpn-connections", "--vpn-connection-ids", connection.id),
                *("--query", "VpnConnections[0].VgwTelemetry[].Status", "--output", "text"),
            ),
            f"{up} UP, as when the plan was made",
            "fewer: mend that first, or nobody can tell the change from it",
        )


def _gate(gate: Gate, required: str, otherwise: str) -> GateRow:
    if gate in UNFORCEABLE:
        return GateRow(gate, required, otherwise, f"never: {UNFORCEABLE[gate]}")
    return GateRow(gate, required, otherwise, f"--force {gate.value} --reason TEXT")


BEFORE_CUTOVER: tuple[GateRow, ...] = (
    _gate(Gate.WORLD, "AWS is as the plan's survey found it", "plan again"),
    _gate(Gate.WINDOW, "now lies in the window, and cutover and rollback still fit", "next window"),
    _gate(Gate.APPROVALS, "every approval the plan asks for, for this fingerprint", "get them"),
    _gate(Gate.REHEARSAL, "this very plan was rehearsed, lately, and came back", "rehearse it"),
    _gate(Gate.WAY_BACK, "the old gateway is attached, its connections available", "no cutover"),
    _gate(Gate.DEVICES, "the candidate is on every device, tunnels disabled", "step 5"),
    _gate(Gate.NEW_CONNECTIONS, "each available, with all its static prefixes", "wait, or step 3"),
    _gate(Gate.NEW_GATEWAY, "the new gateway is on no VPC", "detach it there first"),
    _gate(Gate.OLD_TUNNELS, "as many UP as the plan saw", "mend them first"),
    _gate(Gate.CREDENTIALS, "they outlast the window, where that is known", "renew them"),
    _gate(Gate.CLOCK, "this host's clock agrees with AWS's", "set the clock"),
    _gate(Gate.OWN_PATH, "EC2 and STS are reached without this VPN", "another host"),
    _gate(Gate.HOOK, "the plan's own program agrees, where it names one", "do as it says"),
)
BEFORE_FINALIZE: tuple[GateRow, ...] = (
    _gate(Gate.TRAFFIC, "the new side has carried traffic, and still does", "do not"),
    _gate(Gate.ARCHIVED, "every old configuration lies in the vault", "step 4"),
)


def stuck(plan: Plan, on: PlanCommands) -> tuple[RunbookCheck, ...]:
    """Return what is tried in turn while traffic is down and the run does not go on."""
    attached = on.aws(
        *("ec2", "describe-vpn-gateways"),
        *("--filters", f"Name=attachment.vpc-id,Values={plan.vpc}"),
    )
    return (
        RunbookCheck(
            "where does it stand?",
            on.run("status"),
            "step, what is waited for, who has traffic",
            "no answer: the next line",
        ),
        RunbookCheck(
            "the process is gone, this host works",
            on.run("apply"),
            "it goes on from where it stands",
            "or the other way: rollback in place of apply",
        ),
        RunbookCheck(
            "this host is gone",
            on.file("apply", "--take-over", "HOLDER"),
            "another host goes on from the plan and the tags",
            "or rollback in place of apply; HOLDER is in the claim tag",
        ),
        RunbookCheck(
            "a gateway stays attaching or detaching",
            attached,
            "attached or detached within 45 minutes",
            "AWS Support, severity: production system down; give the ids, the Region, the "
            "request ids of the log, and the time in UTC",
        ),
        RunbookCheck(
            "a third gateway is on the VPC",
            attached,
            "only the old or the new one",
            "find who attached it; once it is detached, go on",
        ),
        RunbookCheck(
            "AWS is as wanted, and traffic does not flow",
            on.run("status"),
            "what is lacking, by connection and tunnel",
            "it is at the device or its firewall: see Known failures",
        ),
        *_accepting(plan, on),
        RunbookCheck(
            "this program is the trouble",
            "",
            "end its process first: two writers are worse than one",
            "By hand, below: forward or back, from the row where it stands",
        ),
    )


def _accepting(plan: Plan, on: PlanCommands) -> Iterator[RunbookCheck]:
    """Return what can be accepted, unless the plan is content with it anyway."""
    if plan.decisions.verification.tunnels is TunnelPolicy.AS_BEFORE:
        yield RunbookCheck(
            "only tunnels are lacking, one of two is UP",
            on.run("continue", "--accept-degraded", "vpn-NEW", "--reason", "TEXT"),
            "traffic verified once what is there has held; DEGRADED, by name, in every report",
            "refused while more is lacking; then mend that, or go back",
        )


def post_checks(plan: Plan, on: PlanCommands) -> tuple[RunbookCheck, ...]:
    """Return what is looked at once traffic is said to flow."""
    left = plan.decisions.old_tunnels is OldTunnels.LEAVE
    return (
        RunbookCheck(
            "the run says so",
            on.run("status"),
            "traffic through the new gateway; cut over",
            "read what is lacking",
        ),
        RunbookCheck(
            "nothing points into the void",
            on.aws(
                *("ec2", "describe-route-tables", "--filters", f"Name=vpc-id,Values={plan.vpc}"),
                *("Name=route.state,Values=blackhole", "--query", "RouteTables[].RouteTableId"),
            ),
            "no table that had none before",
            "apply again; else the route is not this run's",
        ),
        RunbookCheck(
            "each application answers, both ways, from each site",
            "",
            "fill in: name, test, by whom",
            "decide by the deadline",
        ),
        RunbookCheck(
            "old tunnels",
            "",
            "left enabled until finalize" if left else "disabled on every device",
            "disable them at the device",
        ),
        RunbookCheck(
            "monitoring, alarms, dashboards, firewall rules",
            "",
            "name the new connections, outside addresses and Amazon-side ASN",
            "change them before finalize",
        ),
        RunbookCheck(
            "it soaks",
            "",
            "24 hours without a flap, a working day with load",
            "find out why before anything is deleted",
        ),
    )
