"""What a playbook may say: a set of decisions with a name, written for people to read.

A playbook is YAML.  It holds no key and no other secret; there is no field for one.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, inspect

from vpnmigrate.options import Decisions, Waits
from vpnmigrate.strict_yaml import Document, Path, document_from, parted

DURATION = re.compile(r"(?=[0-9])(?:([0-9]{1,4})h)?(?:([0-9]{1,4})m)?(?:([0-9]{1,5})s)?")
"""``30s``, ``60m``, ``1h30m``: the only way to write a span of time, never a bare number."""

Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class Playbook(Struct, frozen=True, forbid_unknown_fields=True):
    """Decisions for a usual situation."""

    name: Name
    """Small letters, digits and hyphens; the file's name without its ending."""
    summary: str
    """One sentence: for which situation this is."""
    decisions: Decisions = Decisions()
    """What is left out has its default."""


def playbook_from(text: str, name: str) -> Playbook:
    """Read a playbook; messages call the text *name*.

    Raises:
        MalformedFileError: It says something no playbook can say; names line and field.
    """
    document = document_from(text, name)
    data = _with_durations(document)
    try:
        return msgspec.convert(data, Playbook, strict=True)
    except msgspec.ValidationError as error:
        message, path = parted(error)
        raise document.fault(path, _plain(message), advice=_advice(message, path)) from None


def duration_from(text: object) -> timedelta | None:
    """Read ``1h30m``; None for anything else."""
    found = DURATION.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def _with_durations(document: Document) -> Any:
    """Replace the texts of ``decisions.waits`` by what they mean."""
    data = document.data
    match data:
        case {"decisions": {"waits": dict(waits)} as decisions}:
            read = {key: _span(document, key, said) for key, said in waits.items()}
            return {**data, "decisions": {**decisions, "waits": read}}
        case _:
            return data


def _span(document: Document, key: str, said: object) -> object:
    if key not in Waits.__struct_fields__:
        return said
    span = duration_from(said)
    if span is None:
        path = ("decisions", "waits", key)
        raise document.fault(path, "not a span of time", advice="write it like 30s, 60m or 1h30m")
    return span


def _plain(message: str) -> str:
    if "unknown field" in message:
        return "no playbook has such a field"
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
    "`float`": "a number with a point",
    "`null`": "nothing",
    "`int | null`": "a whole number",
    "`object | null`": "a mapping",
}
"""What msgspec calls a type, and what a person who writes YAML does."""


def _advice(message: str, path: Path) -> str:
    around = path[:-1] if "unknown field" in message else path
    match _type_at(around):
        case inspect.StructType(fields=fields):
            return f"fields: {', '.join(one.encode_name for one in fields)}"
        case inspect.EnumType(cls=cls):
            return f"choices: {', '.join(str(choice) for choice in cls)}"
        case inspect.BoolType():
            return "choices: true, false"
        case _:
            return ""


def _type_at(path: Path) -> inspect.Type | None:
    """Give the type that a playbook has at *path*, or None inside a list or a table of names."""
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
