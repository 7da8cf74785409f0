"""Gate basics: inputs, results, forced gates and advice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from vpnmigrate.commands import Advice, Command
from vpnmigrate.engine.ports import Identity, NetworkPath
from vpnmigrate.model.approval import Approval, RehearsalResult
from vpnmigrate.model.gates import UNFORCEABLE, Force, Gate, GateResult, GateVerdict


@dataclass(frozen=True)
class RollbackTrial:
    """What a trial of the way back has shown, such as of the permissions that it needs."""

    holds: bool
    text: str


@dataclass(frozen=True)
class GateContext:
    """The hour, the host and the people of a milestone."""

    now: datetime
    identity: Identity
    user: str
    """Login name of whoever carries the plan out."""
    differences: tuple[str, ...] = ()
    """How AWS is configured differently from the plan's survey."""
    paths: Sequence[NetworkPath] = ()
    approvals: tuple[Approval, ...] = ()
    """As they were handed in; the gate judges them anew."""
    rehearsed: RehearsalResult | None = None
    proof: RollbackTrial | None = None
    """None where nobody has tried."""


def passed(gate: Gate, observed: str, required: str) -> GateResult:
    """Let through."""
    return GateResult(gate, GateVerdict.PASS, observed, required)


def failed(gate: Gate, observed: str, required: str, *, advice: Advice = "") -> GateResult:
    """Stop, for what was found."""
    return GateResult(gate, GateVerdict.FAIL, observed, required, advice)


def unknown(gate: Gate, observed: str, required: str, *, advice: Advice = "") -> GateResult:
    """Stop, for what could not be found out."""
    return GateResult(gate, GateVerdict.UNKNOWN, observed, required, advice)


def unless(
    gate: Gate, faults: Iterable[str], observed: str, required: str, *, advice: Advice = ""
) -> GateResult:
    """Stop for *faults*, all of them, or let through where there are none."""
    text = "; ".join(faults)
    if text:
        return failed(gate, text, required, advice=advice)
    return passed(gate, observed, required)


def forced(gates: Iterable[GateResult], forces: Iterable[Force]) -> tuple[GateResult, ...]:
    """Mark the gates that do not pass and that the operator goes on from all the same.

    A force on a gate that passes, or that nobody can force, does nothing.
    """
    reasons = {force.gate: force.reason for force in forces if force.gate not in UNFORCEABLE}
    return tuple(
        seen
        if seen.lets_through or seen.gate not in reasons
        else replace(seen, forced=reasons[seen.gate])
        for seen in gates
    )


def ready_to_paste(
    gates: Iterable[GateResult], *, run: str, plan_file: str
) -> tuple[GateResult, ...]:
    """Put *run* and *plan_file* where the advice of a gate says RUN and PLAN."""
    names = {"RUN": run, "PLAN": plan_file}
    return tuple(replace(seen, advice=_named(seen.advice, names)) for seen in gates)


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
