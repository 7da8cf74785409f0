"""Strict YAML: no duplicate keys or aliases, and a line number for every value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec
import yaml

from vpnmigrate.model.errors import MalformedFileError
from vpnmigrate.model.errors.commands import Advice

DEEPEST = 20
"""Limit of nesting: deeper files are a mistake, or an attack on the parser."""

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class YamlDocument:
    """A file's values, and the line of each."""

    name: str
    data: Any
    lines: Mapping[Path, int] = field(default_factory=dict)
    """Line number, from 1, of each key or list item."""

    def line_of(self, path: Path) -> int:
        """Return the line of *path*, or of the nearest value that contains it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def fault(self, path: Path, message: str, *, advice: Advice = "") -> MalformedFileError:
        """Return an error about the value at *path*, with file, line and field."""
        where = f"{self.name}, line {self.line_of(path)}"
        named = _dotted(path)
        return MalformedFileError(
            f"{where}: {named}: {message}" if named else f"{where}: {message}", advice=advice
        )


def document_from(text: str, name: str) -> YamlDocument:
    """Return the values in *text*; messages call it *name* and quote no value of it.

    Raises:
        MalformedFileError: It is not YAML, or uses a feature that is not allowed.
    """
    try:
        node = _composed(text, name)
        lines: dict[Path, int] = {}
        data = None if node is None else _value(node, (), lines, name)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        message = f"{name}, line {line}: not YAML: {error.problem or error.context}"
        raise MalformedFileError(message) from None
    except yaml.YAMLError:
        raise MalformedFileError(f"{name}: not YAML text") from None
    return YamlDocument(name, data, lines)


_AT = re.compile(r" - at (?:`key` in )?`\$(?P<path>[^`]*)`$")
_PART = re.compile(r"\.(?P<key>[^.\[]+)|\[(?P<index>\d+)\]")
_UNKNOWN = re.compile(r"unknown field `(?P<key>[^`]*)`")


def parted(error: msgspec.ValidationError) -> tuple[str, Path]:
    """Return msgspec's message and its path; the path of an unknown field includes the field."""
    found = _AT.search(str(error))
    message = str(error)[: found.start()] if found else str(error)
    # msgspec writes [...] for the value of a key it does not name: the path is known up to there.
    parts = _PART.finditer(found["path"].partition("[...]")[0] if found else "")
    path: Path = tuple(int(p["index"]) if p["index"] else p["key"] for p in parts)
    unknown = _UNKNOWN.search(message)
    return message, (*path, unknown["key"]) if unknown else path


def _composed(text: str, name: str) -> yaml.Node | None:
    """Return the root of *text*; libyaml, where there is one, takes a fifth of the time.

    Its errors have other words, so a text with an error is read again by the slow parser.
    """
    quick = getattr(yaml, "CSafeLoader", None)
    if quick is not None and not _UNUSUAL.search(text):
        with suppress(yaml.YAMLError):
            return _composed_by(quick, text, name)
    return _composed_by(yaml.SafeLoader, text, name)


_UNUSUAL = re.compile(r"[^\n -~]|[!&*?|>%@`]|---|\.\.\.")
"""What libyaml reads in another way in some places, such as a tab or an empty document."""


def _composed_by(loader: type[yaml.SafeLoader], text: str, name: str) -> yaml.Node | None:
    _refuse_surprises(text, name, loader)
    return yaml.compose(text, Loader=loader)


def _refuse_surprises(text: str, name: str, loader: type[yaml.SafeLoader]) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent):
            message = f"{name}, line {line}: an alias is not allowed; repeat the value instead"
            raise MalformedFileError(message)
        if depth > DEEPEST:
            message = f"{name}, line {line}: nested more than {DEEPEST} deep"
            raise MalformedFileError(message)


def _value(node: yaml.Node, path: Path, lines: dict[Path, int], name: str) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    match node:
        case yaml.MappingNode():
            return _mapping(node, path, lines, name)
        case yaml.SequenceNode():
            return [_value(n, (*path, i), lines, name) for i, n in enumerate(node.value)]
        case _:
            return _scalar(node)


def _mapping(
    node: yaml.MappingNode, path: Path, lines: dict[Path, int], name: str
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        key = _scalar(key_node) if isinstance(key_node, yaml.ScalarNode) else None
        if not isinstance(key, str):
            message = f"{name}, line {line}: a key that is not plain text"
            raise MalformedFileError(message)
        if key in found:
            message = (
                f"{name}, line {line}: {_dotted((*path, key))} is a duplicate key, "
                f"first in line {lines[*path, key]}"
            )
            raise MalformedFileError(message)
        lines[*path, key] = line
        found[key] = _value(value_node, (*path, key), lines, name)
    return found


def _scalar(node: yaml.Node) -> Any:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    except (ValueError, OverflowError):
        problem = "a value that cannot be read"
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from None
    finally:
        loader.dispose()


def _dotted(path: Path) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")
