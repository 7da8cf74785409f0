"""Rollback proof: the longest rollback, and dead ends."""

from __future__ import annotations

from typing import Any

from vpnmigrate.model.clock import span
from vpnmigrate.planning.rollback_proof import LongestPath, RollbackProof
from vpnmigrate.report.names import Names
from vpnmigrate.report.planned_changes import without_roles
from vpnmigrate.report.text import count, item, wrapped

DEAD_ENDS_SHOWN = 5
"""Number of dead ends that are listed; usually they have one cause."""


def proof_sentence(proof: RollbackProof) -> str:
    """Return the proof as a sentence."""
    if not proof.holds:
        return f"{count(len(proof.dead_ends), 'dead end')}, first: {proof.dead_ends[0]}"
    return (
        f"each of the {proof.states} states that this plan can reach can be rolled back in at most "
        f"{_length_text(proof.back)}; until finalize it can also be completed in at most "
        f"{_length_text(proof.forward)}"
    )


def proof_brief(proof: RollbackProof) -> str:
    """Return the proof for a cell of a table."""
    if not proof.holds:
        return proof_sentence(proof)
    return f"rollback from each of {proof.states} states, at most {_length_text(proof.back)}"


def proof_text(proof: RollbackProof, names: Names) -> str:
    """Return the proof in full: the longest rollback with its start, and the dead ends."""
    lines = [wrapped(f"{proof_sentence(proof)}.", first="  ")]
    if proof.back.begins:
        begins = names.text(without_roles(proof.back.begins))
        lines.append(item(f"the longest rollback starts at {begins}"))
    shown = (names.text(without_roles(str(end))) for end in proof.dead_ends[:DEAD_ENDS_SHOWN])
    lines += [item(f"DEAD END: {text}") for text in shown]
    if len(proof.dead_ends) > DEAD_ENDS_SHOWN:
        lines.append(item(f"and {len(proof.dead_ends) - DEAD_ENDS_SHOWN} more"))
    return "\n".join(lines)


def proof_json(proof: RollbackProof) -> dict[str, Any]:
    """Return the proof as a part of a JSON document."""
    return {
        "holds": proof.holds,
        "states": proof.states,
        "back": _length(proof.back),
        "forward": _length(proof.forward),
        "dead_ends": [
            {"state": end.state, "direction": end.direction.value, "why": end.why}
            for end in proof.dead_ends
        ],
    }


def _length_text(length: LongestPath) -> str:
    limit = f" with traffic restored within {span(length.cutover)}" if length.cutover else ""
    return f"{count(length.changes, 'change')}{limit}"


def _length(length: LongestPath) -> dict[str, Any]:
    return {
        "changes": length.changes,
        "cutover": round(length.cutover.total_seconds(), 3),
        "begins": length.begins,
    }
