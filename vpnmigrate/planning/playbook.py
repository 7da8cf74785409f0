"""Playbooks: their fields, validation and JSON Schema.

A playbook is YAML.  It contains no key or other secret; it has no field for one.

Editors use the JSON Schema to complete and check a playbook.
"""

from __future__ import annotations

import json
import re
from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, inspect, structs

from vpnmigrate.errors import UsageError
from vpnmigrate.model.clock import span
from vpnmigrate.model.decisions import LONGEST_APPROVAL, Decisions, Window
from vpnmigrate.model.probes import probe_from
from vpnmigrate.model.programs import ADVICE as NAME_ADVICE
from vpnmigrate.model.programs import commands_of, name_fault
from vpnmigrate.planning.strict_yaml import Path, YamlDocument, document_from, parted
from vpnmigrate.planning.window_parser import FORM, PATTERN, window_from

DURATION = re.compile(
    r"(?=[0-9])(?:([0-9]{1,3})d)?(?:([0-9]{1,4})h)?(?:([0-9]{1,4})m)?(?:([0-9]{1,5})s)?"
)
"""``30s``, ``60m``, ``1h30m``, ``7d``: the only notation of a duration; a unit is required."""

Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class Playbook(Struct, frozen=True, forbid_unknown_fields=True):
    """A named set of decisions."""

    name: Name
    """Lower-case letters, digits and hyphens; the file's name without its extension."""
    summary: str
    """One sentence: the situation that the playbook is for."""
    decisions: Decisions = Decisions()
    """The decisions; an omitted field has its default."""


def playbook_from(text: str, name: str) -> Playbook:
    """Return the playbook in *text*; messages call the text *name*.

    Raises:
        MalformedFileError: It is not a valid playbook; the message names line and field.
    """
    document = document_from(text, name)
    data = _understood(document, inspect.type_info(Playbook), document.data, ())
    try:
        book = msgspec.convert(data, Playbook, strict=True)
    except msgspec.ValidationError as error:
        message, path = parted(error)
        raise document.fault(path, _plain(message, path), advice=_advice(message, path)) from None
    rule = book.decisions.approvals
    if rule.signed and not rule.needed:
        raise document.fault(
            ("decisions", "approvals", "signed"),
            "signatures are demanded, but no approvals",
            advice="set required, or four_eyes: true",
        )
    if not timedelta(0) < rule.valid <= LONGEST_APPROVAL:
        raise document.fault(
            ("decisions", "approvals", "valid"),
            f"an approval is valid for at most {span(LONGEST_APPROVAL)}",
            advice="set at most 30d; a change that waits longer is approved again",
        )
    for number, probe in enumerate(book.decisions.probes):
        try:
            probe_from(probe)
        except UsageError as error:
            at = ("decisions", "probes", number)
            raise document.fault(at, error.message, advice=error.advice) from None
    for named in commands_of(book.decisions):
        if fault := name_fault(named.words):
            raise document.fault(named.at, fault, advice=NAME_ADVICE)
    return book


def duration_from(text: object) -> timedelta | None:
    """Return the duration for a text such as ``1h30m``; None for anything else."""
    found = DURATION.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def _understood(document: YamlDocument, kind: inspect.Type | None, said: Any, path: Path) -> Any:
    """Return *said* with durations and windows converted from text.

    *kind* is the type that a playbook has at *path*, the place of *said*.
    """
    match kind, said:
        case inspect.UnionType(types=kinds), _:
            stated = (k for k in kinds if not isinstance(k, inspect.NoneType))
            return said if said is None else _understood(document, next(stated), said, path)
        case inspect.TimeDeltaType(), _:
            return _span(document, path, said)
        case inspect.StructType(cls=cls), _ if cls is Window:
            return _window(document, path, said)
        case inspect.StructType(), dict():
            return {
                key: _understood(document, _within(kind, key), inner, (*path, key))
                for key, inner in said.items()
            }
        case _:
            return said


def _span(document: YamlDocument, path: Path, said: object) -> timedelta:
    found = duration_from(said)
    if found is None:
        raise document.fault(path, "not a duration", advice="write it like 30s, 60m, 1h30m or 7d")
    return found


def _window(document: YamlDocument, path: Path, said: object) -> dict[str, Any]:
    try:
        window = window_from(said if isinstance(said, str) else "")
    except UsageError as error:
        raise document.fault(path, error.message, advice=error.advice) from None
    return structs.asdict(window)


def _plain(message: str, path: Path) -> str:
    if "unknown field" in message:
        close = get_close_matches(str(path[-1]), _fields_at(path[:-1]), n=1)
        return f"unknown field. Did you mean {close[0]!r}?" if close else "unknown field"
    if message.startswith("Invalid enum value"):
        return "not one of the choices"
    for python, yaml in _WORDS.items():
        message = message.replace(python, yaml)
    return message[0].lower() + message[1:]


_WORDS = {
    "`object`": "a mapping",
    "Object ": "mapping ",
    "`array`": "a list",
    "`str`": "text",
    "`int`": "a whole number",
    "`bool`": "true or false",
    "`float`": "a decimal number",
    "`null`": "nothing",
    "`int | null`": "a whole number",
    "`object | null`": "a mapping",
}
"""Names of types in msgspec's messages, and in messages about YAML."""


def _advice(message: str, path: Path) -> str:
    parent = path[:-1] if "unknown field" in message else path
    match _type_at(parent):
        case inspect.StructType(fields=fields):
            return f"fields: {', '.join(one.encode_name for one in fields)}"
        case inspect.EnumType(cls=cls) | inspect.DictType(key_type=inspect.EnumType(cls=cls)):
            return f"choices: {', '.join(str(choice) for choice in cls)}"
        case inspect.BoolType():
            return "choices: true, false"
        case _:
            return ""


def _fields_at(path: Path) -> list[str]:
    match _type_at(path):
        case inspect.StructType(fields=fields):
            return [one.encode_name for one in fields]
        case _:
            return []


def _type_at(path: Path) -> inspect.Type | None:
    """Return the type that a playbook has at *path*, or None inside a list or mapping."""
    here: inspect.Type | None = inspect.type_info(Playbook)
    for part in path:
        here = _within(here, part)
    if isinstance(here, inspect.UnionType):
        here = next((t for t in here.types if not isinstance(t, inspect.NoneType)), None)
    return here


def _within(here: inspect.Type | None, part: str | int) -> inspect.Type | None:
    match here:
        case inspect.UnionType(types=types):
            inner = (_within(one, part) for one in types)
            return next((found for found in inner if found is not None), None)
        case inspect.StructType(fields=fields):
            return next((one.type for one in fields if one.encode_name == part), None)
        case _:
            return None


DIALECT = "https://json-schema.org/draft/2020-12/schema"


def playbook_schema() -> dict[str, Any]:
    """Return the JSON Schema, which is for editors; ``vpnmigrate`` itself does not use it."""
    made = msgspec.json.schema(Playbook)
    named = {"$schema": DIALECT, "title": "vpnmigrate playbook", **made}
    described: dict[str, Any] = _with_durations(named)
    described["$defs"]["Window"] = {
        "type": "string",
        "title": "Window",
        "description": f"When a change may begin, for example {FORM}",
        "pattern": PATTERN,
    }
    return described


def schema_text() -> str:
    """Return the schema as the text of docs/reference/playbook.schema.json."""
    return json.dumps(playbook_schema(), indent=2, sort_keys=True) + "\n"


def _with_durations(schema: Any) -> Any:
    """Return *schema* with the playbook's notation of durations instead of ISO 8601."""
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
