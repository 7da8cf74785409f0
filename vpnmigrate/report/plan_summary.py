"""Plan summary: the first screen of a plan, with what it changes and what to run next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from vpnmigrate.model.changes import (
    AddStaticPrefix,
    AskOperator,
    AssociateEdge,
    Change,
    CreateTestVpc,
    CreateVpnConnection,
    CreateVpnGateway,
    EnablePropagation,
    ReplaceRoute,
)
from vpnmigrate.model.clock import rounded, span
from vpnmigrate.model.errors.commands import Advice, Command, Invocation, cli
from vpnmigrate.model.plan import OutageEstimate, Phase, Plan, Severity
from vpnmigrate.model.signatures import SignedKind, signing_command
from vpnmigrate.planning.approvals import approve_command
from vpnmigrate.planning.rollback_proof import RollbackProof
from vpnmigrate.report import inventory
from vpnmigrate.report.text import WIDTH, columns, count

LINE = "-" * WIDTH


@dataclass(frozen=True)
class PlanView:
    """A plan with what its views need: the proof of its rollback, its outage and its file."""

    plan: Plan
    proof: RollbackProof
    outage: OutageEstimate
    file: str
    """The plan's file as commands name it, or the id of its run."""
    invocation: Invocation
    signed: bool = False
    """Whether there is a signature beside the file."""
    rehearsed: bool = False
    """Whether a rehearsal of this plan has passed."""
    started: str = ""
    """The id of the plan's run, if it was started."""

    @property
    def next_commands(self) -> list[tuple[str, Command]]:
        """What to run after planning, in this order, each with its label."""
        if self.started:
            return [("status:", self.invocation.complete(cli("status", self.started)))]
        rule, file = self.plan.decisions.approvals, self.file
        sign = rule.signed and not self.signed
        rows = [
            ("sign:", signing_command(SignedKind.PLAN, file) if sign else None),
            ("rehearse:", None if self.rehearsed else cli("rehearse", file)),
            ("approve:", approve_command(file, "", signed=rule.signed) if rule.needed else None),
            ("stage (no outage):", cli("apply", file, "--until", "cutover")),
            ("apply:", cli("apply", file)),
        ]
        return [(label, self.invocation.complete(each)) for label, each in rows if each is not None]


def summary_text(view: PlanView) -> str:
    """Return the summary between two lines; its last row is the next command."""
    label, command = view.next_commands[0]
    rows: list[tuple[str, Advice]] = [*_rows(view), ("next", (label, command))]
    return f"{LINE}\n{columns(rows)}\n{LINE}"


def summary_json(view: PlanView) -> dict[str, Any]:
    """Return the summary as a part of a JSON document; durations are in seconds."""
    plan, outage = view.plan, view.outage
    return {
        "creates": list(_created(plan)),
        "changes": list(_changed(plan)),
        "removes": list(plan.old_connections),
        "outage": {
            "expected": outage.expected.total_seconds(),
            "worst": outage.worst.total_seconds(),
            "source": outage.source,
            "at_worst": outage.at_worst,
        },
        "findings": {
            severity.value: sum(finding.severity is severity for finding in plan.findings)
            for severity in Severity
        },
    }


def _rows(view: PlanView) -> Iterator[tuple[str, str]]:
    plan, outage = view.plan, view.outage
    vpc = plan.before.vpc
    named = inventory.named(vpc.id, vpc.tags) if vpc else plan.vpc
    yield "VPC", f"{named}, {plan.region}, account {plan.account}"
    yield "replaces", inventory.named(plan.old_gateway, plan.before.gateway.tags)
    yield "sites", "; ".join(inventory.sites(plan.before))
    yield "creates", f"{', '.join(_created(plan))} (steps 1 to 6, no outage)"
    yield "changes", f"{', '.join(_changed(plan))} (steps 7 to 10, the cutover)"
    old = count(len(plan.old_connections), "old connection")
    yield "removes", f"{old} (finalize, a separate command; until then rollback restores all)"
    yield "outage", f"about {span(rounded(outage.expected))} expected ({outage.source})"
    yield "", f"{span(outage.worst)} at worst ({outage.at_worst})"
    yield "findings", _findings(plan)


def _findings(plan: Plan) -> str:
    codes = sorted({finding.code for finding in plan.findings})
    if not codes:
        return "none"
    return f"none blocks, {len(plan.findings)} warn: {', '.join(codes)}"


def _created(plan: Plan) -> Iterator[str]:
    changes = [change for step in plan.forward for change in step.changes]
    names = (
        (CreateVpnGateway, "gateway"),
        (CreateVpnConnection, "connection"),
        (AddStaticPrefix, "static prefix"),
        (CreateTestVpc, "test VPC"),
    )
    yield from _counted(changes, names)


def _changed(plan: Plan) -> Iterator[str]:
    changes = [
        change for step in plan.forward if step.phase is Phase.CUTOVER for change in step.changes
    ]
    yield "the VPC's gateway"
    names = (
        (EnablePropagation, "propagation"),
        (ReplaceRoute, "static route"),
        (AssociateEdge, "edge table"),
    )
    yield from _counted(changes, names)
    if any(isinstance(change, AskOperator) for change in changes):
        yield f"the tunnels of {count(len(plan.old_connections), 'site')}"


def _counted(changes: Sequence[Change], names: Iterable[tuple[type[Change], str]]) -> Iterator[str]:
    for kind, name in names:
        number = sum(isinstance(change, kind) for change in changes)
        if number:
            yield count(number, name)
