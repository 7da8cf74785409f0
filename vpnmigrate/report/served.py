"""How to reach a served sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SCHEMA = "vpnmigrate/sandbox/1"


@dataclass(frozen=True)
class Served:
    """A sandbox that listens, and what a client needs in its environment."""

    scenario: str
    url: str
    environment: Mapping[str, str]


def text(served: Served) -> str:
    """Give lines that a shell understands as they are."""
    exports = [f"export {name}={value}" for name, value in served.environment.items()]
    title = f"# {served.scenario}, served at {served.url} until interrupted; in another shell:"
    return "\n".join([title, *exports])


def as_json(served: Served) -> dict[str, Any]:
    """Give the same as a JSON document."""
    return {
        "schema": SCHEMA,
        "scenario": served.scenario,
        "url": served.url,
        "environment": dict(served.environment),
    }
