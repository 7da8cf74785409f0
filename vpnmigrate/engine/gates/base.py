"""Gate basics: inputs, results, forced gates and advice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec.structs import replace

from vpnmigrate.engine.ports import Identity, NetworkPath
from vpnmigrate.model.approval import Approval, RehearsalResult
from vpnmigrate.model.encryption_control import EncryptionControls
from vpnmigrate.model.errors.commands import Advice, Command, cli
from vpnmigrate.model.gates import UNFORCEABLE, Force, Gate, GateResult, GateVerdict
from vpnmigrate.model.permissions import MissingPermission
from vpnmigrate.model.signatures import SignatureChecks
from vpnmigrate.model.tunnel_maintenance import TunnelMaintenance
from vpnmigrate.planning.drift import NO_DRIFT, Drift


@dataclass(frozen=True)
class RollbackProofResult:
    """Whether the rollback proof of the plan holds, as *text* for an operator."""

    holds: bool
    text: str


@dataclass(frozen=True)
class GateContext:
    """The inputs of the gates that are not an observation: time, host, identity and people."""

    now: datetime
    identity: Identity
    user: str
    """Login name of the operator."""
    drift: Drift = NO_DRIFT
    """The differences between AWS and the plan's survey."""
    paths: Sequence[NetworkPath] = ()
    approvals: tuple[Approval, ...] = ()
    """The approvals as given; the gate validates them."""
    after: str = ""
    """The rollback that an approval has to name; empty if there was none under this plan."""
    signatures: SignatureChecks | None = None
    """None if the plan demands no signatures."""
    flowed: timedelta | None = None
    """How long ago traffic through the new side was last proven stable; None if it is not."""
    finalizing: bool = False
    """Whether an earlier process has started finalize."""
    journal_lost: bool = False
    """Whether an earlier journal of the run is lost, and with it, which attempt this is."""
    rehearsed: RehearsalResult | None = None
    proof: RollbackProofResult | None = None
    """None if the rollback was not tested."""
    missing_permissions: tuple[MissingPermission, ...] | None = None
    """What is not proven to be allowed; None in a rehearsal, which shows no permissions."""
    maintenance: tuple[TunnelMaintenance, ...] = ()
    """What AWS has announced for each tunnel, old and new; none is UNKNOWN."""
    encryption: EncryptionControls | None = None
    """The encryption controls of the VPC; None is UNKNOWN."""


def passed(gate: Gate, observed: str, required: str) -> GateResult:
    """Return PASS."""
    return GateResult(gate, GateVerdict.PASS, observed, required)


def failed(
    gate: Gate, observed: str, required: str, *, advice: Advice = "", unforceable: str = ""
) -> GateResult:
    """Return FAIL for what was observed; *unforceable* is why this result cannot be forced."""
    return GateResult(gate, GateVerdict.FAIL, observed, required, advice, unforceable=unforceable)


def unknown(gate: Gate, observed: str, required: str, *, advice: Advice = "") -> GateResult:
    """Return UNKNOWN: the gate could not be evaluated."""
    return GateResult(gate, GateVerdict.UNKNOWN, observed, required, advice)


def unless(
    gate: Gate, faults: Iterable[str], observed: str, required: str, *, advice: Advice = ""
) -> GateResult:
    """Return FAIL with all *faults*, or PASS with *observed* if there are none."""
    text = "; ".join(faults)
    if text:
        return failed(gate, text, required, advice=advice)
    return passed(gate, observed, required)


def forced(gates: Iterable[GateResult], forces: Iterable[Force]) -> tuple[GateResult, ...]:
    """Return *gates* with the operator's reason in each that does not pass and is forced.

    A force on a gate that passes, or on a result that cannot be forced, has no effect.
    """
    reasons = {force.gate: force.reason for force in forces if force.gate not in UNFORCEABLE}
    return tuple(
        result
        if result.lets_through or result.unforceable or result.gate not in reasons
        else replace(result, forced=reasons[result.gate])
        for result in gates
    )


NEW_PLAN = "NEW_PLAN"
"""Stands for the file of another plan for the run, in an advice."""


def plan_again(why: str, *choices: str) -> tuple[str | Command, ...]:
    """Return the advice to plan again with *choices*, and then to apply the file of that plan.

    The run alone would be resumed with the plan in force, at which the same gate is closed.
    """
    return (
        f"{why}:",
        cli("plan", "--from", "RUN", *choices, "-o", NEW_PLAN),
        "then apply that plan:",
        cli("apply", NEW_PLAN),
    )


def ready_to_paste(
    gates: Iterable[GateResult], *, run: str, plan_file: str, new_plan: str
) -> tuple[GateResult, ...]:
    """Return *gates* with the names in place of RUN, PLAN and NEW_PLAN in their advice."""
    names = {"RUN": run, "PLAN": plan_file, NEW_PLAN: new_plan}
    return tuple(replace(result, advice=_named(result.advice, names)) for result in gates)


def _named(advice: Advice, names: Mapping[str, str]) -> Advice:
    match advice:
        case str():
            return advice
        case Command():
            return _with_names(advice, names)
        case _:
            return tuple(p if isinstance(p, str) else _with_names(p, names) for p in advice)


def _with_names(command: Command, names: Mapping[str, str]) -> Command:
    return Command(tuple(names.get(word, word) for word in command.words))
