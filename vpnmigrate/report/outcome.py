"""How a verb ended: what is true of the traffic now, and the commands that may come next."""

from __future__ import annotations

from typing import Any

from vpnmigrate.commands import Advice
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.report import gates
from vpnmigrate.report.standing import Standing
from vpnmigrate.report.status import fields, traffic
from vpnmigrate.report.words import columns, item, wrapped

SCHEMA = "vpnmigrate/outcome/1"

_ARRIVED = {
    RunStatus.CUT_OVER: "Migrated. The old connections are still there; finalize deletes them.",
    RunStatus.ROLLED_BACK: "Rolled back: what was there before is there again.",
    RunStatus.RETIRED: "Finalized: the old side is deleted. There is no way back any more.",
}


def text(stand: Standing) -> str:
    """Give the ending of a verb that did what it was asked."""
    lines = []
    arrived = _ARRIVED.get(stand.state.status)
    if stand.state.status is RunStatus.ROLLED_BACK and (stand.state.differs or stand.state.lost):
        arrived = "Rolled back, but NOT everything is as it was before:"
    if arrived:
        lines.append(wrapped(arrived))
    if stand.state.status is RunStatus.ROLLED_BACK:
        lines.extend(item(f"not as before: {what}") for what in stand.state.differs)
    lines.extend(item(f"DEGRADED: {what}") for what in stand.state.degraded)
    lines.extend(item(f"gone by another hand: {what}") for what in stand.state.lost)
    lines.append(now(stand))
    return "\n".join(lines)


def now(stand: Standing) -> str:
    """Give what is true now and what may come next; told after failures too."""
    back_again = stand.state.status is RunStatus.ROLLED_BACK
    on = None if stand.next in {stand.look, stand.way_back} else stand.next
    rows: list[tuple[str, Advice | None]] = [
        *(("forced:", gates.forced_line(each)) for each in stand.state.forced),
        *(("accepted:", gates.accepted_line(each)) for each in stand.state.accepted),
        ("traffic:", traffic(stand)),
        ("confirm:", stand.unconfirmed),
        ("try again:" if back_again else "go on:", on),
        ("accept:", stand.accepting),
        ("clean up:", stand.clean_up),
        ("go back:", stand.way_back),
        ("devices:", stand.device_files if stand.state.task is not None else ""),
        ("look:", stand.look),
    ]
    return columns([(name, value) for name, value in rows if value])


def as_json(stand: Standing) -> dict[str, Any]:
    """Give the ending as a JSON document: where the run stands now."""
    return {"schema": SCHEMA, **fields(stand)}
