"""Planner: a survey and decisions become a plan with a fingerprint.

Nothing here calls AWS or reads a clock, so the same survey and decisions give the same plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

import msgspec
from msgspec.structs import replace

from vpnmigrate.model.decisions import Decisions, TunnelPolicy
from vpnmigrate.model.ec2 import (
    ConnectionRecord,
    GatewayRecord,
    MigrationId,
    Role,
    Tag,
    VpnConnectionId,
)
from vpnmigrate.model.errors import NothingToMigrateError, PreflightError, RefusedError
from vpnmigrate.model.permissions import MissingPermission
from vpnmigrate.model.plan import (
    GATEWAY_ROLE,
    Direction,
    Finding,
    Outage,
    Phase,
    Plan,
    PlanAuthor,
    PlannedStep,
    Severity,
    connection_role,
    fingerprint_of,
)
from vpnmigrate.model.survey import Survey
from vpnmigrate.model.tunnel_options import unfit_options
from vpnmigrate.planning.drift import compared, configuration
from vpnmigrate.planning.inverse import with_inverses
from vpnmigrate.planning.prediction import (
    initial_state,
    predict_steps,
    predicted_end,
)
from vpnmigrate.planning.preflight import check
from vpnmigrate.planning.preflight.connections import nothing_to_migrate
from vpnmigrate.steps.sequences import CLEAN_UP, CUTOVER, FINALIZE, FORWARD

TRAFFIC_STEP = 10
BUILT_IN = (
    *("asn", "keys", "key_storage", "inside", "inside_cidrs", "unset_options"),
    *("tunnel_options", "tunnel_options_of", "networks", "tags"),
)
"""Decisions that determine what steps 2 and 3 create; EC2 cannot change them in place."""


def plan_from(  # noqa: PLR0913  what a plan is made of
    survey: Survey,
    decisions: Decisions,
    playbook_name: str,
    *,
    migration: MigrationId,
    made: datetime,
    tool: str,
    programs: Mapping[str, str] = MappingProxyType({}),
    author: PlanAuthor | None = None,
) -> Plan:
    """Return the plan to replace the surveyed gateway; *programs* are those its commands run.

    Raises:
        NothingToMigrateError: No connection needs the migration.
        PreflightError: Findings block it; the error has all findings.
        RefusedError: A step can never reach its goal.
    """
    if nothing := nothing_to_migrate(survey, decisions):
        raise NothingToMigrateError(f"nothing to migrate: {nothing.why}", advice=nothing.advice)
    findings = _findings(survey, decisions)
    draft = Plan(
        tool=tool,
        migration=migration,
        made=made,
        account=survey.account,
        region=survey.region,
        playbook=playbook_name,
        before=survey,
        decisions=decisions,
        programs=dict(programs),
        author=author,
        findings=findings,
    )
    forward, there = predict_steps(initial_state(draft, {}), FORWARD, Direction.FORWARD)
    back, _ = predict_steps(there, (*CUTOVER, *CLEAN_UP), Direction.ROLLBACK)
    finalize, _ = predict_steps(there, FINALIZE, Direction.FINALIZE)
    forward = with_inverses(forward, back)
    plan = replace(
        draft, forward=forward, back=back, finalize=finalize, outage=_outage_of(draft, forward)
    )
    return replace(plan, fingerprint=fingerprint(plan))


def derived_again(plan: Plan) -> Plan:
    """Return *plan* computed again from its survey and decisions.

    The rollback proof is not part of a plan, so this takes milliseconds for a small one.

    Raises:
        VpnMigrateError: They do not result in a plan.
    """
    return plan_from(
        plan.before,
        plan.decisions,
        plan.playbook,
        migration=plan.migration,
        made=plan.made,
        tool=plan.tool,
        programs=plan.programs,
        author=plan.author,
    )


def with_permissions(plan: Plan, missing: tuple[MissingPermission, ...]) -> Plan:
    """Return *plan* with findings about the permissions that are not proven.

    They change no step, so only the findings are made again.

    Raises:
        PreflightError: A finding blocks it.
    """
    before = replace(plan.before, missing_permissions=missing)
    changed = replace(plan, before=before, findings=_findings(before, plan.decisions))
    return replace(changed, fingerprint=fingerprint(changed))


def _findings(survey: Survey, decisions: Decisions) -> tuple[Finding, ...]:
    """Return the warnings about *survey*.

    Raises:
        PreflightError: A finding blocks it.
    """
    findings = check(survey, decisions)
    if any(finding.severity is Severity.BLOCKS for finding in findings):
        raise _blocked(survey, findings)
    return findings


def differing(plan: Plan, other: Plan) -> tuple[str, ...]:
    """Return the differences between two plans: field names, with numbers for steps."""
    found: list[str] = []
    for field in plan.__struct_fields__:
        here, there = getattr(plan, field), getattr(other, field)
        if here == there or field == "fingerprint":
            continue
        if field in {"forward", "back", "finalize"}:
            found += _steps_differing(field, here, there)
        else:
            found.append(field)
    return tuple(found)


def _steps_differing(
    field: str, here: Sequence[PlannedStep], there: Sequence[PlannedStep]
) -> Sequence[str]:
    numbers = sorted(
        {
            step.number
            for step in (*here, *there)
            if [s for s in here if s.number == step.number]
            != [s for s in there if s.number == step.number]
        }
    )
    return [f"{field}, step {number}" for number in numbers] or [f"{field}, their order"]


def replan_from(  # noqa: PLR0913  what a plan is made of, and what there is of it
    old: Plan,
    survey: Survey,
    decisions: Decisions,
    playbook_name: str,
    *,
    built: Mapping[str, Role],
    made: datetime,
    tool: str,
    holder: str = "",
    programs: Mapping[str, str] = MappingProxyType({}),
    author: PlanAuthor | None = None,
) -> Plan:
    """Return a new plan for a held migration from a new survey, with the same id.

    *built* are the ids of the resources that the run created, with their roles; the run keeps them.
    All other resources in the survey are not the run's, even with its tags.  *holder* is the name
    under which it claims the old gateway.

    Raises:
        RefusedError: It is not the same migration, or the created resources do not fit it.
        NothingToMigrateError: As ``plan_from``.
        PreflightError: As ``plan_from``.
    """
    _require_same_migration(old, survey)
    _require_fitting(old, survey, decisions, built)
    return plan_from(
        _without(built, _unclaimed(survey, holder)),
        decisions,
        playbook_name,
        migration=old.migration,
        made=made,
        tool=tool,
        programs=programs,
        author=author,
    )


def fingerprint(plan: Plan) -> str:
    """Return the fingerprint of *plan*."""
    return fingerprint_of(msgspec.to_builtins(plan))


def unexpected(plan: Plan, made: Mapping[Role, str], after: Survey) -> tuple[str, ...]:
    """Return how *after*, a survey of the new gateway, differs from the expected end.

    A missing successor is one sentence; without an id it is named by its old connection.
    """
    end, living = predicted_end(plan, made), {connection.id for connection in after.living}
    gone = [connection.id for connection in end.living if connection.id not in living]
    roles = {old: connection_role(old) for old in plan.old_connections}
    whose = {made.get(role, role): old for old, role in roles.items()}
    theirs = tuple(f"{id_}/" for id_ in gone)
    others = {p: v for p, v in _chosen_here(end).items() if not p.startswith(theirs)}
    lines = (_is_gone(id_, whose[id_]) for id_ in sorted(gone))
    differing = compared(others, _chosen_here(after))
    return (*lines, *differing, *sorted(_changed_options(end, after)))


def _chosen_here(survey: Survey) -> dict[str, str]:
    return {path: value for path, value in configuration(survey).items() if not _is_amazons(path)}


def _is_gone(successor: str, old: VpnConnectionId) -> str:
    known = "" if successor == connection_role(old) else f"{successor}, "
    return f"{known}the successor of {old}{',' if known else ''} is gone"


def _blocked(survey: Survey, findings: Sequence[Finding]) -> PreflightError:
    blockers = [f for f in findings if f.severity is Severity.BLOCKS]
    count = "1 finding blocks" if len(blockers) == 1 else f"{len(blockers)} findings block"
    first = blockers[0]
    return PreflightError(
        f"{survey.gateway.id} cannot be migrated as it is: {count} it, first {first}",
        findings,
        survey,
        advice=first.fix,
    )


def _outage_of(plan: Plan, forward: Sequence[PlannedStep]) -> Outage:
    """Return the outage, from the first interrupting change; every cutover has one."""
    begins = next(step for step in forward if step.phase is Phase.CUTOVER and step.changes)
    connections = ", ".join(plan.old_connections)
    prefixes = {p for t in plan.propagating_tables for p in t.propagated_from(plan.old_gateway)}
    routes = f", and the routes to {', '.join(sorted(prefixes))} are back" if prefixes else ""
    one_will_do = plan.decisions.verification.tunnels is TunnelPolicy.AT_LEAST_ONE
    tunnels = "at least one tunnel UP" if one_will_do else "as many tunnels UP as before"
    return Outage(
        begins.number,
        begins.changes[0],
        TRAFFIC_STEP,
        f"each successor of {connections} has {tunnels}{routes}",
    )


def _require_same_migration(old: Plan, survey: Survey) -> None:
    then = (old.account, old.region, old.old_gateway, old.vpc)
    vpc = survey.vpc.id if survey.vpc else "no VPC"
    now = (survey.account, survey.region, survey.gateway.id, vpc)
    if then != now:
        raise RefusedError(
            f"{old.migration} is for {' '.join(then)}, but the survey is of {' '.join(now)}",
            advice="roll the run back, then plan again",
        )


def _require_fitting(
    old: Plan, survey: Survey, decisions: Decisions, built: Mapping[str, Role]
) -> None:
    others: tuple[GatewayRecord | ConnectionRecord, ...] = (
        *survey.other_gateways,
        *survey.other_connections,
    )
    living = [one for one in others if one.id in built and one.state != "deleted"]
    if not living:
        return
    changed = [
        name for name in BUILT_IN if getattr(decisions, name) != getattr(old.decisions, name)
    ]
    if changed:
        raise RefusedError(
            f"{', '.join(one.id for one in living)} were created with other decisions: "
            f"{', '.join(changed)}",
            advice=f"keep these decisions, or roll back {old.migration} and plan again",
        )
    wanted = {GATEWAY_ROLE, *(connection_role(c.id) for c in survey.living)}
    orphans = [one.id for one in living if built[one.id] not in wanted]
    if orphans:
        raise RefusedError(
            f"{', '.join(orphans)} were created for connections that no longer exist",
            advice=f"roll back {old.migration} and plan again",
        )


def _unclaimed(survey: Survey, holder: str) -> Survey:
    """Return *survey* without the claim of *holder*; that of another holder stays a finding."""
    gateway = survey.gateway
    if not holder or gateway.tags.get(Tag.CLAIM) != holder:
        return survey
    tags = {key: value for key, value in gateway.tags.items() if key != Tag.CLAIM}
    return replace(survey, gateway=replace(gateway, tags=tags))


def _without(built: Mapping[str, Role], survey: Survey) -> Survey:
    """Return *survey* without the run's own resources, which must not block its plan."""
    return replace(
        survey,
        other_gateways=tuple(g for g in survey.other_gateways if g.id not in built),
        other_connections=tuple(c for c in survey.other_connections if c.id not in built),
        vpcs=tuple(v for v in survey.vpcs if v.id not in built),
    )


def _is_amazons(path: str) -> bool:
    """Return whether Amazon chooses the value at *path*, or it has a tunnel's address in it."""
    _, field, *_ = path.split("/", 2)
    return field in {"tunnel", "tunnel key", "tunnel option", "Availability Zone"}


def _changed_options(end: Survey, after: Survey) -> Iterator[str]:
    """Yield the connections of *after* whose tunnels have other options than planned.

    The order of the tunnels is Amazon's, and the start-up action is set after the cutover.
    """
    planned = {connection.id: connection for connection in end.living}
    for connection in after.living:
        if connection.id not in planned:
            continue
        wanted = planned[connection.id].described_options
        if option := unfit_options(wanted, connection.described_options):
            yield f"{connection.id}: {option.label} is not as planned"
