"""How a gate says what it found."""

from __future__ import annotations

from collections.abc import Iterable

from vpnmigrate.commands import Advice
from vpnmigrate.model.gates import Call, Gate, Seen


def passed(gate: Gate, observed: str, required: str) -> Seen:
    """Let through."""
    return Seen(gate, Call.PASS, observed, required)


def failed(gate: Gate, observed: str, required: str, *, advice: Advice = "") -> Seen:
    """Stop, for what was found."""
    return Seen(gate, Call.FAIL, observed, required, advice)


def unknown(gate: Gate, observed: str, required: str, *, advice: Advice = "") -> Seen:
    """Stop, for what could not be found out."""
    return Seen(gate, Call.UNKNOWN, observed, required, advice)


def unless(
    gate: Gate, faults: Iterable[str], observed: str, required: str, *, advice: Advice = ""
) -> Seen:
    """Stop for *faults*, all of them, or let through where there are none."""
    told = "; ".join(faults)
    if told:
        return failed(gate, told, required, advice=advice)
    return passed(gate, observed, required)
