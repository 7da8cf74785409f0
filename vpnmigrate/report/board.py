"""Board: the status of a campaign as a web page, and as the values that keep it up to date.

The script is allowed by its hash, so that markup in a name cannot run; without scripts the page is
a complete table of the moment when it was loaded.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from hashlib import sha256
from typing import Any, Final

from vpnmigrate.fleet.progress import MemberState
from vpnmigrate.model.clock import moment, span
from vpnmigrate.report.fleet import (
    FleetStatus,
    MemberView,
    counted,
    in_order_of_urgency,
    traffic_down,
    urgency,
    wave_rows,
)
from vpnmigrate.report.fleet_runs import NO_WORKER, FleetView, worker_command
from vpnmigrate.report.html_templates import html_templates
from vpnmigrate.report.text import safe

COLUMNS: Final = ("Member", "Wave", "State", "Traffic", "Outage", "Waits for", "Gates", "Run")


@dataclass(frozen=True)
class BoardPage:
    """The page, and the policy that it has to be served with."""

    html: str
    policy: str


def board_page(status: FleetStatus) -> BoardPage:
    """Return the page of *status*."""
    from markupsafe import Markup

    script, style = _part("board.js.j2"), _part("board.css.j2")
    html = (
        html_templates()
        .get_template("board.html.j2")
        .render(
            board=board_values(status),
            columns=COLUMNS,
            states=tuple(state.value for state in MemberState),
            length=_length,
            script=Markup(script),  # noqa: S704  a file of this program
            style=Markup(style),  # noqa: S704  the same
        )
    )
    sources = f"script-src '{_hash(script)}'; style-src '{_hash(style)}'; connect-src 'self'"
    return BoardPage(
        html,
        f"default-src 'none'; {sources}; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'",
    )


def _length(seconds: int | None) -> str:
    """Return a length of an outage as the script writes it."""
    return "-" if seconds is None else span(timedelta(seconds=seconds))


@cache
def _part(name: str) -> str:
    return html_templates().get_template(name).render()


def _hash(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _unattended(fleet: FleetView | None) -> str:
    """Return that no worker is alive, and the command that starts one; empty if one is."""
    if fleet is None or fleet.attended:
        return ""
    return safe(f"{NO_WORKER}; start one: {worker_command(fleet.invocation)}")


def board_values(status: FleetStatus) -> dict[str, Any]:
    """Return everything that the page shows, as JSON values; rows in the order of urgency."""
    return {
        "campaign": status.campaign.name,
        "at": moment(status.now),
        "counts": counted(status.members),
        "down": traffic_down(status.members),
        "held": safe("; ".join(status.schedule.held)),
        "unattended": _unattended(status.fleet),
        "waves": [
            {
                "name": row.name,
                "status": row.status.value,
                "done": row.done,
                "members": row.members,
                "why": safe(row.why),
            }
            for row in wave_rows(status)
        ],
        "rows": [board_row(view) for view in in_order_of_urgency(status.members)],
    }


def board_row(view: MemberView) -> dict[str, Any]:
    """Return the cells of a member's row."""
    waits = view.unreadable or view.waiting_for
    if view.start:
        waits = "may be started now"
    return {
        "id": view.member.id,
        "name": safe(view.member.name),
        "place": f"{view.member.account} {view.member.region}",
        "wave": view.wave,
        "state": view.progress.state.value,
        "rank": urgency(view),
        "traffic": ("NONE" if view.outage_open else view.traffic) or "-",
        "outage": None if view.outage is None else round(view.outage.total_seconds()),
        "open": view.outage_open,
        "waits": safe(waits),
        "gates": ", ".join(view.closed_gates),
        "run": view.run,
    }


def changed_values(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Return *now* with the rows alone that differ from *before*; the page keeps the others."""
    known = {row["id"]: row for row in before.get("rows", ())}
    return {**now, "rows": [row for row in now["rows"] if known.get(row["id"]) != row]}
