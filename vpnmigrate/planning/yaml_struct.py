"""YAML files as structs: values by the types of the fields, and the JSON Schema.

Durations are written like ``30s`` or ``1h30m`` and windows as one text; everything else is read as
msgspec reads it, strictly.  Editors use the JSON Schema to complete and check a file.
"""

from __future__ import annotations

import json
import re
from datetime import timedelta
from difflib import get_close_matches
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct, inspect, structs

from vpnmigrate.model.decisions import Window
from vpnmigrate.model.errors import UsageError
from vpnmigrate.planning.strict_yaml import Path, YamlDocument, parted
from vpnmigrate.planning.window_parser import FORM, PATTERN, window_from

DURATION = re.compile(
    r"(?=[0-9])(?:([0-9]{1,3})d)?(?:([0-9]{1,4})h)?(?:([0-9]{1,4})m)?(?:([0-9]{1,5})s)?"
)
"""``30s``, ``60m``, ``1h30m``, ``7d``: the only notation of a duration; a unit is required."""
DIALECT = "https://json-schema.org/draft/2020-12/schema"

T = TypeVar("T", bound=Struct)


class YamlStruct(Generic[T]):
    """A kind of YAML file, which has the fields of the struct *kind*."""

    def __init__(self, kind: type[T]) -> None:
        self._struct = kind
        self._type = inspect.type_info(kind)

    def read(self, document: YamlDocument) -> T:
        """Return the values of *document*.

        Raises:
            MalformedFileError: They are not those of the struct; the message names line and field.
        """
        data = _understood(document, self._type, document.data, ())
        try:
            return msgspec.convert(data, self._struct, strict=True)
        except msgspec.ValidationError as error:
            message, path = parted(error)
            plain = self._plain(message, path)
            raise document.fault(path, plain, advice=self._advice(message, path)) from None

    def _plain(self, message: str, path: Path) -> str:
        if "unknown field" in message:
            close = get_close_matches(str(path[-1]), self._fields_at(path[:-1]), n=1)
            return f"unknown field. Did you mean {close[0]!r}?" if close else "unknown field"
        if message.startswith("Invalid enum value"):
            return "not one of the choices"
        for python, yaml in _WORDS.items():
            message = message.replace(python, yaml)
        return message[0].lower() + message[1:]

    def _advice(self, message: str, path: Path) -> str:
        parent = path[:-1] if "unknown field" in message else path
        match self._type_at(parent):
            case (
                inspect.StructType(fields=fields)
                | inspect.DictType(value_type=inspect.StructType(fields=fields))
            ):
                return f"fields: {', '.join(one.encode_name for one in fields)}"
            case inspect.EnumType(cls=cls) | inspect.DictType(key_type=inspect.EnumType(cls=cls)):
                return f"choices: {', '.join(str(choice) for choice in cls)}"
            case inspect.BoolType():
                return "choices: true, false"
            case _:
                return ""

    def _fields_at(self, path: Path) -> list[str]:
        match self._type_at(path):
            case inspect.StructType(fields=fields):
                return [one.encode_name for one in fields]
            case _:
                return []

    def _type_at(self, path: Path) -> inspect.Type | None:
        """Return the type that a file has at *path*, or None where any key may stand."""
        here: inspect.Type | None = self._type
        for part in path:
            here = _within(here, part)
        if isinstance(here, inspect.UnionType):
            here = next((t for t in here.types if not isinstance(t, inspect.NoneType)), None)
        return here

    def schema(self, title: str) -> dict[str, Any]:
        """Return the JSON Schema, which is for editors; the program itself does not use it."""
        made = msgspec.json.schema(self._struct)
        described: dict[str, Any] = _with_durations({"$schema": DIALECT, "title": title, **made})
        described["$defs"]["Window"] = {
            "type": "string",
            "title": "Window",
            "description": f"When a change may begin, for example {FORM}",
            "pattern": PATTERN,
        }
        return described

    def schema_text(self, title: str) -> str:
        """Return the schema as the text of a file."""
        return json.dumps(self.schema(title), indent=2, sort_keys=True) + "\n"


def duration_from(text: object) -> timedelta | None:
    """Return the duration for a text such as ``1h30m``; None for anything else."""
    found = DURATION.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def duration_text(length: timedelta) -> str:
    """Return *length* in this notation, in whole seconds; ``duration_from`` reads it back."""
    minutes, seconds = divmod(round(length.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{amount}{unit}" for amount, unit in parts if amount) or "0s"


def _understood(document: YamlDocument, kind: inspect.Type | None, said: Any, path: Path) -> Any:
    """Return *said* with durations and windows converted from text.

    *kind* is the type that the file has at *path*, the place of *said*.
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
        case inspect.DictType(), dict():
            return {
                key: _understood(document, kind.value_type, inner, (*path, key))
                for key, inner in said.items()
            }
        case inspect.VarTupleType(), list():
            return [
                _understood(document, kind.item_type, inner, (*path, number))
                for number, inner in enumerate(said)
            ]
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


def _within(here: inspect.Type | None, part: str | int) -> inspect.Type | None:
    match here:
        case inspect.UnionType(types=types):
            inner = (_within(one, part) for one in types)
            return next((found for found in inner if found is not None), None)
        case inspect.StructType(fields=fields):
            return next((one.type for one in fields if one.encode_name == part), None)
        case inspect.DictType(value_type=inner_type):
            return inner_type
        case inspect.VarTupleType(item_type=inner_type):
            return inner_type
        case _:
            return None


def _with_durations(schema: Any) -> Any:
    """Return *schema* with this notation of durations instead of ISO 8601."""
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
