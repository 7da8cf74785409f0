"""Demo output: events, commands and their results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from vpnmigrate.journal.history import OutagePeriod
from vpnmigrate.model.clock import span, time_of_day
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.model.plan import Direction
from vpnmigrate.report.text import WIDTH, columns, command, count, hanging, heading, wrapped

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
    outages: tuple[OutagePeriod, ...] = ()
    """Every outage of the run by then."""


def text(scene: DemoCommand) -> str:
    """Return one command with its output."""
    return "\n".join(
        [
            opening(scene.number, scene.about),
            f"$ {scene.command}",
            *map(_folded, scene.printed.rstrip().splitlines()),
            ending(scene),
        ]
    )


def opening(number: int, about: str) -> str:
    """Return what comes before a command: a rule, and what it is about."""
    rule = f"--- {number} ".ljust(WIDTH, "-")
    return f"{rule}\n{wrapped(about)}\n"


def ending(scene: DemoCommand) -> str:
    """Return how a command ended."""
    how = "killed" if scene.exit is None else f"exit code {scene.exit}"
    return f"({how}, after {span(scene.took)} of the sandbox's time)\n"


def _folded(line: str) -> str:
    """Fold a long line of a log; output made for a terminal fits already."""
    return line if len(line) <= WIDTH else hanging(line)


def closing(scenes: Sequence[DemoCommand]) -> str:
    """Return the closing text: what was seen, and how to start."""
    return "\n".join(
        [
            "-" * WIDTH,
            heading("Summary").rstrip(),
            columns(_summary(scenes)),
            "",
            wrapped(
                f"The demo ran {len(scenes)} commands on a model of EC2 inside this process. "
                "On your account, start in the same way; planning changes nothing:"
            ),
            "",
            command(cli("plan", "--vpn-gateway", "vgw-...", "-o", "plan.json"), first="  "),
        ]
    )


def _summary(scenes: Sequence[DemoCommand]) -> Iterator[tuple[str, str]]:
    killed = sum(scene.exit is None for scene in scenes)
    yield "commands", f"{len(scenes)}, {count(killed, 'process')} killed in the outage"
    for down in scenes[-1].outages if scenes else ():
        what = "cutover" if down.direction is Direction.FORWARD else "rollback"
        yield "outage", f"{span(down.lasted)} in the {what} of {time_of_day(down.since)}"
    yield "traffic", "through the new gateway; the old connections still exist"
    yield "left here", "nothing: the directory of the demo is removed"


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
