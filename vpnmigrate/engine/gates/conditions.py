"""Gates on conditions that AWS sets: maintenance of tunnels and VPC encryption control.

Both reads are new to EC2; an endpoint that does not know one of them has nothing of its kind, and
the gate passes (``docs/decisions/0053``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from vpnmigrate.engine.gates.base import GateContext, failed, passed, unknown
from vpnmigrate.engine.gates.host import change_ends
from vpnmigrate.model.encryption_control import AttachRule, verdicts
from vpnmigrate.model.errors.commands import Advice, Command, aws, cli
from vpnmigrate.model.gates import Gate, GateResult
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.tunnel_maintenance import MaintenanceStatus, TunnelMaintenance

_ATTACHABLE = "AWS lets a virtual private gateway be attached to the VPC"


def tunnel_maintenance(plan: Plan, context: GateContext) -> GateResult:
    """Check whether AWS replaces no tunnel endpoint before the window and the soak have ended.

    Maintenance without a time may be applied at any moment.  Connections that the plan excepts are
    reported and hold nothing: step 10 does not wait for them.
    """
    until = _quiet_until(plan, context)
    required = f"no tunnel endpoint is replaced by AWS before {until:%Y-%m-%d %H:%M}Z"
    gate, found = Gate.MAINTENANCE, context.maintenance
    if not found:
        again = ("observe again:", cli("apply", "RUN"))
        return unknown(gate, "no tunnel was read", required, advice=again)
    early = [each for each in found if _is_early(each, until)]
    unseen = [each for each in found if each.status is MaintenanceStatus.UNKNOWN]
    observed = "; ".join(_lines(found))
    if held := [each for each in early if not _is_excepted(plan, each)]:
        return failed(gate, observed, required, advice=_accepting(held[0]))
    if held := [each for each in unseen if not _is_excepted(plan, each)]:
        advice = _checking(gate, _status_command(held[0]))
        return unknown(gate, observed, required, advice=advice)
    return passed(gate, observed, required)


def _quiet_until(plan: Plan, context: GateContext) -> datetime:
    """Return the end of the soak after a change that begins now, or ends with its window.

    Until then the old tunnels may be needed for a rollback.
    """
    decisions = plan.decisions
    return change_ends(plan, context) + decisions.waits.soak + decisions.finalize.soak


def _is_early(found: TunnelMaintenance, until: datetime) -> bool:
    after = found.applied_after
    return found.status is MaintenanceStatus.PENDING and (after is None or after < until)


def _is_excepted(plan: Plan, found: TunnelMaintenance) -> bool:
    return found.tunnel.connection in plan.decisions.exceptions.connections


def _lines(found: Iterable[TunnelMaintenance]) -> Iterator[str]:
    """Yield a text for each status: of tunnels that matter, or of whole connections."""
    grouped: dict[str, dict[str, None]] = {}
    for each in found:
        matters = each.status in (MaintenanceStatus.PENDING, MaintenanceStatus.UNKNOWN)
        name = str(each.tunnel if matters else each.tunnel.connection)
        grouped.setdefault(_text(each), {})[name] = None
    for text, names in grouped.items():
        yield f"{', '.join(names)}: {text}"


def _text(found: TunnelMaintenance) -> str:
    match found.status:
        case MaintenanceStatus.NONE:
            return "no maintenance announced"
        case MaintenanceStatus.NOT_OFFERED if found.tunnel.classic:
            return "no maintenance shown, as EC2 has no such status of Classic connections"
        case MaintenanceStatus.PENDING if found.applied_after is None:
            return "maintenance pending, which AWS may apply at any time"
        case MaintenanceStatus.PENDING:
            return f"maintenance pending, applied after {found.applied_after:%Y-%m-%d %H:%M}Z"
        case MaintenanceStatus.NOT_OFFERED:
            return f"no such status ({found.why})"
        case MaintenanceStatus.UNKNOWN:
            return f"unknown: {found.why}"


def _accepting(held: TunnelMaintenance) -> Advice:
    """Return how to apply the maintenance before the cutover."""
    return (
        "let AWS replace it now, which interrupts this tunnel for minutes, or use a later window:",
        _tunnel_command("replace-vpn-tunnel", held, "--apply-pending-maintenance"),
        "when no tunnel has a pending maintenance:",
        cli("apply", "RUN"),
    )


def encryption_control(plan: Plan, context: GateContext) -> GateResult:
    """Check whether no encryption control refuses to attach a virtual private gateway in step 8.

    One that certainly refuses cannot be forced: a rollback needs an attach as well.
    """
    gate = Gate.ENCRYPTION
    show = aws("ec2", "describe-vpc-encryption-controls", "--vpc-ids", plan.vpc)
    if context.encryption is None:
        return unknown(gate, "not read", _ATTACHABLE, advice=_checking(gate, show))
    found = tuple(verdicts(plan.vpc, context.encryption))
    worst = max(each.rule for each in found)
    observed = "; ".join(each.text for each in found)
    match worst:
        case AttachRule.ALLOWED:
            return passed(gate, observed, _ATTACHABLE)
        case AttachRule.UNKNOWN:
            return unknown(gate, observed, _ATTACHABLE, advice=_checking(gate, show))
        case AttachRule.CHANGING:
            advice: Advice = (
                "see what AWS changes, and wait until it has ended:",
                show,
                "or enable the exclusion of virtual private gateways; then:",
                cli("apply", "RUN"),
            )
            return failed(gate, observed, _ATTACHABLE, advice=advice)
        case AttachRule.REFUSED:
            return failed(
                gate,
                observed,
                _ATTACHABLE,
                advice=(
                    "set the exclusion of virtual private gateways to enabled; the control:",
                    show,
                    "when it is enabled:",
                    cli("apply", "RUN"),
                ),
                unforceable="AWS would refuse to attach the new gateway, and the old one again",
            )


def _checking(gate: Gate, show: Command) -> Advice:
    """Return how to read what is unknown, and how to force *gate* once it is known."""
    return (
        "see what is unknown, with credentials that may read it:",
        show,
        "then apply again; or force this gate, with your reason in place of TEXT:",
        cli("apply", "RUN", "--force", gate, "--reason", "TEXT"),
    )


def _status_command(held: TunnelMaintenance) -> Command:
    if not held.tunnel.outside_ip:
        return cli("apply", "RUN")  # Another observation may show the address.
    return _tunnel_command("get-vpn-tunnel-replacement-status", held)


def _tunnel_command(command: str, about: TunnelMaintenance, *more: str) -> Command:
    tunnel = about.tunnel
    named = ("--vpn-connection-id", tunnel.connection)
    return aws("ec2", command, *named, "--vpn-tunnel-outside-ip-address", tunnel.outside_ip, *more)
