"""Gate options: approvals and forced gates from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vpnmigrate.cli.options import GateOptions
from vpnmigrate.local.documents import ApprovalFile, load_approval
from vpnmigrate.model.errors import UsageError
from vpnmigrate.model.gates import UNFORCEABLE, Force, Gate, Milestone, gates_before


@dataclass(frozen=True)
class ApprovalsAndForces:
    """Approvals and forces that were read and checked."""

    approvals: tuple[ApprovalFile, ...] = ()
    forces: tuple[Force, ...] = ()


def gate_options(milestone: Milestone, given: GateOptions) -> ApprovalsAndForces:
    """Read the approvals and forces of the command line for the gates before *milestone*.

    Raises:
        UsageError: A file is not an approval, or a gate cannot be forced there.
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
            "every --force needs its own --reason, and every --reason its --force",
            advice="--force GATE --reason 'why the run may continue'",
        )
    return tuple(
        Force(_forceable(milestone, name), reason)
        for name, reason in zip(names, lines, strict=True)
    )


def _forceable(milestone: Milestone, name: str) -> Gate:
    forceable = [gate for gate in gates_before(milestone) if gate not in UNFORCEABLE]
    listed = ", ".join(forceable)
    if name not in gates_before(milestone):
        raise UsageError(
            f"{name!r} is not a gate before the {milestone}", advice=f"choose one of: {listed}"
        )
    gate = Gate(name)
    if gate in UNFORCEABLE:
        raise UsageError(
            f"gate {gate} cannot be forced: {UNFORCEABLE[gate]}",
            advice=f"these gates can be forced, each with a --reason: {listed}",
        )
    return gate
