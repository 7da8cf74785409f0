"""Plan comparison: what differs between two plans, by topic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct

from vpnmigrate.model.changes import Change
from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.plan import Finding, Plan, PlannedStep
from vpnmigrate.planning.drift import differences


class DecisionDifference(Struct, frozen=True):
    """A decision that differs; None stands for a field that one plan does not have."""

    field: str
    before: Any
    now: Any


class StepDifference(Struct, frozen=True):
    """The changes that one plan makes in a step and the other one does not."""

    number: int
    title: str
    part: str
    """``forward``, ``back`` or ``finalize``."""
    removed: tuple[Change, ...] = ()
    added: tuple[Change, ...] = ()


class PlanComparison(Struct, frozen=True):
    """How the second of two plans differs from the first."""

    about: tuple[DecisionDifference, ...] = ()
    """Fields of the plan itself: gateway, VPC, account, Region, playbook, program."""
    decisions: tuple[DecisionDifference, ...] = ()
    configuration: tuple[str, ...] = ()
    """How the surveyed configuration differs, one sentence per field."""
    findings_gone: tuple[Finding, ...] = ()
    findings_new: tuple[Finding, ...] = ()
    steps: tuple[StepDifference, ...] = ()

    @property
    def same(self) -> bool:
        """Whether both plans make the same changes to the same configuration."""
        return self == PlanComparison()


def compare_plans(first: Plan, second: Plan) -> PlanComparison:
    """Return how *second* differs from *first*; who made them, and when, is not compared."""
    return PlanComparison(
        about=tuple(_fields_differing(_about(first), _about(second))),
        decisions=tuple(
            _fields_differing(
                dict(_flat(_built_in(first.decisions))),
                dict(_flat(_built_in(second.decisions))),
            )
        ),
        configuration=differences(first.before, second.before),
        findings_gone=_without(first.findings, second.findings),
        findings_new=_without(second.findings, first.findings),
        steps=tuple(_steps_differing(first, second)),
    )


def _about(plan: Plan) -> dict[str, Any]:
    return {
        "account": plan.account,
        "Region": plan.region,
        "VPC": plan.vpc,
        "gateway": plan.old_gateway,
        "playbook": plan.playbook,
        "program": plan.tool,
        **{f"content of {path}": digest for path, digest in sorted(plan.programs.items())},
    }


def _built_in(decisions: Decisions) -> Any:
    """Return *decisions* as nested objects; times and durations stay what they are."""
    return msgspec.to_builtins(decisions, builtin_types=(datetime, timedelta))


def _flat(document: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value of nested objects with its path; a list is one value."""
    if isinstance(document, dict):
        for name, value in document.items():
            yield from _flat(value, f"{path}.{name}" if path else name)
    else:
        yield path, document


def _fields_differing(before: dict[str, Any], now: dict[str, Any]) -> Iterator[DecisionDifference]:
    for name in dict.fromkeys((*before, *now)):
        if before.get(name) != now.get(name):
            yield DecisionDifference(name, before.get(name), now.get(name))


def _without(findings: Sequence[Finding], others: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(finding for finding in findings if finding not in others)


def _steps_differing(first: Plan, second: Plan) -> Iterator[StepDifference]:
    for part in ("forward", "back", "finalize"):
        before = {_key(step): step for step in getattr(first, part)}
        now = {_key(step): step for step in getattr(second, part)}
        for key in dict.fromkeys((*before, *now)):
            removed = _changes_missing(before.get(key), now.get(key))
            added = _changes_missing(now.get(key), before.get(key))
            if removed or added:
                yield StepDifference(*key, part, removed, added)


def _key(step: PlannedStep) -> tuple[int, str]:
    return step.number, step.title


def _changes_missing(here: PlannedStep | None, there: PlannedStep | None) -> tuple[Change, ...]:
    """Return the changes of *here* that *there* does not make, as often as they are missing."""
    left = Counter(map(msgspec.json.encode, there.changes if there else ()))
    missing = []
    for change in here.changes if here else ():
        key = msgspec.json.encode(change)
        if left[key]:
            left[key] -= 1
        else:
            missing.append(change)
    return tuple(missing)
