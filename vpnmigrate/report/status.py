"""Where runs stand, for a person and for a program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from vpnmigrate.commands import Advice, Invocation, cli
from vpnmigrate.journal import Order, Traffic, Wish
from vpnmigrate.model.approval import Approval
from vpnmigrate.model.clock import moment, span
from vpnmigrate.model.progress import Waiting
from vpnmigrate.report import deadline, gates
from vpnmigrate.report.progress import probes_told
from vpnmigrate.report.standing import Standing
from vpnmigrate.report.words import columns, command, safe, wrapped

SCHEMA = "vpnmigrate/status/1"

_TRAFFIC = {
    Traffic.OLD: "through the old gateway",
    Traffic.NEW: "through the new gateway",
    Traffic.NONE: "NONE: on-premises traffic is down",
    Traffic.UNKNOWN: "not known to this journal: look at AWS",
}


def one(stand: Standing) -> str:
    """Give where one run stands, in full."""
    state = stand.state
    rows: list[tuple[str, Advice | None]] = [
        ("run", stand.run),
        ("plan", stand.fingerprint),
        ("change", stand.change),
        ("status", _status(stand)),
        ("phase", stand.phase.value),
        ("step", _step(stand)),
        ("traffic", traffic(stand)),
        ("decide by", _deadline(stand)),
        ("confirm", stand.unconfirmed),
        ("watchdog", safe(stand.watchdog_trouble)),
        ("ordered", "" if state.order is None else str(state.order)),
        ("waits for", "" if _is_paused(stand) else state.waiting_for),
        ("waits", _waits(stand)),
        ("stopped", "" if stand.stopped == state.waiting_for else stand.stopped),
        *(("probe", told) for told in probes_told(state)),
        *(("degraded", what) for what in state.degraded),
        *(("lacks only", each.told) for each in state.acceptable),
        *(("gone", what) for what in state.lost),
        *(("differs", what) for what in state.differs),
        *(("other hand", what) for what in state.other_hands),
        *(("FORCED", gates.forced_line(each)) for each in state.forced),
        *(("ACCEPTED", gates.accepted_line(each)) for each in state.accepted),
        *(("approved", _approval(each, stand)) for each in state.approvals),
        *(("note", what) for what in state.notes),
        *(("puzzle", what) for what in state.puzzles),
        ("device files", stand.device_files),
        ("next", stand.next),
        ("accept", stand.accepting),
        ("way back", stand.way_back),
        ("clean up", stand.clean_up),
    ]
    told = columns([(name, value) for name, value in rows if value], indent=0)
    if state.gates is None or state.gates_at is None:
        return told
    return f"{told}\n\n{gates.table(state.gates, state.gates_at, stand.invocation)}"


def _approval(approval: Approval, stand: Standing) -> str:
    until = f"until {moment(approval.expires)}, plan {approval.fingerprint[:12]}"
    why = stand.void.get(approval.digest, "")
    void = f"; DOES NOT COUNT: {why}" if why else ""
    return f"by {approval.approver} ({approval.user}), {until}{void}"


def every(stands: Sequence[Standing], unreadable: Mapping[str, str], invocation: Invocation) -> str:
    """Give where every run stands, a few lines each; *unreadable* ones with the reason."""
    if not stands and not unreadable:
        begin = command(invocation.complete(cli("plan", "--vpn-gateway", "vgw-...")), first="  ")
        return f"No runs here yet. Begin with:\n{begin}"
    told = [
        wrapped(
            ", ".join(filter(None, _brief(stand))),
            rest="    ",
        )
        for stand in stands
    ]
    broken = [
        wrapped(f"{run}  CANNOT BE READ: {why}", rest="    ") for run, why in unreadable.items()
    ]
    return "\n".join([*told, *broken])


def _brief(stand: Standing) -> Iterator[str]:
    yield f"{stand.run}  {_status(stand)}"
    yield _step(stand)
    yield f"traffic {stand.traffic.value}"
    yield f"change {stand.change}" if stand.change else ""


def one_as_json(stand: Standing) -> dict[str, Any]:
    """Give one run as a JSON document."""
    return {"schema": SCHEMA, **fields(stand)}


def every_as_json(stands: Sequence[Standing], unreadable: Mapping[str, str]) -> dict[str, Any]:
    """Give every run as one JSON document."""
    return {
        "schema": SCHEMA,
        "runs": [fields(stand) for stand in stands],
        "unreadable": [{"run": run, "why": why} for run, why in unreadable.items()],
    }


def traffic(stand: Standing) -> str:
    """Say which way traffic takes, and how long it was or is down."""
    state = stand.state
    if state.direction is None:
        return "not known here: this run has not set out, and has touched nothing"
    told = _TRAFFIC[stand.traffic]
    if state.outage_since is None or state.outage_shown is None:
        return told
    since = f"{moment(state.outage_shown)}{' or earlier' if state.outage_earlier else ''}"
    lasted = f"{'at least ' if state.outage_earlier else ''}{span(stand.outage)}"
    if state.outage_open:
        return f"{told} since {since}, {lasted} so far"
    return f"{told}; the outage began {since}, lasted {lasted}"


def fields(stand: Standing) -> dict[str, Any]:
    """Give what a program may want to know about a run."""
    state = stand.state
    since = state.outage_shown if state.outage_since else None
    return {
        "run": stand.run,
        "plan": stand.fingerprint,
        "change": stand.change,
        "status": state.status.value,
        "direction": None if state.direction is None else state.direction.value,
        "attempt": state.attempt,
        "phase": stand.phase.value,
        "step": state.step,
        "title": state.title,
        "alive": stand.alive,
        "back_out_deadline": None if state.deadline is None else state.deadline.at.isoformat(),
        "unconfirmed_until": _moment(state.unconfirmed_until),
        "confirm_within": None if state.armed is None else state.armed.within.total_seconds(),
        "watchdog": stand.watchdog,
        "watchdog_trouble": safe(stand.watchdog_trouble),
        "order": None if state.order is None else _order(state.order),
        "waiting_for": safe(state.waiting_for),
        "waits": None if stand.waiting is None else _waiting(stand.waiting),
        "stopped": safe(stand.stopped),
        "traffic": stand.traffic.value,
        "outage_since": None if since is None else since.isoformat(),
        "outage_earlier": state.outage_earlier,
        "outage": round(stand.outage.total_seconds(), 3),
        "probes": [msgspec.to_builtins(tally) for tally in state.probes.values()],
        "probes_forward": [msgspec.to_builtins(tally) for tally in state.probes_forward.values()],
        "degraded": list(state.degraded),
        "acceptable": [msgspec.to_builtins(each) for each in state.acceptable],
        "accepted": [msgspec.to_builtins(each) for each in state.accepted],
        "flaps": state.flaps,
        "lost": list(state.lost),
        "differs": list(state.differs),
        "other_hands": list(state.other_hands),
        "notes": list(state.notes),
        "gates": gates.as_json(state.gates, state.gates_at),
        "forced": [msgspec.structs.asdict(each) for each in state.forced],
        "approvals": [
            {**msgspec.to_builtins(each), "void": stand.void.get(each.digest, "")}
            for each in state.approvals
        ],
        "folder": stand.folder,
        "device_files": stand.device_files,
        "next": str(stand.next or ""),
        "way_back": str(stand.way_back or ""),
    }


def _deadline(stand: Standing) -> str:
    """Say by when to decide, while there is something to decide."""
    state = stand.state
    if state.deadline is None or state.finished or state.told.verified is not None:
        return ""
    return f"{moment(state.deadline.at)}: {deadline.left(state.deadline.at, stand.wall)}"


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _order(order: Order) -> dict[str, str]:
    return {
        "order": order.wish.value,
        "by": safe(order.who),
        "host": safe(order.host),
        "since": order.since.isoformat(),
    }


def _waits(stand: Standing) -> str:
    """Say what its process waits for and for how long, unless a person is waited for."""
    waiting, state = stand.waiting, stand.state
    if waiting is None or _is_paused(stand):
        return ""
    waited = waiting.waited + max(timedelta(0), stand.now - waiting.at)
    who = f"step {waiting.step}: " if waiting.step and waiting.step != state.step else ""
    return f"{who}{span(waited)} of {span(waiting.limit)}: {safe(waiting.why)}"


def _waiting(waiting: Waiting) -> dict[str, Any]:
    return {
        "at": waiting.at.isoformat(),
        "step": waiting.step,
        "why": safe(waiting.why),
        "waited": round(waiting.waited.total_seconds(), 3),
        "limit": round(waiting.limit.total_seconds(), 3),
    }


def _is_paused(stand: Standing) -> bool:
    return stand.state.order is not None and stand.state.order.wish is Wish.PAUSED


def _status(stand: Standing) -> str:
    state = stand.state
    told = state.status.value.replace("-", " ")
    if stand.stopped and not state.held:
        told += ", stopped"
    if state.order is not None:
        told += f", {state.order.wish}"
    if state.unconfirmed_until is not None:
        told += ", UNCONFIRMED"
    if state.direction is None:
        return told
    return f"{told} (attempt {state.attempt})"


def _step(stand: Standing) -> str:
    if not stand.state.step or stand.state.finished:
        return ""
    return f"step {stand.state.step} of 11: {stand.state.title}"
