"""Fleet runs: the workers and runs of a fleet's database, for a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from vpnmigrate.fleet.names import shown_workers
from vpnmigrate.fleet.run_summary import RunAwaits, RunSummary
from vpnmigrate.journal import RunState, finalize_command
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.changes import AskOperator
from vpnmigrate.model.clock import moment, span
from vpnmigrate.model.errors.commands import Advice, Command, Invocation, cli
from vpnmigrate.model.gates import closed_results
from vpnmigrate.model.plan import Direction
from vpnmigrate.report.status import RunStatusView, traffic
from vpnmigrate.report.status_json import fields
from vpnmigrate.report.status_text import status, step
from vpnmigrate.report.text import columns, command, safe, wrapped

SCHEMA: Final = "vpnmigrate/fleet-runs/1"

NO_WORKER: Final = "none is alive: no run continues"
MOST_RUNS: Final = 15
"""Runs that the text lists; with the head, they fit a window of 24 lines."""


@dataclass(frozen=True)
class FleetRunView:
    """A run of the fleet; *summary* is None if its journal cannot be read, and *unreadable* why."""

    run: str
    account: str
    region: str
    goal: str
    """``nothing`` before it was started, or how far workers take it (``RunGoal``)."""
    worker: str
    """The worker that has the run; empty if none has."""
    due: str
    """When a worker resumes it without an order; empty if none does."""
    summary: RunSummary | None = None
    view: RunStatusView | None = None
    """The whole status; None where the summary is enough."""
    unreadable: str = ""
    trouble: str = ""
    """Why its last session did not begin; empty if it did."""
    member: str = ""
    """Its member and campaign, in words; empty for a run without one."""


@dataclass(frozen=True)
class FleetView:
    """A fleet: whether it runs, its workers with their condition, its campaigns and its runs."""

    database: str
    state: str
    workers: Sequence[tuple[str, str]]
    now: datetime
    attended: bool = True
    """Whether a worker is alive."""
    invocation: Invocation = field(default_factory=Invocation)
    """The options that a printed command needs."""
    campaigns: Sequence[str] = ()
    runs: Sequence[FleetRunView] = field(default_factory=tuple)


def summary_of(view: RunStatusView) -> RunSummary:
    """Return the summary of the run of *view*."""
    state, gates = view.state, view.gates_now
    began, begun = state.outage.since, state.direction is not None
    return RunSummary(
        lines=len(view.entries),
        status=status(replace(view, alive=True)) if begun else "",
        step=state.step,
        traffic=view.traffic.value if begun else "",
        outage=None if began is None or state.outage.open else view.outage,
        down_since=view.shown(began) if began is not None and state.outage.open else None,
        waiting_for="" if state.finished else state.waiting_for or state.error,
        closed_gates=tuple(
            each.gate.value for each in closed_results(gates.gates if gates is not None else ())
        ),
        awaits=_awaits(state),
        task_step=state.task.step if isinstance(state.task, AskOperator) else 0,
        finalized=state.status is RunStatus.FINALIZED,
    )


def _awaits(state: RunState) -> RunAwaits:
    if state.confirm.until is not None:
        return RunAwaits.CONFIRM
    if isinstance(state.task, AskOperator):
        return RunAwaits.DONE
    if state.order is not None and not state.finished:
        return RunAwaits.RESUME
    forward = state.direction is Direction.FORWARD and not state.finished
    if forward and (state.error or state.is_prepared):
        return RunAwaits.START
    return RunAwaits.NOTHING


def worker_command(invocation: Invocation, *words: str) -> Command:
    """Return the command that starts a worker; its credentials are those of its host."""
    variables = tuple(each for each in invocation.variables if not each[0].endswith("_FILE"))
    anywhere = replace(invocation, profile="", region="", variables=variables)
    return anywhere.complete(cli("fleet", "worker", *words))


def head_rows(fleet: FleetView) -> list[tuple[str, Advice]]:
    """Return whether the fleet runs, and its workers."""
    shown = _shown_workers(fleet)
    workers = [f"{shown[id_]} ({condition})" for id_, condition in fleet.workers]
    alone = [] if fleet.attended else [NO_WORKER]
    rows: list[tuple[str, Advice]] = [
        ("FLEET", f"{fleet.state}, {fleet.database}"),
        ("WORKERS", "; ".join(filter(None, [", ".join(workers), *alone]))),
    ]
    if not fleet.attended:
        rows.append(("START ONE", worker_command(fleet.invocation)))
    return rows


def _shown_workers(fleet: FleetView) -> dict[str, str]:
    return shown_workers(id_ for id_, _ in fleet.workers)


def fleet_text(fleet: FleetView, *, every: bool = False) -> str:
    """Return state, workers and a table of the runs: those whose traffic is down come first.

    Without *every*, it has only those that need attention most.
    """
    campaigns: list[tuple[str, Advice]] = []
    if fleet.campaigns:
        campaigns = [("CAMPAIGNS", ", ".join(fleet.campaigns))]
    head = columns([*head_rows(fleet), *campaigns], indent=0)
    ordered = sorted(fleet.runs, key=lambda run: (_urgency(run), run.run))
    shown = ordered if every else ordered[:MOST_RUNS]
    names = _shown_workers(fleet)
    cells = (_cells(run, fleet.now, names.get(run.worker, run.worker)) for run in shown)
    rows = [("RUN", "ACCOUNT", "STATUS", "TRAFFIC", "WORKER"), *cells]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    table = [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    if len(shown) < len(ordered):
        table.append(f"and {len(ordered) - len(shown)} more: --all lists all")
    return "\n".join(
        (
            head,
            "",
            *(table if fleet.runs else _no_runs(fleet)),
        )
    )


def _no_runs(fleet: FleetView) -> tuple[str, ...]:
    start = fleet.invocation.complete(cli("fleet", "start", "CAMPAIGN"))
    return "no runs; to start those of a campaign's file:", command(start, first="  ")


def run_text(run: FleetRunView) -> str:
    """Return whether traffic is up, what the run does or waits for, and what to type now."""
    if run.view is None:
        return wrapped(f"{run.run} CANNOT BE READ: {run.unreadable}")
    return columns([row for row in _rows(run, run.view) if row[1]], indent=0)


def fleet_json(fleet: FleetView) -> dict[str, Any]:
    """Return the fleet as a JSON document."""
    return {
        "schema": SCHEMA,
        **fleet_fields(fleet),
        "campaigns": list(fleet.campaigns),
        "runs": [_run_json(run) for run in fleet.runs],
    }


def fleet_fields(fleet: FleetView) -> dict[str, Any]:
    """Return whether the fleet runs, and its workers, as JSON values."""
    return {
        "state": fleet.state,
        "workers": [{"name": name, "condition": text} for name, text in fleet.workers],
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
        "waits_for": "" if run.view is None else safe(_waits_for(run.view.state)),
        "trouble": safe(run.trouble),
    }


def _cells(run: FleetRunView, now: datetime, worker: str) -> tuple[str, ...]:
    place, found = f"{run.account} {run.region}", run.summary
    if found is None:
        return run.run, place, "CANNOT BE READ", "", worker
    lasted = found.outage_at(now) if found.down_since is not None else None
    waits = ", waits" if (found.waiting_for or run.trouble) and not run.worker else ""
    return (
        run.run,
        place,
        f"{_status(run, found)}{waits}",
        found.traffic if lasted is None else f"{found.traffic} {span(lasted)}",
        worker,
    )


def _status(run: FleetRunView, found: RunSummary) -> str:
    return found.status or ("not started" if run.goal == "nothing" else "started")


def _rows(run: FleetRunView, view: RunStatusView) -> Iterator[tuple[str, Advice]]:
    found = summary_of(view)
    yield "RUN", f"{run.run}, account {run.account}, {run.region}"
    yield "MEMBER", run.member
    yield "TRAFFIC", traffic(view)
    yield "STATUS", _status(run, found)
    yield "STEP", step(view)
    yield "WORKER", run.worker or ("none now" if run.goal != "nothing" else "none: not started")
    yield "AGAIN", run.due
    yield "NOT BEGUN", safe(run.trouble)
    yield "WAITS FOR", safe(_waits_for(view.state))
    yield "FAILED", safe(view.state.error) if not run.worker else ""
    if (until := view.state.confirm.until) is not None:
        yield "CONFIRM", f"it is rolled back at {moment(until + view.ahead)} unless you confirm"
    complete = view.invocation.complete
    following = awaited_command(run.run, found, worker=run.worker)
    if following is None and run.goal == "nothing":
        following = cli("fleet", "start", run.run)
    if run.member and (run.goal == "nothing" or (view.state.is_prepared and not view.state.error)):
        following = None  # Its campaign starts it.
    if following is not None:
        yield "NEXT", complete(following)
    if view.tries_again:
        yield "TRY AGAIN", complete(cli("fleet", "start", run.run))
    if view.state.status is RunStatus.CUT_OVER and view.state.confirm.armed is None:
        yield "FINALIZE", _finalize(run.run, view)
    if view.rollback_command is not None:
        verb = "rollback" if view.state.finished or not run.worker else "abort"
        yield "ROLL BACK", complete(cli("fleet", verb, run.run))


def _finalize(run: str, view: RunStatusView) -> Advice:
    finalize = finalize_command(run, view.connections, delete_old_gateway=False)
    following = view.invocation.complete(cli("fleet", *finalize.words[1:]))
    if not view.soak_left:
        return following
    ends = moment(view.shown(view.now + view.soak_left))
    return (f"the plan's soak ends at {ends}; then:", following)


def _waits_for(state: RunState) -> str:
    return "" if state.finished else state.waiting_for


def awaited_command(run: str, found: RunSummary, *, worker: str) -> Command | None:
    """Return the command of an operator that *run* waits for; None if it continues by itself."""
    match found.awaits:
        case RunAwaits.DONE:
            return cli("fleet", "done", run, str(found.task_step))
        case RunAwaits.CONFIRM | RunAwaits.RESUME:
            return cli("fleet", found.awaits, run)
        case RunAwaits.START if not worker:
            return cli("fleet", "start", run)
        case _:
            return None


def _urgency(run: FleetRunView) -> int:
    found = run.summary
    if found is None:
        return 1
    if found.down_since is not None:
        return 0
    if found.awaits is not RunAwaits.NOTHING or run.trouble:
        return 2
    return 3 if run.worker else 4
