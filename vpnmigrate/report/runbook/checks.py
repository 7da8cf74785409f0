"""Runbook checks: before, when stuck and after, and the gates."""

from __future__ import annotations

from collections.abc import Iterator

from vpnmigrate.model.decisions import OldTunnels, TunnelPolicy
from vpnmigrate.model.ec2 import AWS_VPN
from vpnmigrate.model.gates import GATES, UNFORCEABLE, Gate, Milestone
from vpnmigrate.model.plan import Plan
from vpnmigrate.report.names import names_of
from vpnmigrate.report.runbook.content import AcceptedWarning, GateRow, PlanCommands, RunbookCheck
from vpnmigrate.report.text import count


def warnings(plan: Plan) -> tuple[AcceptedWarning, ...]:
    """Return the findings of planning, for a change board to accept."""
    names = names_of(plan)
    return tuple(
        AcceptedWarning(
            f"{finding.code} {finding.name}", names.text(finding.evidence), names.text(finding.fix)
        )
        for finding in plan.findings
    )


def preconditions(plan: Plan) -> tuple[str, ...]:
    """Return what must be true days before the cutover."""
    keys = "new pre-shared keys" if plan.decisions.keys == "new" else "the pre-shared keys"
    return (
        "Every person named on the cover has read this document, and the plan was rehearsed.",
        (
            f"Staging is done: steps 1 to 6 are done, the candidate with {keys} is loaded on "
            f"{count(len(plan.old_connections), 'device side')}, every new tunnel DISABLED."
        ),
        (
            "Firewalls in front of the devices allow the new AWS outside addresses: UDP 500 and "
            "4500, and ESP. Monitoring includes them."
        ),
        (
            "A change freeze is in force for the VPC, its route tables and its gateways: no "
            "CloudFormation or Terraform deployment runs in the window."
        ),
        "Each device can be reached by a path that does not use this VPN.",
        "A copy of the plan file is in a second place, and a second operator can run it.",
        "The operator's host does not reach EC2 and STS through this VPN.",
        "The operator's credentials are valid until after the window and for a rollback.",
    )


def pre_checks(plan: Plan, on: PlanCommands) -> tuple[RunbookCheck, ...]:
    """Return the checks when the window opens."""
    return (
        RunbookCheck(
            "the right account",
            on.aws("sts", "get-caller-identity", "--query", "Account", "--output", "text"),
            plan.account,
            "stop: wrong credentials",
        ),
        RunbookCheck(
            "the plan can still be rolled back from every step",
            on.file("rehearse"),
            "end state: as before, in every row",
            "stop: plan again",
        ),
        RunbookCheck(
            "the old gateway is attached to the VPC",
            on.aws(
                *("ec2", "describe-vpn-gateways", "--vpn-gateway-ids", plan.old_gateway),
                *("--query", "VpnGateways[0].VpcAttachments"),
            ),
            f"{plan.vpc}, attached",
            "stop: another change is in progress",
        ),
        *_telemetry(plan, on),
        *_maintenance(plan, on),
        *_encryption_control(plan, on),
        *_approvals(plan, on),
        RunbookCheck(
            "the run is held before the cutover",
            on.run("status"),
            "NOW: everything is prepared; TRAFFIC: UP through the old gateway",
            "run the command in its line NEXT",
        ),
    )


def _maintenance(plan: Plan, on: PlanCommands) -> Iterator[RunbookCheck]:
    """Yield a check of each old tunnel that AWS may replace by itself (domain.md 14.2)."""
    for old in plan.before.living:
        if old.category != AWS_VPN:
            continue
        for tunnel in old.tunnels:
            yield RunbookCheck(
                f"AWS does not replace the endpoint of {tunnel.outside_ip} in the window",
                on.aws(
                    *("ec2", "get-vpn-tunnel-replacement-status", "--vpn-connection-id", old.id),
                    *("--vpn-tunnel-outside-ip-address", tunnel.outside_ip),
                    *("--query", "MaintenanceDetails"),
                ),
                "nothing pending, or applied only after the window and the soak time",
                "choose another window, or replace the tunnel first",
            )


def _encryption_control(plan: Plan, on: PlanCommands) -> Iterator[RunbookCheck]:
    yield RunbookCheck(
        "VPC encryption control allows virtual private gateways",
        on.aws(
            *("ec2", "describe-vpc-encryption-controls", "--vpc-ids", plan.vpc),
            *("--query", "VpcEncryptionControls[].[Mode,State,ResourceExclusions]"),
        ),
        "no row, mode monitor, or the exclusion VirtualPrivateGateway enabled; none in progress",
        "stop: AWS may refuse to attach the new gateway in step 8",
    )
    yield RunbookCheck(
        "the account does not begin to enforce encryption",
        on.aws(
            *("ec2", "describe-account-vpc-encryption-control"),
            *("--query", "AccountVpcEncryptionControl.[Mode,Exclusions.VirtualPrivateGateway]"),
        ),
        "not attempt-enforce, or VirtualPrivateGateway enabled",
        "the same",
    )


def _approvals(plan: Plan, on: PlanCommands) -> Iterator[RunbookCheck]:
    needed = plan.decisions.approvals.needed
    if needed:
        who = "none by the operator" if plan.decisions.approvals.four_eyes else "by any person"
        signed = plan.decisions.approvals.signed
        signing, how = (("--sign-key", "KEY"), "signed") if signed else ((), "not signed")
        yield RunbookCheck(
            f"{count(needed, 'approval')} of this fingerprint",
            on.file("approve", *signing),
            f"{count(needed, 'file')} to give to apply, {how}, {who}",
            "no cutover",
        )


def _telemetry(plan: Plan, on: PlanCommands) -> Iterator[RunbookCheck]:
    names = names_of(plan)
    for connection in plan.before.living:
        up = sum(tunnel.up for tunnel in connection.telemetry)
        yield RunbookCheck(
            f"tunnels of {names.named(connection.id)}",
            on.aws(
                *("ec2", "describe-vpn-connections", "--vpn-connection-ids", connection.id),
                *("--query", "VpnConnections[0].VgwTelemetry[].Status", "--output", "text"),
            ),
            f"{up} UP, as when the plan was made",
            "fewer: fix that first; otherwise it looks like a result of the change",
        )


def gate_rows(milestone: Milestone) -> tuple[GateRow, ...]:
    """Return the gates before *milestone*, and how each can be forced."""
    return tuple(
        GateRow(rule.gate, rule.required, rule.otherwise, _force(rule.gate))
        for rule in GATES[milestone]
    )


def _force(gate: Gate) -> str:
    if gate in UNFORCEABLE:
        return f"never: {UNFORCEABLE[gate]}"
    return f"--force {gate.value} --reason TEXT"


def stuck(plan: Plan, on: PlanCommands) -> tuple[RunbookCheck, ...]:
    """Return what to try in turn while traffic is down and the run makes no progress."""
    attached = on.aws(
        *("ec2", "describe-vpn-gateways"),
        *("--filters", f"Name=attachment.vpc-id,Values={plan.vpc}"),
    )
    return (
        RunbookCheck(
            "state of the run",
            on.run("status"),
            "the step, what it waits for, the path of traffic",
            "no answer: the next line",
        ),
        RunbookCheck(
            "the process is gone, this host works",
            on.run("apply"),
            "it resumes the run",
            "to roll back instead: rollback in place of apply",
        ),
        RunbookCheck(
            "this host is gone",
            on.file("apply", "--take-over", "HOLDER"),
            "another host resumes from the plan and the tags",
            "or rollback in place of apply; HOLDER is the value of the claim tag",
        ),
        RunbookCheck(
            "a gateway stays attaching or detaching",
            attached,
            "attached or detached within 45 minutes",
            "AWS Support, severity: production system down; give the ids, the Region, the "
            "request ids of the log, and the time in UTC",
        ),
        RunbookCheck(
            "a third gateway is attached to the VPC",
            attached,
            "only the old or the new one",
            "find out who attached it; when it is detached, resume",
        ),
        RunbookCheck(
            "AWS is in the target state, and traffic does not flow",
            on.run("status"),
            "what is missing, by connection and tunnel",
            "the cause is at the device or its firewall: see Known failures",
        ),
        *_accepting(plan, on),
        RunbookCheck(
            "this program does not work",
            "",
            "end its process first: two must not change AWS at once",
            "AWS CLI blocks (see Without this program): forward or rollback, from the current row",
        ),
    )


def _accepting(plan: Plan, on: PlanCommands) -> Iterator[RunbookCheck]:
    """Yield the command that accepts fewer tunnels, unless the plan allows that anyway."""
    if plan.decisions.verification.tunnels is TunnelPolicy.AS_BEFORE:
        yield RunbookCheck(
            "only tunnels are missing, one of two is UP",
            on.run("continue", "--accept-degraded", "vpn-NEW", "--reason", "TEXT"),
            "traffic verified when the other tunnels have been stable; DEGRADED in every report",
            "refused while more is missing: fix that, or roll back; vpn-NEW is the new "
            "connection, TEXT the reason",
        )


def post_checks(plan: Plan, on: PlanCommands) -> tuple[RunbookCheck, ...]:
    """Return the checks when the run reports that traffic flows."""
    left = plan.decisions.old_tunnels is OldTunnels.LEAVE
    return (
        RunbookCheck(
            "status of the run",
            on.run("status"),
            "TRAFFIC: UP through the new gateway; NOW: migrated",
            "read what is missing",
        ),
        RunbookCheck(
            "no blackhole routes",
            on.aws(
                *("ec2", "describe-route-tables", "--filters", f"Name=vpc-id,Values={plan.vpc}"),
                *("Name=route.state,Values=blackhole", "--query", "RouteTables[].RouteTableId"),
            ),
            "no table that had no blackhole route before",
            "apply again; a route that remains is not part of this run",
        ),
        RunbookCheck(
            "each application works in both directions, from each site",
            "",
            "fill in: name, test, tester",
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
            "soak time",
            "",
            "24 hours without a traffic flap, including a working day with load",
            "find the cause before finalize",
        ),
    )
