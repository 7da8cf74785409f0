"""Residue as rows: each change that was not made, with the AWS CLI command that makes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vpnmigrate.journal import RunState
from vpnmigrate.model.changes import ArchiveConfiguration
from vpnmigrate.model.changes.base import CallTags
from vpnmigrate.model.ec2 import MigrationId
from vpnmigrate.model.errors.commands import Advice, Command, Invocation, aws_call
from vpnmigrate.model.residue import ResidualChange
from vpnmigrate.report.text import count


def residue_rows(state: RunState, invocation: Invocation) -> Iterator[tuple[str, Advice]]:
    """Yield what was not done, how to do it by hand, and the destinations without a path."""
    for each in state.residue.changes:
        yield "not done", f"{each.change}: {each.why}"
        if (by_hand := _command(each, state)) is not None:
            yield "by hand", invocation.complete(by_hand)
    for destination in state.residue.unreached:
        yield "no path", destination


def residue_json(state: RunState, invocation: Invocation) -> list[dict[str, Any]]:
    """Return the changes that were not made as JSON values."""
    commands = ((each, _command(each, state)) for each in state.residue.changes)
    return [
        {
            "change": str(each.change),
            "why": each.why,
            "command": "" if by_hand is None else str(invocation.complete(by_hand)),
        }
        for each, by_hand in commands
    ]


def unreached_text(state: RunState) -> str:
    """Return a clause about the destinations that have no path; empty if there are none."""
    if not state.residue.unreached:
        return ""
    return f", EXCEPT {count(len(state.residue.unreached), 'destination')}"


def _command(residual: ResidualChange, state: RunState) -> Command | None:
    """Return the AWS CLI command that makes the change; None for one that only reads."""
    change = residual.change
    if isinstance(change, ArchiveConfiguration):
        return None
    number = state.opened.change if state.opened else ""
    tags = CallTags(state.migration or MigrationId(""), state.attempt, state.step, number)
    request = change.request(tags)
    return aws_call(request.operation, request.parameters)
