"""Summary of a run: whether it worked, the outage, who did it, and what is open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from vpnmigrate.journal import RunState, Traffic
from vpnmigrate.journal.history import OutagePeriod, ReplayedRun, processes_of
from vpnmigrate.journal.record_base import DeviceConfirmed
from vpnmigrate.journal.records import Approved, Entry, OperatorConfirmed
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.clock import moment, span
from vpnmigrate.model.plan import LAST_OF_CUTOVER, Direction
from vpnmigrate.report import gates
from vpnmigrate.report.crypto import crypto_open
from vpnmigrate.report.document import DocumentTable, Section
from vpnmigrate.report.progress import DIRECTION_NAMES
from vpnmigrate.report.text import count

NOT_SURVEYED = "AWS was not surveyed at the end; to survey it, use report --survey"

_VERDICTS = {
    RunStatus.PLANNED: "not started",
    RunStatus.PREPARING: "not yet: the new side is being prepared",
    RunStatus.HELD: "not yet: the run is held",
    RunStatus.CUTTING_OVER: "not yet: the cutover is not finished",
    RunStatus.CUT_OVER: "yes: cut over to the new gateway; the old one still exists",
    RunStatus.FINALIZING: "yes: cut over; the old side is being removed",
    RunStatus.FINALIZED: "yes: cut over to the new gateway, and the old connections are deleted",
    RunStatus.ROLLING_BACK: "no: the rollback is not finished",
    RunStatus.ROLLED_BACK: "no: it was rolled back to the state before the migration",
    RunStatus.STUCK: "no: the run is stuck",
}

_TRAFFIC = {
    Traffic.OLD: "traffic goes through the old gateway",
    Traffic.NEW: "traffic goes through the new gateway",
    Traffic.NONE: "TRAFFIC IS DOWN",
    Traffic.UNKNOWN: "the path of traffic is unknown: check AWS",
}


def summary(
    events: Sequence[Entry],
    replayed: ReplayedRun,
    rehearsed: RehearsalResult | None,
    plan_lines: Sequence[tuple[str, str]],
    *,
    surveyed: bool,
    differences: Sequence[str],
) -> Section:
    """Return the box at the top of a report; *plan_lines* are its rows about the plan.

    *events* are the journal's entries that are not about one change.
    """
    state = replayed.state
    rows = [
        ("did it work", verdict(state)),
        *_outage_rows(replayed.outages, rehearsed),
        ("when", _when(replayed)),
        ("by", "; ".join(_people(events)) or "not started"),
        *_forced_rows(state),
    ]
    still_open = open_ends(state, surveyed=surveyed, differences=differences)
    rows += [("open", text) for text in still_open] or [("open", "nothing")]
    return Section("Summary", (), DocumentTable(("", ""), (*rows, *plan_lines)), boxed=True)


def verdict(state: RunState) -> str:
    """Return whether the migration worked, and the path of traffic."""
    if state.direction is None:
        return _VERDICTS[RunStatus.PLANNED]
    qualified = f", with {state.residue.first}" if state.residue.is_left else ""
    return f"{_VERDICTS[state.status]}{qualified}; {_TRAFFIC[state.known_traffic]}"


def expected_outage(down: OutagePeriod, rehearsed: RehearsalResult | None) -> timedelta | None:
    """Return how long the outage *down* was in the rehearsal; None if that is not known.

    One during which the run rolled back is compared with the rehearsed rollback after the end of
    the step in progress; one of a rollback after the cutover with the rehearsed rollback's part.
    """
    if rehearsed is None or rehearsed.outage is None:
        return None
    if down.rolled_back_in is not None:
        return rehearsed.back_outage.get(down.rolled_back_in)
    if down.direction is Direction.FORWARD:
        return rehearsed.outage
    whole = rehearsed.back_outage.get(LAST_OF_CUTOVER)
    return None if whole is None else max(whole - rehearsed.outage, timedelta(0))


def open_ends(state: RunState, *, surveyed: bool, differences: Sequence[str]) -> tuple[str, ...]:
    """Return what is not finished or not explained, a sentence each."""
    return tuple(_open_ends(state, surveyed=surveyed, differences=differences))


def summary_json(state: RunState, *, surveyed: bool, differences: Sequence[str]) -> dict[str, Any]:
    """Return verdict and open ends as JSON values."""
    return {
        "verdict": verdict(state),
        "open": list(open_ends(state, surveyed=surveyed, differences=differences)),
    }


def _open_ends(state: RunState, *, surveyed: bool, differences: Sequence[str]) -> Iterator[str]:
    if state.held or state.error:
        yield f"stopped: {state.held or state.error}"
    if state.outage.open:
        yield "TRAFFIC IS DOWN"
    if state.status is RunStatus.CUT_OVER:
        yield "finalize: the old gateway and its connections still exist"
    if state.confirm.since is not None:
        yield "the cutover is not confirmed"
    yield from map(str, state.residue.changes)
    yield from (f"no path: {destination}" for destination in state.residue.unreached)
    yield from (f"fewer tunnels than before: {what}" for what in state.shortages.degraded)
    if state.crypto is not None:
        yield from (f"negotiated algorithms of {what}" for what in crypto_open(state.crypto))
    yield from (f"changed outside this run: {what}" for what in state.deviations.lost)
    yield from (f"differs from the state before: {what}" for what in state.deviations.differs)
    if state.deviations.external_changes:
        yield f"{count(len(state.deviations.external_changes), 'external change')}, listed below"
    if state.contradictions:
        yield "the journal is inconsistent, see below"
    if differences:
        yield f"{count(len(differences), 'unexpected difference')} in AWS at the end"
    elif not surveyed and state.finished:
        yield NOT_SURVEYED


def _outage_rows(
    outages: Sequence[OutagePeriod], rehearsed: RehearsalResult | None
) -> Iterator[tuple[str, str]]:
    if not outages:
        yield "outage", "none"
    for down in outages:
        least = "at least " if down.earlier or not down.over else ""
        over = "" if down.over else ", NOT OVER"
        expected = expected_outage(down, rehearsed)
        against = "nothing to compare with" if expected is None else f"{span(expected)} expected"
        where = f"{DIRECTION_NAMES[down.direction]} at {moment(down.since)}"
        yield "outage", f"{least}{span(down.lasted)} measured{over}, {against} ({where})"


def _when(replayed: ReplayedRun) -> str:
    if replayed.first is None or replayed.last is None:
        return "not started"
    return f"{moment(replayed.first)} to {moment(replayed.last)}"


def _people(events: Sequence[Entry]) -> Iterator[str]:
    """Yield who ran it, who approved it and who confirmed tasks, each person once."""
    ran = dict.fromkeys(f"{opened.user} on {opened.host}" for _, opened in processes_of(events))
    if ran:
        yield f"run by {', '.join(ran)}"
    approvers = dict.fromkeys(
        entry.record.approval.approver for entry in events if isinstance(entry.record, Approved)
    )
    if approvers:
        yield f"approved by {', '.join(approvers)}"
    voices = dict.fromkeys(
        entry.record.who
        for entry in events
        if isinstance(entry.record, OperatorConfirmed | DeviceConfirmed)
    )
    if voices:
        yield f"device tasks confirmed by {', '.join(voices)}"


def _forced_rows(state: RunState) -> Iterator[tuple[str, str]]:
    for forced in state.gates.forced:
        yield "forced", gates.forced_line(forced)
    for accepted in state.shortages.accepted:
        yield "accepted", gates.accepted_line(accepted)
    if not state.gates.forced and not state.shortages.accepted:
        yield "forced", "no gate"
