"""EC2's filters, applied to the rows of a describe call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import translate
from functools import lru_cache
from re import Pattern
from re import compile as compile_pattern
from typing import Any

from vpnmigrate.sandbox.apierror import invalid_value
from vpnmigrate.sandbox.params import Params, Row

Field = str | Callable[[Row], Iterable[str]]
"""A dotted path into a row, through lists as well, or a function of the row."""


def selected(rows: Iterable[Row], params: Params, fields: Mapping[str, Field]) -> list[Row]:
    """Give the rows that satisfy every filter; a filter's values are alternatives.

    Raises:
        ApiError: The operation has no such filter.
    """
    chosen = list(rows)
    for each in params.get("Filters") or ():
        name, patterns = each.get("Name", ""), each.get("Values") or ()
        read = _reader(name, fields)
        matches = [_pattern(text).fullmatch for text in patterns]
        chosen = [
            row for row in chosen if any(match(value) for value in read(row) for match in matches)
        ]
    return chosen


def _reader(name: str, fields: Mapping[str, Field]) -> Callable[[Row], Iterable[str]]:
    if name.startswith("tag:"):
        key = name.removeprefix("tag:")
        return lambda row: [t["Value"] for t in row.get("Tags", ()) if t["Key"] == key]
    field = "Tags.Key" if name == "tag-key" else fields.get(name)
    if field is None:
        raise invalid_value(f"The filter '{name}' is invalid")
    if callable(field):
        return field
    path = field.split(".")
    return lambda row: list(_values(row, path))


def _values(value: Any, path: Sequence[str]) -> Iterable[str]:
    if isinstance(value, list):
        for each in value:
            yield from _values(each, path)
    elif path:
        if path[0] in value:
            yield from _values(value[path[0]], path[1:])
    elif isinstance(value, bool):
        yield str(value).lower()
    else:
        yield str(value)


@lru_cache(maxsize=1024)
def _pattern(text: str) -> Pattern[str]:
    """Turn a filter's value into a regular expression: only ``*`` and ``?`` are special."""
    return compile_pattern(translate(text.replace("[", "[[]")))
