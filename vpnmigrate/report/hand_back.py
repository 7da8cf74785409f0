"""Hand-back to code as a Terraform file with a check list, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from vpnmigrate.model.errors.commands import Command
from vpnmigrate.planning.hand_back import HandBack, StackImport
from vpnmigrate.report.text import WIDTH, safe, wrapped

SCHEMA = "vpnmigrate/hand-back/1"
_VERSIONS = "These blocks need Terraform 1.7 or OpenTofu 1.7: older versions have no removed block."


def text(found: HandBack, migration: str) -> str:
    """Return a file that Terraform reads: blocks, with the check list as comments."""
    parts = [_comment(f"Hand-back of the migration {safe(migration)}: changes to the code.")]
    if not found.first and not found.before_first and not found.afterwards:
        parts.append(_comment("No resource of a state file was replaced."))
    if found.first or found.before_first:
        parts.append(_comment(_VERSIONS))
        steps = (*found.before_first, "add these blocks; terraform plan must show no destroy")
        parts.append(_stage("Stage 1: forget the old resources, adopt the new ones", steps))
        parts += found.first
    if found.second or found.before_second:
        steps = (
            "after the apply of stage 1, remove its blocks",
            *found.before_second,
            *(("uncomment and apply these blocks, then remove them",) if found.second else ()),
        )
        parts.append(_stage("Stage 2: the old names", steps))
        parts += [_commented(block) for block in found.second]
    if found.afterwards:
        parts.append(_stage("Then", found.afterwards))
    for each in found.stacks:
        parts.append(_stage(f"CloudFormation stack {safe(each.stack)}", _stack_steps(each)))
    return "\n".join(parts)


def _comment(line: str) -> str:
    return wrapped(line, first="# ", rest="# ") + "\n"


def _stage(title: str, steps: Sequence[str | Command]) -> str:
    lines = [f"# {title}", "#"]
    for number, step in enumerate(steps, start=1):
        if isinstance(step, Command):
            lines.append(f"# {number:>2}. {safe(str(step))}")
        else:
            lines.append(wrapped(step, first=f"# {number:>2}. ", rest="#     ", width=WIDTH))
    return "\n".join(lines) + "\n"


def _commented(block: str) -> str:
    return "".join(f"# {line}\n" for line in block.splitlines())


def _stack_steps(each: StackImport) -> Sequence[str]:
    logical = each.logical_id or "its logical id"
    return (
        f"set DeletionPolicy: Retain on {logical} ({each.old}) and update the stack",
        f"take {logical} out of the template, with its attachments and propagations, and update",
        f"put {logical} back, as {each.new} is, and make a change set of type IMPORT with this: "
        + json.dumps(_import_json(each)),
    )


def _import_json(each: StackImport) -> dict[str, Any]:
    return {
        "ResourceType": each.type,
        "LogicalResourceId": each.logical_id,
        "ResourceIdentifier": {each.identifier: each.new},
    }


def as_json(found: HandBack, migration: str) -> dict[str, Any]:
    """Return the same as a JSON document."""
    return {
        "schema": SCHEMA,
        "migration": migration,
        "stage_1": {"tasks": [str(t) for t in found.before_first], "blocks": list(found.first)},
        "stage_2": {"tasks": list(found.before_second), "blocks": list(found.second)},
        "afterwards": list(found.afterwards),
        "stacks": [
            {"stack": each.stack, "old": each.old, "import": _import_json(each)}
            for each in found.stacks
        ],
    }
