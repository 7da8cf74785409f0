"""Table of the runs in a run directory, as text and JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import zip_longest
from typing import Any

from vpnmigrate.fleet.names import first_of
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.clock import span
from vpnmigrate.model.errors.commands import Command, Invocation, cli, option
from vpnmigrate.report.status import RunStatusView
from vpnmigrate.report.status_json import SCHEMA, fields
from vpnmigrate.report.text import command, count, wrapped


@dataclass(frozen=True)
class RunsView:
    """The runs of a run directory."""

    views: Sequence[RunStatusView] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Why the other runs cannot be read, by their ids."""
    in_database: Mapping[str, str] = field(default_factory=dict)
    """The database that has the journal of a run, of which a worker has a copy here."""

    def databases(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield each database with the runs that it has."""
        for address in sorted(set(self.in_database.values())):
            yield address, tuple(run for run, at in self.in_database.items() if at == address)


def fleet_status_command(address: str, runs: Sequence[str], invocation: Invocation) -> Command:
    """Return the command that shows *runs* of the database at *address*; one run in detail."""
    one = runs if len(runs) == 1 else ()
    elsewhere = replace(invocation, run_dir="")
    return elsewhere.complete(cli("fleet", "status", *one, *option("--database", address)))


def text(found: RunsView, invocation: Invocation) -> str:
    """Return a table of all runs; those that cannot be read, or are in a database, are below it."""
    views = found.views
    if not (views or found.unreadable or found.in_database):
        begin = command(invocation.complete(cli("list")), first="  ")
        return f"No runs here yet. Start with:\n{begin}"
    broken = [
        wrapped(f"{run}  CANNOT BE READ: {why}", rest="    ")
        for run, why in found.unreadable.items()
    ]
    # What is down, and then what is not finished, comes first.
    down = [view for view in views if view.state.outage.open]
    others = [view for view in views if not view.state.outage.open]
    ordered = [*down, *sorted(others, key=lambda view: view.state.finished)]
    open_ = [view.observe for view in ordered if view.state.outage.open or not view.state.finished]
    more = [command(each, first="  ") for each in open_[:MOST_COMMANDS]]
    next_ = ["next:", *more] if more else []
    table = _table(ordered) if views else ()
    return "\n".join([*table, *broken, *next_, *_in_databases(found, invocation)])


def _in_databases(found: RunsView, invocation: Invocation) -> Iterator[str]:
    """Yield which runs are in a database, and the command that shows them."""
    for address, runs in found.databases():
        yield wrapped(
            f"{count(len(runs), 'run')} of a fleet ({first_of(runs, MOST_COMMANDS)}), which a "
            "worker on this machine has worked on. The journals are in the database:"
        )
        yield command(fleet_status_command(address, runs, invocation), first="  ")


MOST_COMMANDS = 3
"""Runs whose status command is printed below the table, so that the table stays in sight."""

_PHASES = {
    RunStatus.PREPARING: "prepare",
    RunStatus.CUTTING_OVER: "cutover",
    RunStatus.CUT_OVER: "migrated",
    RunStatus.FINALIZING: "finalize",
    RunStatus.ROLLING_BACK: "rollback",
    RunStatus.ROLLED_BACK: "rolled back",
    RunStatus.STUCK: "STUCK",
}
_WIDTHS = {
    "RUN": 10,
    "VPC": 13,
    "ACCOUNT": 12,
    "PHASE": 11,
    "TRAFFIC": 7,
    "SINCE": 6,
    "WINDOW": 12,
}
"""Columns of the table, which together fit 80 columns; a longer cell is folded."""
_NONE = "-"


def _table(views: Sequence[RunStatusView]) -> Iterator[str]:
    yield _line(tuple(_WIDTHS))
    for view in views:
        cells = [
            textwrap.wrap(cell, width) or [""]
            for cell, width in zip(_cells(view), _WIDTHS.values(), strict=True)
        ]
        yield from map(_line, zip_longest(*cells, fillvalue=""))
        if view.change:
            yield wrapped(f"change {view.change}", first="    ")


def _line(cells: Sequence[str]) -> str:
    padded = (f"{cell:<{width}}" for cell, width in zip(cells, _WIDTHS.values(), strict=True))
    return " ".join(padded).rstrip()


def _cells(view: RunStatusView) -> Iterator[str]:
    plan, state = view.plan, view.state
    window = None if plan is None else plan.decisions.window
    yield view.run
    yield _NONE if plan is None else view.names.of(plan.vpc)
    yield _NONE if plan is None else plan.account
    phase = _PHASES.get(state.status, state.status.value)
    yield f"{phase}, stopped" if view.stopped and not state.held else phase
    yield view.traffic.value.upper() if state.outage.open else view.traffic.value
    yield _NONE if (since := view.since) is None else _age(view.now - since)
    yield _NONE if window is None else f"{window.start:%m-%d %H:%M}Z"


def _age(length: timedelta) -> str:
    """Return a duration in its largest unit."""
    return " ".join(span(length).split()[:2])


def as_json(found: RunsView, invocation: Invocation) -> dict[str, Any]:
    """Return every run as one JSON document."""
    return {
        "schema": SCHEMA,
        "runs": [fields(view) for view in found.views],
        "unreadable": [{"run": run, "why": why} for run, why in found.unreadable.items()],
        "in_database": [
            {
                "run": run,
                "database": address,
                "next": str(fleet_status_command(address, (run,), invocation)),
            }
            for run, address in found.in_database.items()
        ],
    }
