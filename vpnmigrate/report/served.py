"""How to reach a served sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vpnmigrate.commands import quoted
from vpnmigrate.report.words import wrapped

SCHEMA = "vpnmigrate/sandbox/1"

ASTRAY = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_REGION",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL_EC2",
    "AWS_ENDPOINT_URL_STS",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
)
"""Variables that lead a client elsewhere, whatever else is set."""


@dataclass(frozen=True)
class Served:
    """A sandbox that listens, and what a client needs in its environment."""

    scenario: str
    url: str
    environment: Mapping[str, str]
    unset: tuple[str, ...] = ()
    """Variables of ``ASTRAY`` that are set here, and so most likely in the next shell too."""


def text(served: Served) -> str:
    """Give lines that a shell understands as they are."""
    exports = [f"export {name}={quoted(value)}" for name, value in served.environment.items()]
    unset = [f"unset {' '.join(served.unset)}"] if served.unset else []
    about = f"{served.scenario} at {served.url} until Ctrl-C; in another shell:"
    return "\n".join([wrapped(about, first="# ", rest="# "), *unset, *exports])


def as_json(served: Served) -> dict[str, Any]:
    """Give the same as a JSON document."""
    return {
        "schema": SCHEMA,
        "scenario": served.scenario,
        "url": served.url,
        "environment": dict(served.environment),
        "unset": list(served.unset),
    }
