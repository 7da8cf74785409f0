"""Demo output: events, commands and their results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from vpnmigrate.errors.commands import cli
from vpnmigrate.model.clock import span
from vpnmigrate.report.text import WIDTH, command, hanging, wrapped

SCHEMA = "vpnmigrate/demo/1"


@dataclass(frozen=True)
class DemoCommand:
    """One command of the demo.  ``exit`` is None if its process was killed."""

    number: int
    about: str
    command: str
    printed: str
    exit: int | None
    took: timedelta
    """Duration in sandbox time."""


def text(scene: DemoCommand) -> str:
    """Return one command with its output."""
    rule = f"--- {scene.number} ".ljust(WIDTH, "-")
    ending = "killed" if scene.exit is None else f"exit code {scene.exit}"
    return "\n".join(
        [
            rule,
            wrapped(scene.about),
            "",
            f"$ {scene.command}",
            *map(_folded, scene.printed.rstrip().splitlines()),
            f"({ending}, after {span(scene.took)} of the sandbox's time)",
            "",
        ]
    )


def _folded(line: str) -> str:
    """Fold a long line of a log; output made for a terminal fits already."""
    return line if len(line) <= WIDTH else hanging(line)


def closing(scenes: Sequence[DemoCommand]) -> str:
    """Return the closing text."""
    return "\n".join(
        [
            "-" * WIDTH,
            wrapped(
                f"The demo ran {len(scenes)} commands on a model of EC2 inside this process. "
                "On your account, start in the same way; planning changes nothing:"
            ),
            "",
            command(cli("plan", "--vpn-gateway", "vgw-...", "-o", "plan.json"), first="  "),
        ]
    )


def as_json(scenes: Sequence[DemoCommand]) -> dict[str, Any]:
    """Return the whole demo as a JSON document."""
    return {
        "schema": SCHEMA,
        "scenes": [
            {
                "about": scene.about,
                "command": scene.command,
                "printed": scene.printed,
                "exit": scene.exit,
                "took": round(scene.took.total_seconds(), 3),
            }
            for scene in scenes
        ],
    }
