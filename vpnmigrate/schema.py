"""The JSON Schema of playbooks, made from the types that read them.

Editors use it to complete and check a playbook while it is written.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from vpnmigrate.playbook import DURATION, Playbook
from vpnmigrate.windows.written import FORM, PATTERN

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def playbook_schema() -> dict[str, Any]:
    """Give the schema; ``vpnmigrate`` itself does not read it."""
    made = msgspec.json.schema(Playbook)
    named = {"$schema": DIALECT, "title": "vpnmigrate playbook", **made}
    described: dict[str, Any] = _with_durations(named)
    described["$defs"]["Window"] = {
        "type": "string",
        "title": "Window",
        "description": f"When a change may begin, like {FORM}",
        "pattern": PATTERN,
    }
    return described


def schema_text() -> str:
    """Give the schema as the text that docs/reference/playbook.schema.json holds."""
    return json.dumps(playbook_schema(), indent=2, sort_keys=True) + "\n"


def _with_durations(schema: Any) -> Any:
    """Put the spans people write in place of the ISO 8601 ones that the types would take."""
    match schema:
        case {"format": "duration", **rest}:
            kept = {key: value for key, value in rest.items() if key != "default"}
            return {**kept, "pattern": f"^{DURATION.pattern}$"}
        case dict():
            return {key: _with_durations(value) for key, value in schema.items()}
        case list():
            return [_with_durations(value) for value in schema]
        case _:
            return schema
