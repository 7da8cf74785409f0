"""Campaign as text: the file that ``fleet new`` writes, with comments for its editor.

``campaign_from`` reads it back to the same value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

import msgspec
from msgspec import Struct

from vpnmigrate.fleet.campaign import Campaign
from vpnmigrate.model.decisions import Window
from vpnmigrate.planning.yaml_struct import duration_text

_COMMENTS: Final = {
    "playbook": ("The decisions of every plan: a name, or a file.",),
    "limits": (
        "Migrations under way at a time; for a device, also those that are staged.",
        "Two that share a customer gateway, device, VPC, static prefix or partner are never",
        "under way together, whatever the limits are.",
    ),
    "error_budget": ("How many may fail or be rolled back before nothing further is started.",),
    "freeze": ("Nothing is started during the events of this calendar.",),
    "accounts": ("How each account is reached: a role or a profile.",),
    "waves": (
        "A wave begins when the one before has passed: every member done, and its soak over.",
        "approval: true keeps it closed until approved_by names a person.",
    ),
}
_FREEZE: Final = "# freeze: {calendar: freeze.ics, margin: 2h}"
"""Shown where a campaign has no calendar yet."""
_ALWAYS: Final = frozenset(
    {"playbook", "limits", "account", "region", "device"}
    | {"error_budget", "freeze", "soak", "approval"}
)
"""Fields that are written although they have their default, because people decide them."""


def campaign_text(campaign: Campaign) -> str:
    """Return the text of the file of *campaign*."""
    lines = ["# A campaign of vpnmigrate. Its fields: vpnmigrate fleet schema"]
    for key, value in _fields(campaign):
        if key in _COMMENTS:
            lines += ["", *(f"# {line}" for line in _COMMENTS[key])]
        if key == "freeze" and value is None:
            lines.append(_FREEZE)
        else:
            lines += _entry(key, value)
    return "\n".join([*lines, ""])


def _fields(struct: Struct) -> Iterator[tuple[str, Any]]:
    """Yield the fields of *struct* that are written; long lists come last."""
    long = []
    for field in msgspec.structs.fields(struct):
        value = getattr(struct, field.name)
        default = field.default
        if field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        if isinstance(value, tuple) and any(isinstance(each, Struct) for each in value):
            long.append((field.encode_name, value))
        elif field.name in _ALWAYS or value != default:
            yield field.encode_name, value
    yield from long


def _entry(key: str, value: Any) -> Iterator[str]:
    match value:
        case Window():
            yield f"{key}: {_scalar(value.written)}"
        case Struct():
            yield from _block(key, _fields(value))
        case Mapping():
            yield from _block(key, ((_scalar(name), inner) for name, inner in value.items()))
        case (Struct(), *_):
            yield f"{key}:"
            for item in value:
                lines = [line for name, inner in _fields(item) for line in _entry(name, inner)]
                yield f"  - {lines[0]}"
                yield from (f"    {line}" for line in lines[1:])
        case tuple():
            yield f"{key}: [{', '.join(map(_scalar, value))}]"
        case _:
            yield f"{key}: {_scalar(value)}"


def _block(key: str, items: Any) -> Iterator[str]:
    lines = [line for name, inner in items for line in _entry(name, inner)]
    if not lines:
        yield f"{key}: {{}}"
        return
    yield f"{key}:"
    yield from (f"  {line}" for line in lines)


_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9._/:-]*[A-Za-z0-9]")
_WORDS: Final = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
"""What YAML reads as something else than text."""


def _scalar(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case timedelta():
            return duration_text(value)
        case str() if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
            return value
        case _:
            shown = "".join(c if c.isprintable() else "?" for c in str(value))
            return json.dumps(shown, ensure_ascii=False)
