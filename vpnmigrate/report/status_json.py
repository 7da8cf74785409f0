"""Status of runs as JSON documents."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from vpnmigrate.journal import OperatorOrder
from vpnmigrate.journal.state import ExpiredCredentials
from vpnmigrate.model.errors.commands import one_line
from vpnmigrate.model.progress import Unreadable, Waiting
from vpnmigrate.report import gates
from vpnmigrate.report.crypto import crypto_json
from vpnmigrate.report.device_progress import devices_json
from vpnmigrate.report.residue import residue_json
from vpnmigrate.report.status import RunStatusView
from vpnmigrate.report.text import safe
from vpnmigrate.report.tunnel_progress import tunnels_by_site, tunnels_json

SCHEMA = "vpnmigrate/status/1"


def one_as_json(view: RunStatusView) -> dict[str, Any]:
    """Return one run as a JSON document."""
    return {"schema": SCHEMA, **fields(view)}


def fields(view: RunStatusView) -> dict[str, Any]:
    """Return the status of a run as JSON values."""
    state = view.state
    since = state.outage.shown if state.outage.since else None
    return {
        "run": view.run,
        "plan": view.fingerprint,
        "change": view.change,
        "status": state.status.value,
        "direction": None if state.direction is None else state.direction.value,
        "attempt": state.attempt,
        "phase": view.phase.value,
        "step": state.step,
        "title": state.title,
        "alive": view.alive,
        "back_out_deadline": None if state.deadline is None else state.deadline.at.isoformat(),
        "unconfirmed_until": _moment(state.confirm.until),
        "confirm_within": None
        if state.confirm.armed is None
        else state.confirm.armed.within.total_seconds(),
        "watchdog": view.watchdog,
        "watchdog_trouble": safe(view.watchdog_trouble),
        "order": None if state.order is None else _order(state.order),
        "waiting_for": safe(state.waiting_for),
        "devices": devices_json(view.devices),
        "new_tunnels_left": list(view.new_tunnels_left),
        "tunnels": tunnels_json(tunnels_by_site(view.sight, view.names)),
        "unreadable": None if view.unreadable is None else _unreadable(view.unreadable),
        "waits": None if view.waiting is None else _waiting(view.waiting),
        "credentials": None if state.expired is None else _expired(state.expired, view),
        "stopped": safe(view.stopped),
        "traffic": view.traffic.value,
        "outage_since": None if since is None else since.isoformat(),
        "outage_earlier": state.outage.earlier,
        "outage": round(view.outage.total_seconds(), 3),
        "probes": [msgspec.to_builtins(stats) for stats in state.probes.latest.values()],
        "probes_forward": [msgspec.to_builtins(stats) for stats in state.probes.forward.values()],
        "degraded": list(state.shortages.degraded),
        "negotiated": crypto_json(state.crypto),
        "acceptable": [msgspec.to_builtins(each) for each in state.shortages.acceptable],
        "accepted": [msgspec.to_builtins(each) for each in state.shortages.accepted],
        "residue": residue_json(state, view.invocation),
        "unreached": list(state.residue.unreached),
        "flaps": state.flaps,
        "lost": list(state.deviations.lost),
        "differs": list(state.deviations.differs),
        "other_hands": list(state.deviations.external_changes),
        "notes": list(state.notes),
        "gates": gates.as_json(state.gates.seen, state.gates.at, view.invocation),
        "forced": [msgspec.structs.asdict(each) for each in state.gates.forced],
        "approvals": [
            {
                **msgspec.to_builtins(each),
                "signed": each.digest in state.approvals.signed,
                "void": view.void.get(each.digest, ""),
            }
            for each in state.approvals.added
        ],
        "approve_again": str(view.approve_again or ""),
        "folder": view.folder,
        "device_files": view.device_files,
        "next": str(view.next or ""),
        "to_open": one_line(view.to_open),
        "when_done": str(view.when_done or ""),
        "way_back": str(view.rollback_command or ""),
    }


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _order(order: OperatorOrder) -> dict[str, str]:
    return {
        "order": order.wish.value,
        "by": safe(order.who),
        "host": safe(order.host),
        "since": order.since.isoformat(),
    }


def _unreadable(unreadable: Unreadable) -> dict[str, Any]:
    return {"since": unreadable.since.isoformat(), "why": safe(unreadable.why)}


def _waiting(waiting: Waiting) -> dict[str, Any]:
    return {
        "at": waiting.at.isoformat(),
        "step": waiting.step,
        "why": safe(waiting.why),
        "waited": round(waiting.waited.total_seconds(), 3),
        "limit": round(waiting.limit.total_seconds(), 3),
        "usual": waiting.usual,
    }


def _expired(expired: ExpiredCredentials, view: RunStatusView) -> dict[str, Any]:
    return {
        "since": expired.since.isoformat(),
        "why": safe(expired.why),
        "renew": one_line(view.invocation.advise(expired.renew)),
    }
