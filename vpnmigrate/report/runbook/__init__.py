"""Runbook: the change document, made from a plan and its rehearsal.

The same plan gives the same bytes: no clock, account or file is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import msgspec

from vpnmigrate.model.clock import moment, span
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.errors import UsageError
from vpnmigrate.model.errors.commands import Invocation
from vpnmigrate.model.gates import Milestone
from vpnmigrate.model.plan import Plan
from vpnmigrate.planning.windows import back_out_deadline, latest_start
from vpnmigrate.rehearsal.rehearse import Rehearsal
from vpnmigrate.report import tunnel_options
from vpnmigrate.report.inventory import device_of, named, site_name
from vpnmigrate.report.names import names_of
from vpnmigrate.report.runbook import checks, steps
from vpnmigrate.report.runbook.aws_cli import opening
from vpnmigrate.report.runbook.content import (
    EngineerPage,
    Fact,
    FilledIn,
    PlanCommands,
    RollbackRow,
    Runbook,
)
from vpnmigrate.report.runbook.impact import (
    BRIDGE,
    FAILURES,
    deadline,
    engineer_role,
    impact_of,
    longest_return,
    messages,
    people,
)
from vpnmigrate.report.runbook.schedule import expected_durations
from vpnmigrate.report.text import count

__all__ = ["Runbook", "runbook_of"]


NOT_FILLED = FilledIn()


def runbook_of(
    plan: Plan,
    rehearsal: Rehearsal,
    file: str,
    invocation: Invocation,
    filled: FilledIn = NOT_FILLED,
) -> Runbook:
    """Return the document; *file* is the name of the plan's file in its commands.

    The commands name the plan's Region if *invocation* has none.

    Raises:
        UsageError: What is *filled* in does not fit the plan.
    """
    on = PlanCommands(
        file, plan.migration, replace(invocation, region=invocation.region or plan.region)
    )
    outage, back = span(rehearsal.forward.outage), longest_return(rehearsal)
    cutover = span(rehearsal.forward.cutover)
    roles = people(plan, filled)
    known = names_of(plan)
    return Runbook(
        title=f"Replace {known.named(plan.old_gateway)} on {known.named(plan.vpc)}",
        decision=tuple(_decision(plan, rehearsal, on)),
        signatures=_signatures(roles),
        cover=tuple(_cover(plan, file, filled.change)),
        people=roles,
        impact=impact_of(plan, rehearsal),
        warnings=checks.warnings(plan),
        preconditions=checks.preconditions(plan),
        pre_checks=checks.pre_checks(plan, on),
        gates=checks.gate_rows(Milestone.CUTOVER),
        opening=opening(plan, on.invocation),
        staging=steps.staging(plan, rehearsal, on),
        cutover=steps.cutover(plan, rehearsal, on),
        tunnel_options=tunnel_options.table(plan).rows,
        aside=(on.run("status"), on.run("abort"), on.run("confirm")),
        deadline=(*deadline(plan, cutover, back), *_moments(plan, rehearsal)),
        returns=tuple(_returns(rehearsal)),
        back=steps.rollback(plan, rehearsal, on),
        stuck=checks.stuck(plan, on),
        post_checks=checks.post_checks(plan, on),
        messages=messages(plan, outage, back),
        finalize_first=(
            "This is a separate change with its own approval, days after the cutover.",
            "Its first call is the point of no return: a Classic connection cannot be recreated.",
            "The old gateway is kept, unless finalize gets --delete-old-gateway.",
        ),
        finalize_gates=checks.gate_rows(Milestone.FINALIZE),
        finalize=steps.finalize(plan, on),
        failures=FAILURES,
        engineers=tuple(_engineer(page, plan, dict(roles)) for page in filled.engineers),
    )


def _decision(plan: Plan, rehearsal: Rehearsal, on: PlanCommands) -> Iterator[Fact]:
    """Yield what GO or NO-GO is decided about."""
    names = ", ".join(site_name(c, device_of(c, plan.before)) for c in plan.before.living)
    vpc = names_of(plan).named(plan.vpc)
    yield "sites", f"{names}: no traffic to and from {vpc} during the outage"
    outage = f"{span(rehearsal.forward.outage)} in the rehearsal"
    yield (
        "outage",
        f"{outage}; on a slow day at AWS the swap alone takes 45 min, in either direction",
    )
    yield "rollback", f"{longest_return(rehearsal)} at most in the rehearsal: {on.run('rollback')}"
    window = plan.decisions.window
    moments = dict(_moments(plan, rehearsal))
    yield "window", window.written if window else ""
    yield "latest start", moments.get("latest start", "")
    yield "decision deadline", moments.get("decision deadline", "")
    warned = count(len(plan.findings), "finding")
    yield "accepted risks", f"{warned} of planning, see Impact" if plan.findings else "none"
    yield "GO if", "every pre-check and gate passes, and each person named below is present"


def _engineer(page: EngineerPage, plan: Plan, roles: Mapping[str, str]) -> EngineerPage:
    """Return *page* with the driver of its device, and the people whom its engineer works with."""
    role = engineer_role(page.site, page.connection)
    driver = plan.driver_of(VpnConnectionId(page.connection))
    named = (
        *((("driver", f"{driver} {_STANDS_BY}"),) if driver.automatic else ()),
        ("engineer", roles.get(role, "")),
        ("conference bridge", roles[BRIDGE]),
    )
    return msgspec.structs.replace(page, people=named)


_STANDS_BY = "does the work of steps 5 and 10; act only when the run asks, because it gave up"


_SIGNING = ("change owner", "operator", "approver")


def _signatures(roles: tuple[Fact, ...]) -> tuple[Fact, ...]:
    return tuple(
        (role.partition(" (")[0], name) for role, name in roles if role.startswith(_SIGNING)
    )


def _cover(plan: Plan, file: str, change: str) -> Iterator[Fact]:
    vpc = plan.before.vpc
    number = plan.decisions.change
    if change and number and change != number:
        raise UsageError(
            f"the plan has the change number {number}, not {change}",
            advice="leave out --change, or plan again with the other number",
        )
    yield "change number", number or change
    yield "fingerprint", plan.fingerprint
    yield "plan", file
    yield "run", plan.migration
    yield "account", plan.account
    yield "Region", plan.region
    yield "VPC", named(vpc.id, vpc.tags) if vpc else plan.vpc
    yield "old gateway", named(plan.old_gateway, plan.before.gateway.tags)
    yield "connections", ", ".join(named(c.id, c.tags) for c in plan.before.living)
    yield "playbook", plan.playbook
    yield "surveyed", moment(plan.before.taken)
    yield "planned", f"{moment(plan.made)} by vpnmigrate {plan.tool}"
    window = plan.decisions.window
    yield "window", window.written if window else ""


def _moments(plan: Plan, rehearsal: Rehearsal) -> Iterator[Fact]:
    window, margin = plan.decisions.window, plan.decisions.waits.margin
    if window is None:
        return
    expected = expected_durations(rehearsal)
    yield "latest start", moment(latest_start(window, expected, margin))
    yield "decision deadline", moment(back_out_deadline(window, expected.rollback, margin))


def _returns(rehearsal: Rehearsal) -> Iterator[RollbackRow]:
    for rehearsal_run in rehearsal.back:
        yield RollbackRow(
            f"step {rehearsal_run.boundary}",
            len(rehearsal_run.changes),
            span(rehearsal_run.restored) if rehearsal_run.restored else "not interrupted",
            span(rehearsal_run.outage),
        )
