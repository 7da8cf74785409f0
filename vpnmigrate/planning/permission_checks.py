"""Permission checks: the calls of a plan that are tried before they are needed.

Calls of one operation that EC2 authorizes on the same resources need the same permission, so one of
them is tried: preferably one that names resources of the survey, whose state it fits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from vpnmigrate.model.ec2 import Role, Tag
from vpnmigrate.model.permissions import (
    MissingPermission,
    PermissionQuery,
    PermissionResult,
    PermissionVerdict,
    QueriedAction,
    QueriedResource,
)
from vpnmigrate.model.plan import LAST_OF_PREPARE, Plan
from vpnmigrate.planning.permissions import (
    CallResource,
    PlannedCall,
    ResourceOrigin,
    RunPhase,
    planned_calls,
)


class PermissionCheck(Struct, frozen=True):
    """A query, with what needs its call."""

    query: PermissionQuery
    resources: tuple[str, ...]
    only_removes: bool
    phases: tuple[RunPhase, ...]
    similar: PermissionQuery | None = None
    """The same call for a resource of the survey, if *query* names one that does not exist yet, and
    no other check tries the operation.  Policies may tell the two resources apart."""


def checks_of_plan(plan: Plan) -> tuple[PermissionCheck, ...]:
    """Return the checks of every call that the program makes for *plan* without further options.

    Raises:
        RefusedError: A step can never reach its goal.
    """
    calls = planned_calls(plan)
    checks = _checks(plan, [call for call in calls if not call.optional], ())
    tried = {check.query.operation for check in checks if check.query.complete}
    similar = {
        call.operation: PermissionQuery(call.operation, call.parameters, _authorized(plan, call))
        for call in calls
        if not call.unknown_ids and call.operation not in tried
    }
    return tuple(
        check
        if check.query.complete
        else replace(check, similar=similar.get(check.query.operation))
        for check in checks
    )


def checks_before_cutover(
    plan: Plan, made: Mapping[Role, str], attempt: int
) -> tuple[PermissionCheck, ...]:
    """Return the checks of every call that can follow step 6; *made* has what the run created.

    Calls for resources that only steps 1 to 6 need, such as a test VPC, are left out: these are
    deleted before step 7.

    Raises:
        RefusedError: A step can never reach its goal.
    """
    calls = [
        call
        for call in planned_calls(plan, made, attempt=attempt)
        if call.phases - {RunPhase.STAGE}
        and not call.optional
        and not (call.unknown_ids and all(use.step <= LAST_OF_PREPARE for use in call.uses))
    ]
    return _checks(plan, calls, made.values())


def missing(
    checks: Sequence[PermissionCheck], results: Sequence[PermissionResult]
) -> tuple[MissingPermission, ...]:
    """Return the actions that no dry run shows to be allowed; *results* has one for each check."""
    found: dict[tuple[object, ...], MissingPermission] = {}
    for check, result in zip(checks, results, strict=True):
        if result.verdict is PermissionVerdict.ALLOWED:
            continue
        ends = check.phases == (RunPhase.FINALIZE,)
        key = (result.action, result.verdict, result.why, check.only_removes, ends)
        one = found.get(key) or MissingPermission(
            result.action, result.verdict, result.why, only_removes=check.only_removes
        )
        found[key] = replace(
            one,
            resources=tuple(dict.fromkeys((*one.resources, *check.resources))),
            phases=tuple(phase for phase in RunPhase if phase in {*one.phases, *check.phases}),
        )
    return tuple(found.values())


def holding(missing: Iterable[MissingPermission]) -> tuple[MissingPermission, ...]:
    """Return what holds a cutover; finalize runs later, perhaps with another role."""
    return tuple(each for each in missing if each.phases != (RunPhase.FINALIZE,))


def undecided(missing: Iterable[MissingPermission]) -> tuple[MissingPermission, ...]:
    """Return what may be denied, and holds a cutover until an operator forces it.

    A simulation decides, except about a session's call without which traffic may stay down.
    """
    return tuple(
        each
        for each in holding(missing)
        if each.verdict is not PermissionVerdict.DENIED
        and (not each.simulated or _may_be_denied_in_the_outage(each))
    )


def _may_be_denied_in_the_outage(simulated: MissingPermission) -> bool:
    of_session = simulated.verdict is PermissionVerdict.SIMULATED_ROLE
    return of_session and not simulated.only_removes and simulated.phases != (RunPhase.STAGE,)


def policy_phases(missing: Iterable[MissingPermission]) -> tuple[RunPhase, ...]:
    """Return the phases whose policies have what is missing.

    Cutover and rollback are granted together, because either one may have to end an outage.
    """
    both = {RunPhase.CUTOVER, RunPhase.ROLLBACK}
    phases = set[str]()
    for each in missing:
        if each.only_removes:
            phases |= {*each.phases}
        else:
            phases |= {*each.phases} & {RunPhase.STAGE}
            phases |= both if both & {*each.phases} else set()
    return tuple(phase for phase in RunPhase if phase in phases)


def queries_of_plan(checks: Sequence[PermissionCheck]) -> tuple[PermissionQuery, ...]:
    """Return what is tried at plan: the query of each check, then the similar ones."""
    similar = (check.similar for check in checks if check.similar is not None)
    return (*(check.query for check in checks), *similar)


def missing_at_plan(
    checks: Sequence[PermissionCheck], results: Sequence[PermissionResult]
) -> tuple[MissingPermission, ...]:
    """Return the actions that are not shown to be allowed; *results* are of ``queries_of_plan``.

    A call for a resource that does not exist yet is tried by the gate before step 7.  Until then
    the same call for another resource stands for it.
    """
    own, others = results[: len(checks)], iter(results[len(checks) :])
    tried = {check.query.operation for check in checks if check.query.complete}
    found: list[tuple[PermissionCheck, PermissionResult]] = []
    for check, result in zip(checks, own, strict=True):
        other = None if check.similar is None else next(others)
        if not _is_tried_later(check, result):
            found.append((check, result))
        elif result.verdict is PermissionVerdict.UNPROVEN and check.query.operation not in tried:
            found.append((check, _shown_by_similar(check, result, other)))
    return missing([check for check, _ in found], [result for _, result in found])


def _is_tried_later(check: PermissionCheck, result: PermissionResult) -> bool:
    """Return whether the call cannot be tried before a resource of an earlier step exists."""
    tried_later = check.query.has_dry_run and not check.query.complete
    return tried_later and result.verdict is not PermissionVerdict.DENIED


def _shown_by_similar(
    check: PermissionCheck, untried: PermissionResult, other: PermissionResult | None
) -> PermissionResult:
    """Return what the result of a similar call, *other*, shows about a call that is *untried*.

    If a call that creates a resource is denied, the run ends before anything is interrupted.
    """
    allowed = PermissionResult(PermissionVerdict.ALLOWED, untried.action)
    if not check.query.actions:
        return allowed
    if other is None or check.similar is None:
        return untried
    match other.verdict:
        case PermissionVerdict.UNPROVEN:
            return replace(untried, why=other.why)
        case PermissionVerdict.DENIED | PermissionVerdict.UNKNOWN:
            named = ", ".join(
                r.path.rpartition("/")[2] for a in check.similar.actions for r in a.resources
            )
            seen = "is denied" if other.verdict is PermissionVerdict.DENIED else other.why
            return replace(untried, why=f"{untried.why}, and the same call for {named} {seen}")
        case _:
            return allowed


def _checks(
    plan: Plan, calls: Iterable[PlannedCall], created: Iterable[str]
) -> tuple[PermissionCheck, ...]:
    equal: dict[tuple[object, ...], list[PlannedCall]] = {}
    for call in calls:
        equal.setdefault((call.operation, call.actions), []).append(call)
    everything = [call for each in equal.values() for call in each]
    new = frozenset(created)
    return tuple(_check(plan, each, everything, new) for each in equal.values())


def _check(
    plan: Plan,
    calls: Sequence[PlannedCall],
    everything: Sequence[PlannedCall],
    created: frozenset[str],
) -> PermissionCheck:
    first = calls[0]
    tried = min(calls, key=lambda call: (len(call.unknown_ids), _named(call, created)))
    if "AssociationId" in tried.parameters and tried.unknown_ids:
        # The association that a rollback ends does not exist yet; the one on its table does.
        tried = next(_on_the_same_table(first, everything), tried)
    return PermissionCheck(
        PermissionQuery(
            tried.operation,
            tried.parameters,
            _authorized(plan, first),
            first.has_dry_run,
            complete=not tried.unknown_ids,
        ),
        tuple(dict.fromkeys(r.id for each in first.actions for r in each.resources if r.id != "*")),
        only_removes=all(call.only_removes for call in calls),
        phases=tuple(phase for phase in RunPhase if any(phase in call.phases for call in calls)),
    )


def _named(call: PlannedCall, created: frozenset[str]) -> int:
    """Return how many of *created* the call names: their state may not fit it yet."""
    return sum(isinstance(value, str) and value in created for value in call.parameters.values())


def _on_the_same_table(
    like: PlannedCall, everything: Iterable[PlannedCall]
) -> Iterator[PlannedCall]:
    tables = _tables(like)
    for call in everything:
        if call.operation == like.operation and not call.unknown_ids and tables & _tables(call):
            yield call


def _tables(call: PlannedCall) -> set[str]:
    return {r.id for each in call.actions for r in each.resources if r.type == "route-table"}


def _authorized(plan: Plan, call: PlannedCall) -> tuple[QueriedAction, ...]:
    """Return what IAM is asked about *call*; nothing for a call that creates a resource.

    Its policy may require tags of the request, which only the call itself has.
    """
    creates = any(r.origin is ResourceOrigin.NEW for a in call.actions for r in a.resources)
    if creates:
        return ()
    return tuple(
        QueriedAction(
            required.action,
            tuple(_resource(plan, call, each) for each in required.resources),
        )
        for required in call.actions
    )


def _resource(plan: Plan, call: PlannedCall, resource: CallResource) -> QueriedResource:
    id_ = "*" if resource.id in call.unknown_ids else resource.id
    if resource.origin is ResourceOrigin.TAGGED:
        tags: Mapping[str, str] = {Tag.MIGRATION.value: plan.migration}
    else:
        tags = _surveyed_tags(plan).get(resource.id, {})
    vpc = next((table.vpc for table in plan.before.route_tables if table.id == resource.id), "")
    return QueriedResource(f"{resource.type}/{id_}", tuple(sorted(tags.items())), vpc)


def _surveyed_tags(plan: Plan) -> Mapping[str, Mapping[str, str]]:
    before = plan.before
    return {
        before.gateway.id: before.gateway.tags,
        **{each.id: each.tags for each in before.connections},
        **{each.id: each.tags for each in before.vpcs},
        **{each.id: each.tags for each in before.route_tables},
    }
