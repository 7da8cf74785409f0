"""What comes with the program, by name: playbooks and scenarios."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vpnmigrate.report.words import columns


def text(named: Mapping[str, str]) -> str:
    """Give each name with its sentence."""
    return columns(named.items(), indent=0)


def as_json(kind: str, named: Mapping[str, str]) -> dict[str, Any]:
    """Give the same as a JSON document; *kind* is the plural of what is listed."""
    listed = [{"name": name, "summary": summary} for name, summary in named.items()]
    return {"schema": f"vpnmigrate/{kind}/1", kind: listed}
