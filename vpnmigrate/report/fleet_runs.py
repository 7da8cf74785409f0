"""Fleet runs: the workers and runs of a fleet's database, for a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from vpnmigrate.errors.commands import Advice, Command, cli
from vpnmigrate.journal import RunState
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.changes import AskOperator
from vpnmigrate.model.clock import moment, span
from vpnmigrate.report.status import RunStatusView, traffic
from vpnmigrate.report.status_json import fields
from vpnmigrate.report.status_text import status, step
from vpnmigrate.report.text import columns, safe, wrapped

SCHEMA: Final = "vpnmigrate/fleet-runs/1"
ORDER_SCHEMA: Final = "vpnmigrate/fleet-order/1"


@dataclass(frozen=True)
class FleetRunView:
    """A run of the fleet; *view* is None if its journal cannot be read, and *unreadable* why."""

    run: str
    account: str
    region: str
    goal: str
    """``nothing`` before it was started, ``prepare`` or ``cutover``."""
    worker: str
    """The worker that has the run; empty if none has."""
    due: str
    """When a worker takes it up without an order; empty if none does."""
    view: RunStatusView | None
    unreadable: str = ""


@dataclass(frozen=True)
class FleetView:
    """A fleet: whether it runs, its workers with their condition, and its runs."""

    database: str
    state: str
    workers: Sequence[tuple[str, str]]
    runs: Sequence[FleetRunView] = field(default_factory=tuple)


def fleet_text(fleet: FleetView) -> str:
    """Return state, workers and a table of the runs: those whose traffic is down come first."""
    workers = ", ".join(f"{name} ({condition})" for name, condition in fleet.workers)
    head = columns(
        [
            ("FLEET", f"{fleet.state}, {fleet.database}"),
            ("WORKERS", workers or "none: no run goes on; start one with fleet worker"),
        ],
        indent=0,
    )
    ordered = sorted(fleet.runs, key=lambda run: (not _is_down(run), run.run))
    rows = [("RUN", "ACCOUNT", "STATUS", "TRAFFIC", "WORKER"), *map(_cells, ordered)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    table = (
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "\n".join((head, "", *(table if fleet.runs else ("no runs: fleet start PLAN",))))


def run_text(run: FleetRunView) -> str:
    """Return whether traffic is up, what the run does or waits for, and what to type now."""
    if run.view is None:
        return wrapped(f"{run.run} CANNOT BE READ: {run.unreadable}")
    return columns([row for row in _rows(run, run.view) if row[1]], indent=0)


def fleet_json(fleet: FleetView) -> dict[str, Any]:
    """Return the fleet as a JSON document."""
    return {
        "schema": SCHEMA,
        "state": fleet.state,
        "workers": [{"name": name, "condition": text} for name, text in fleet.workers],
        "runs": [_run_json(run) for run in fleet.runs],
    }


def _run_json(run: FleetRunView) -> dict[str, Any]:
    found = {"run": run.run} if run.view is None else fields(run.view)
    return {
        **found,
        "account": run.account,
        "region": run.region,
        "goal": run.goal,
        "worker": run.worker,
        "due": run.due,
        "unreadable": safe(run.unreadable),
        "waits_for": "" if run.view is None else _waits_for(run.view.state),
    }


def _cells(run: FleetRunView) -> tuple[str, ...]:
    place = f"{run.account} {run.region}"
    if run.view is None:
        return run.run, place, "CANNOT BE READ", "", run.worker
    view = run.view
    lasted = f" {span(view.outage)}" if view.state.outage.open else ""
    waits = ", waits" if _waits_for(view.state) and not run.worker else ""
    return (
        run.run,
        place,
        f"{_status(run, view)}{waits}",
        f"{view.traffic.value}{lasted}",
        run.worker,
    )


def _status(run: FleetRunView, view: RunStatusView) -> str:
    if view.state.direction is None:
        return "not started" if run.goal == "nothing" else "started"
    return status(view)


def _rows(run: FleetRunView, view: RunStatusView) -> Iterator[tuple[str, Advice]]:
    yield "RUN", f"{run.run}, account {run.account}, {run.region}"
    yield "TRAFFIC", traffic(view)
    yield "STATUS", _status(run, view)
    yield "STEP", step(view)
    yield "WORKER", run.worker or ("none now" if run.goal != "nothing" else "none: not started")
    yield "AGAIN", run.due
    yield "WAITS FOR", safe(_waits_for(view.state))
    yield "FAILED", safe(view.state.error) if not run.worker else ""
    if (until := view.state.confirm.until) is not None:
        yield "CONFIRM", f"it is rolled back at {moment(until + view.ahead)} unless you confirm"
    following = _next(run, view)
    if following is not None:
        yield "NEXT", following


def _waits_for(state: RunState) -> str:
    if state.finished:
        return ""
    return state.waiting_for or state.held


def _next(run: FleetRunView, view: RunStatusView) -> Command | None:
    """Return the command of an operator, if the run does not go on by itself."""
    state = view.state
    if state.confirm.until is not None:
        return cli("fleet", "confirm", run.run)
    if isinstance(state.task, AskOperator):
        return cli("fleet", "done", run.run, str(state.task.step))
    if state.order is not None and not state.finished:
        return cli("fleet", "resume", run.run)
    ended = state.finished or state.status is RunStatus.ROLLED_BACK
    if run.worker or ended:
        return None
    if run.goal == "nothing" or state.error or state.is_prepared:
        return cli("fleet", "start", run.run)
    return None


def _is_down(run: FleetRunView) -> bool:
    return run.view is not None and run.view.state.outage.open
