"""Terraform state: the managed resources of a state file, without their secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

from vpnmigrate.model.discovery import TerraformResource

_STATE_VERSION: Final = 4
_VALUE: Final = re.compile(
    r"(?:vgw|vpn|vpc|rtb|rtbassoc|cgw|tgw)-[0-9a-z]{1,40}|\d{1,3}(?:\.\d{1,3}){3}"
)
_NAME: Final = re.compile(r"[A-Za-z_][\w-]*", re.ASCII)
_MODULE: Final = re.compile(
    r'module\.[A-Za-z_][\w-]*(?:\[(?:\d+|"[^"\\\n]*")\])?'
    r'(?:\.module\.[A-Za-z_][\w-]*(?:\[(?:\d+|"[^"\\\n]*")\])?)*',
    re.ASCII,
)


def terraform_resources(state: Mapping[str, object]) -> tuple[TerraformResource, ...]:
    """Return the managed resources of a Terraform state of version 4, without secrets.

    Only values that look like ids of AWS or like addresses are kept.

    Raises:
        ValueError: It is not such a state, or a resource has no valid name.
    """
    resources = state.get("resources")
    if state.get("version") != _STATE_VERSION or not isinstance(resources, list):
        raise ValueError("not a Terraform state of version 4")
    return tuple(found for each in resources for found in _instances(each))


def _instances(resource: object) -> Iterator[TerraformResource]:
    match resource:
        case {"mode": "managed", "type": str(kind), "name": str(name), "instances": [*instances]}:
            module = resource.get("module", "") if isinstance(resource, dict) else ""
            path = _path(str(module or ""), kind, name)
            for instance in instances:
                match instance:
                    case {"index_key": int() | str() as key, "attributes": attributes}:
                        yield _resource(f"{path}[{_key(key)}]", kind, attributes)
                    case {"attributes": attributes}:
                        yield _resource(path, kind, attributes)
                    case _:
                        pass
        case _:
            pass


def _path(module: str, kind: str, name: str) -> str:
    if not (_NAME.fullmatch(kind) and _NAME.fullmatch(name)) or (
        module and not _MODULE.fullmatch(module)
    ):
        raise ValueError("a resource of the state has no valid name")
    return f"{module}.{kind}.{name}" if module else f"{kind}.{name}"


def _key(key: int | str) -> str:
    """Return the key of an instance as Terraform writes it."""
    if isinstance(key, int):
        return str(key)
    return json.dumps(key, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


def _resource(address: str, kind: str, attributes: object) -> TerraformResource:
    values = _values(attributes)
    named = attributes.get("id") if isinstance(attributes, dict) else None
    id_ = named if isinstance(named, str) and _VALUE.fullmatch(named) else ""
    return TerraformResource(address, values, kind, id_)


def _values(attributes: object) -> tuple[str, ...]:
    """Return the ids and addresses in *attributes*, at any depth."""
    found: dict[str, None] = {}

    def walk(value: object) -> None:
        match value:
            case str():
                found.update(dict.fromkeys(_VALUE.findall(value)))
            case dict():
                for each in value.values():
                    walk(each)
            case list():
                for each in value:
                    walk(each)
            case _:
                pass

    walk(attributes)
    return tuple(found)
