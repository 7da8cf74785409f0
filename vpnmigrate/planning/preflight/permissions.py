"""Preflight: permissions of the credentials that plan.

They may be those of another role than the one that applies the plan, so nothing blocks: the gate
before step 7 tries every call again.
"""

from __future__ import annotations

from collections.abc import Iterable

from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.permissions import MissingPermission, PermissionVerdict
from vpnmigrate.model.plan import Finding
from vpnmigrate.model.survey import Survey
from vpnmigrate.planning.permission_checks import policy_phases
from vpnmigrate.planning.permissions import RunPhase
from vpnmigrate.planning.preflight.base import Findings, listed


def steps_are_allowed(survey: Survey, _decisions: Decisions) -> Findings:
    """Check that every call of steps 1 to 10 and of a rollback is allowed."""
    denied = [each for each in _denied(survey) if not each.only_removes]
    if denied:
        yield Finding(
            "VPM-W001",
            "permission-denied",
            f"these credentials may not call {_actions(denied)}",
            "The role that applies the plan needs them; without them the gates before step 7 hold "
            f"the run.  To print its policy: {_command(denied)}",
        )


def removal_is_allowed(survey: Survey, _decisions: Decisions) -> Findings:
    """Check that what only the clean-up of a rollback, or finalize, needs is allowed."""
    denied = [each for each in _denied(survey) if each.only_removes]
    if denied:
        yield Finding(
            "VPM-W002",
            "removal-denied",
            f"these credentials may not call {_actions(denied)}, so a rollback cannot clean up, or "
            "finalize cannot delete",
            "Grant them, or force the gate permissions and remove the resources in another way.  "
            "For the policy: vpnmigrate iam-policy PLAN --phase all",
        )


def permissions_are_proven(survey: Survey, _decisions: Decisions) -> Findings:
    """Check that every call was tried as a dry run, or simulated.

    For a resource that does not exist yet, the same call for an existing one counts.
    """
    missing = [each for each in survey.missing_permissions if not each.simulated]
    denied = _denied(survey)
    for why, actions in _by_reason(each for each in missing if each not in denied):
        yield Finding(
            "VPM-W003",
            "permission-unproven",
            f"it is not proven that these credentials may call {_actions(actions)}{_use(actions)}: "
            f"{why}",
            "Compare the role's policy with that of vpnmigrate iam-policy PLAN --phase all, or "
            "allow iam:SimulatePrincipalPolicy and plan again.",
        )


def permissions_are_shown_by_dry_runs(survey: Survey, _decisions: Decisions) -> Findings:
    """Check that no call is known to be allowed only from IAM's policy simulation."""
    simulated = [each for each in survey.missing_permissions if each.simulated]
    for why, actions in _by_reason(simulated):
        yield Finding(
            "VPM-W004",
            "permission-simulated",
            f"no dry run shows that these credentials may call {_actions(actions)}: {why}",
            "Nothing, for credentials without policies of a session.  The gate before step 7 tries "
            "the calls of the cutover and of a rollback again, and holds the run at those that are "
            "then only simulated for a role.",
        )


def _by_reason(
    missing: Iterable[MissingPermission],
) -> Iterable[tuple[str, list[MissingPermission]]]:
    reasons: dict[str, list[MissingPermission]] = {}
    for each in missing:
        reasons.setdefault(each.why, []).append(each)
    return reasons.items()


def _use(missing: Iterable[MissingPermission]) -> str:
    return ", which only clean-up needs" if all(each.only_removes for each in missing) else ""


def _denied(survey: Survey) -> list[MissingPermission]:
    missing = survey.missing_permissions
    return [each for each in missing if each.verdict is PermissionVerdict.DENIED]


def _command(missing: Iterable[MissingPermission]) -> str:
    """Return the command that prints the policy of the first phase, and the other phases."""
    phases = policy_phases(missing) or (RunPhase.CUTOVER, RunPhase.ROLLBACK)
    first, *others = sorted(phases, key=lambda phase: phase is RunPhase.STAGE)
    return " and ".join((f"vpnmigrate iam-policy PLAN --phase {first}", *others))


def _actions(missing: Iterable[MissingPermission]) -> str:
    return listed(dict.fromkeys(each.action for each in missing))
