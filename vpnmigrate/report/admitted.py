"""Who and what let a run through its gates, for its report: readings, forces, approvals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from vpnmigrate.journal import RunState
from vpnmigrate.journal.records import Entry, GatesSeen
from vpnmigrate.model.clock import moment
from vpnmigrate.model.gates import Seen
from vpnmigrate.report import gates
from vpnmigrate.report.document import Section, Table


def forces(state: RunState) -> Iterator[Section]:
    """Give the gates that somebody went through by force, and what they put up with: loud."""
    if state.forced:
        yield Section("Forced", tuple(map(gates.forced_line, state.forced)), loud=True)
    if state.accepted:
        yield Section("Accepted", tuple(map(gates.accepted_line, state.accepted)), loud=True)


def rounds(entries: Sequence[Entry], state: RunState) -> Iterator[Section]:
    """Give every round of gates, with what each gate said, then who approved."""
    for entry in entries:
        if isinstance(entry.record, GatesSeen):
            title = gates.title(entry.record)
            rows = tuple(_row(line) for line in entry.record.gates)
            yield Section(
                title[0].upper() + title[1:],
                (f"asked {moment(entry.wall)}",),
                Table(("gate", "call", "observed", "required"), rows),
            )
    if state.approvals:
        rows = tuple(
            (a.approver, f"{a.user} on {a.host}", moment(a.at), f"until {moment(a.expires)}")
            for a in state.approvals
        )
        yield Section("Approvals", (), Table(("approver", "as", "when", "valid"), rows))


def as_json(entries: Sequence[Entry], state: RunState) -> dict[str, Any]:
    """Give the same as JSON values."""
    return {
        "gates": [
            gates.as_json(entry.record, entry.wall)
            for entry in entries
            if isinstance(entry.record, GatesSeen)
        ],
        "forced": [msgspec.to_builtins(each) for each in state.forced],
        "accepted": [msgspec.to_builtins(each) for each in state.accepted],
        "approvals": [msgspec.to_builtins(each) for each in state.approvals],
    }


def _row(seen: Seen) -> tuple[str, ...]:
    call = f"FORCED ({seen.call.value})" if seen.forced else seen.call.value
    return seen.gate.value, call, seen.observed, f"required: {seen.required}"
