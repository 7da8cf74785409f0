"""Gate options: approvals and forced gates from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vpnmigrate.cli.options import GateOptions
from vpnmigrate.engine.gates import ASKED
from vpnmigrate.errors import UsageError
from vpnmigrate.local.documents import load_approval
from vpnmigrate.model.approval import Approval
from vpnmigrate.model.gates import UNFORCEABLE, Force, Gate, Milestone


@dataclass(frozen=True)
class ApprovalsAndForces:
    """Approvals that were read, and forces that are allowed."""

    approvals: tuple[Approval, ...] = ()
    forces: tuple[Force, ...] = ()


def gate_options(milestone: Milestone, given: GateOptions) -> ApprovalsAndForces:
    """Read what the command line brings to the gates before *milestone*.

    Raises:
        UsageError: A file is no approval, or a gate cannot be forced there.
        RefusedError: An approval was edited.
    """
    approvals = tuple(load_approval(Path(path)) for path in given.approval or ())
    return ApprovalsAndForces(approvals, _forces(milestone, given.force or (), given.reason or ()))


def _forces(
    milestone: Milestone, names: Sequence[str], reasons: Sequence[str]
) -> tuple[Force, ...]:
    lines = [reason.strip() for reason in reasons]
    if len(names) != len(lines) or not all(lines):
        raise UsageError(
            "every --force needs a --reason of its own, and every --reason a --force",
            advice="--force GATE --reason 'why the run goes on all the same'",
        )
    return tuple(
        Force(_forceable(milestone, name), reason)
        for name, reason in zip(names, lines, strict=True)
    )


def _forceable(milestone: Milestone, name: str) -> Gate:
    forceable = [gate for gate in ASKED[milestone] if gate not in UNFORCEABLE]
    listed = ", ".join(forceable)
    if name not in ASKED[milestone]:
        raise UsageError(
            f"there is no gate {name!r} before the {milestone}", advice=f"one of: {listed}"
        )
    gate = Gate(name)
    if gate in UNFORCEABLE:
        raise UsageError(
            f"nobody can force {gate}: {UNFORCEABLE[gate]}",
            advice=f"these can be forced, each with its reason: {listed}",
        )
    return gate
