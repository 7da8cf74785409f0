"""Status of a run for people: the three answers, and the facts behind them.

The answers are whether traffic is up, what is wrong or awaited, and what to type now.  They come
first if everything fits a screen of 24 lines, and last otherwise: in both cases a person who has
just typed the command sees them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from vpnmigrate.journal import Hold, RunState
from vpnmigrate.journal.directions import DirectionPeriod, directions_of
from vpnmigrate.journal.records import FinalizeRequested
from vpnmigrate.journal.state import RunStatus
from vpnmigrate.model.approval import Approval
from vpnmigrate.model.clock import moment, span
from vpnmigrate.model.ec2 import VpnGatewayId
from vpnmigrate.model.errors.commands import Advice, cli
from vpnmigrate.model.gates import closed_results
from vpnmigrate.model.plan import Direction, Plan
from vpnmigrate.report import gates
from vpnmigrate.report.crypto import crypto_open
from vpnmigrate.report.device_progress import devices_text, tunnels_left_text
from vpnmigrate.report.names import Names
from vpnmigrate.report.progress import DIRECTION_NAMES, probe_lines, step_line
from vpnmigrate.report.residue import residue_rows
from vpnmigrate.report.status import (
    RunStatusView,
    old_gateway_deleted,
    traffic,
)
from vpnmigrate.report.text import columns, safe
from vpnmigrate.report.tunnel_progress import HARMLESS

SCREENFUL = 23
"""Lines of a window of 24 without that of the shell's prompt."""
LISTED = 2
"""Items of one kind among the answers; the facts list all of them."""

Row = tuple[str, Advice | None]


_LESS_URGENT = (
    "NOT AS BEFORE",
    "INCONSISTENT",
    "READ AGAIN",
    "ALGORITHMS",
    "DEGRADED",
    "MISSING",
    "NO PATH",
    "NOT DONE",
    "WATCHDOG",
    "ORDERED",
    "WAITS FOR",
    "CHECK",
    "CONFIRM",
    "ACCEPT",
    "CLEAN UP",
    "WHY",
    "ROLL BACK",
)
"""Answers that are moved to the facts, in this order, if the others do not fit a screen."""


def one(view: RunStatusView, *, all_gates: bool = False) -> str:
    """Return the status of one run; with *all_gates*, the result of every gate."""
    shown, moved = _fitting(view)
    answers = _rows(shown, view.names)
    facts = _facts_text(view, moved, all_gates=all_gates)
    lines = answers.count("\n") + facts.count("\n") + 3
    first, second = (answers, facts) if lines <= SCREENFUL else (facts, answers)
    return f"{first}\n\n{second}"


def _fitting(view: RunStatusView) -> tuple[list[Row], list[Row]]:
    """Return the answers that fit a screen, and those that have to be shown before them."""
    rows = [row for row in (("TRAFFIC", traffic(view)), *_now(view), *_commands(view)) if row[1]]
    moved: list[Row] = []
    for name in _LESS_URGENT:
        if _rows(rows, view.names).count("\n") < SCREENFUL:
            break
        moved += [row for row in rows if row[0] == name]
        rows = [row for row in rows if row[0] != name]
    return rows, moved


def _rows(rows: Iterable[Row], names: Names) -> str:
    """Return the rows that have a value; text has names beside its ids, commands do not."""
    return columns(
        [
            (name, names.text(value) if isinstance(value, str) else value)
            for name, value in rows
            if value
        ],
        indent=0,
    )


def _now(view: RunStatusView) -> Iterator[Row]:
    """Yield what is wrong or awaited, the most urgent first."""
    state = view.state
    yield "NOW", _standing(view)
    yield "WHY", why_rolled_back(view)
    yield from _unreadable(view)
    yield "ORDERED", "" if state.order is None else str(state.order)
    yield "DECIDE", deadline(view)
    yield "CONFIRM", view.unconfirmed
    yield "WATCHDOG", safe(view.watchdog_trouble)
    yield from _listed("NOT DONE", [f"{each.change}: {each.why}" for each in state.residue.changes])
    yield from _listed("NO PATH", state.residue.unreached)
    yield "TO DO", "" if state.task is None or view.rolling_back else str(state.task)
    yield "DEVICES", "" if view.rolling_back else devices_text(view.devices)
    yield from _too_early(view)
    yield "CONFIRMED", _unread(view)
    yield "WAITS FOR", waits(view)
    yield from _listed("MISSING", [each.text for each in state.shortages.acceptable])
    yield from _listed("DEGRADED", state.shortages.degraded)
    yield from _listed("ALGORITHMS", crypto_open(state.crypto))
    yield from _listed("NOT AS BEFORE", state.deviations.differs)
    yield "DEVICES", tunnels_left_text(view.new_tunnels_left)
    yield "BLOCKS", view.device_blocks
    yield from _listed("INCONSISTENT", state.contradictions)


def _unreadable(view: RunStatusView) -> Iterator[Row]:
    """Yield that AWS cannot be read, since when, and how to renew the credentials."""
    if (expired := view.state.expired) is not None:
        since = f"since {moment(view.shown(expired.since))}"
        yield "AWS", f"CANNOT BE READ {since}: the credentials have EXPIRED"
        yield "RENEW", view.invocation.advise(expired.renew)
    elif (unreadable := view.unreadable) is not None:
        since = f"since {moment(view.shown(unreadable.since))}"
        yield "AWS", f"CANNOT BE READ {since}; it is tried again: {safe(unreadable.why)}"


def _too_early(view: RunStatusView) -> Iterator[Row]:
    """Yield that tunnels are confirmed and DOWN, and what shows how to configure their devices."""
    if (early := view.early_confirmation) is None:
        return
    at = moment(view.shown(early.at))
    yield "CONFIRMED", f"at {at}, but {early.text}; {HARMLESS}"
    sheets = [view.device_sheet(site.argument) for site in early.sites[:LISTED]]
    yield "CHECK", ("the sheet of the device has each value:", *sheets)


def why_rolled_back(view: RunStatusView) -> str:
    """Return why the run rolled back without a command; empty if that is not the watchdog."""
    return "not confirmed in time: the watchdog rolled back" if view.rolled_back_unconfirmed else ""


def _unread(view: RunStatusView) -> str:
    """Return that the open task is confirmed in a message that no process has read."""
    if not view.unread_done:
        return ""
    then = "the running process reads it next" if view.alive else "read when the run resumes"
    return f"by {safe(view.unread_done)}; {then}"


def _listed(name: str, items: Sequence[str]) -> Iterator[Row]:
    yield from ((name, item) for item in items[:LISTED])
    if len(items) > LISTED:
        yield name, f"and {len(items) - LISTED} more"


def _commands(view: RunStatusView) -> Iterator[Row]:
    """Yield the commands, that for the next step first."""
    rollback = view.rollback_command
    yield "WHEN DONE", view.when_done
    on = None if rollback is not None and view.next == rollback else view.next_step
    yield "TRY AGAIN" if view.tries_again else "NEXT", on
    yield "ACCEPT", view.accept_advice
    yield "READ AGAIN", view.crypto_advice
    yield "APPROVE AGAIN", view.approve_again
    yield "ROLL BACK", view.rollback_advice
    yield "CLEAN UP", view.clean_up


_SETTLED = {
    RunStatus.CUT_OVER: "migrated; the old connections still exist, and finalize deletes them",
    RunStatus.ROLLED_BACK: "rolled back; the state before the migration is restored",
    RunStatus.FINALIZED: "finalized; the old connections are deleted, so it cannot be rolled back",
}
_GOING = {
    Direction.FORWARD: "migrating",
    Direction.ROLLBACK: "rolling back",
    Direction.FINALIZE: "finalizing",
}


def _standing(view: RunStatusView) -> str:
    """Return what the run does, or why it does nothing."""
    state = view.state
    if state.direction is None:
        return "not started"
    if state.finished:
        return _ended(state)
    if view.alive and state.is_prepared:
        return f"prepared; the cutover has not begun{_asking(view)}"
    what, where = _GOING[state.direction], step(view)
    if view.alive:
        return f"{what}, {where}" if where else what
    if state.held and state.task is not None:
        return f"HELD for a person, {where}"
    if state.held:
        return f"HELD, {where}: {state.held}" if where else f"HELD: {state.held}"
    if state.is_prepared and not state.error:
        return "everything is prepared; the cutover has not started"
    return f"STOPPED while {what}, {where}: {view.stopped}"


def _ended(state: RunState) -> str:
    """Return what a run has reached at the end of its direction."""
    if state.status is RunStatus.ROLLED_BACK and state.keep_new:
        return (
            "rolled back; traffic has the old path; the new gateway and connections are kept, and "
            "CLEAN UP deletes them"
        )
    if old_gateway_deleted(state):
        return (
            "finalized; the old connections and the old gateway are deleted, so it cannot be "
            "rolled back"
        )
    return _SETTLED.get(state.status, state.status.value)


def _asking(view: RunStatusView) -> str:
    """Return that the active process asks before the cutover, and where; empty if it does not."""
    if not view.asks_for_consent:
        return ""
    opened = view.state.opened
    where = "" if opened is None else f" ({safe(opened.user)} on {safe(opened.host)})"
    return f"; waits for the operator's answer in the terminal of apply{where}"


def _facts_text(view: RunStatusView, moved: Sequence[Row], *, all_gates: bool) -> str:
    """Return the facts behind the answers: the run, its gates, its files and its history."""
    state = view.state
    rows: list[Row] = [
        *((name.lower(), value) for name, value in moved),
        ("run", _run(view)),
        ("status", status(view)),
        ("VPC", _vpc(view)),
        ("destinations", _destinations(view)),
        ("window", _window(view)),
        *(("probe", output) for output in probe_lines(state)),
        *residue_rows(state, view.invocation),
        ("credentials", "" if state.expired is None else safe(state.expired.why)),
        *(("lost", what) for what in state.deviations.lost),
        *(("external", what) for what in state.deviations.external_changes),
        *(("FORCED", gates.forced_line(each)) for each in state.gates.forced),
        *(("ACCEPTED", gates.accepted_line(each)) for each in state.shortages.accepted),
        *(("approved", _approval(each, view)) for each in state.approvals.added),
        *(("note", what) for what in _notes(state)),
        *_every(state),
        *_history(view),
        ("plan", view.fingerprint),
        ("change", view.change),
        ("files", view.folder),
        ("device files", view.device_files),
        ("gates", "" if all_gates else _gates_in_short(view)),
    ]
    output = _rows(rows, view.names)
    seen = view.gates_now
    if seen is None or state.gates.at is None or not (all_gates or closed_results(seen.gates)):
        return output
    table = gates.table(seen, state.gates.at, view.invocation, view.names, all_gates=all_gates)
    return f"{output}\n\n{table}"


def _notes(state: RunState) -> Iterator[str]:
    """Yield the notes, without what finalize is to do once it has done it."""
    done = {str(FinalizeRequested(each)) for each in (True, False)}
    over = state.status is RunStatus.FINALIZED
    return (what for what in state.notes if not (over and what in done))


def _gates_in_short(view: RunStatusView) -> Advice:
    """Return the result of gates that let the run through, and how to see each of them."""
    state = view.state
    seen = view.gates_now
    if seen is None or state.gates.at is None or closed_results(seen.gates):
        return ""
    show = view.invocation.complete(cli("status", view.run, "--gates"))
    return (f"{gates.title(seen)}, {moment(state.gates.at)}; to see them:", show)


def _every(state: RunState) -> Iterator[Row]:
    """Yield the items that the answers leave out."""
    for name, items in (
        ("missing", [each.text for each in state.shortages.acceptable]),
        ("degraded", state.shortages.degraded),
        ("algorithms", crypto_open(state.crypto)),
        ("not as before", state.deviations.differs),
        ("inconsistent", state.contradictions),
    ):
        yield from ((name, item) for item in items[LISTED:])


def _run(view: RunStatusView) -> str:
    plan = view.plan
    where = "" if plan is None else f", account {plan.account}, {plan.region}"
    return f"{view.run}{where}"


def _vpc(view: RunStatusView) -> str:
    plan = view.plan
    if plan is None:
        return ""
    made = view.new_gateway
    new = f" to {made}" if made else ""
    return f"{plan.vpc}, from {plan.old_gateway}{new}"


def _destinations(view: RunStatusView) -> str:
    """Return the on-premises networks that are reached through the gateway."""
    if view.plan is None:
        return ""
    found = destinations_of(view.plan, view.plan.old_gateway)
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(found[:SHOWN]) + more


SHOWN = 6
"""Destinations in one line."""


def destinations_of(plan: Plan, gateway: VpnGatewayId) -> list[str]:
    """Return what the route tables of the plan's survey route to *gateway*, in order."""
    routed = (
        route.destination
        for table in plan.before.route_tables
        for route in table.routes
        if route.target == gateway
    )
    return list(dict.fromkeys(routed))


def _window(view: RunStatusView) -> str:
    if view.plan is None or (window := view.plan.decisions.window) is None:
        return ""
    return f"{moment(window.start)} to {moment(window.end)} ({window.written})"


def _history(view: RunStatusView) -> Iterator[Row]:
    """Yield each direction that the run took, with its outages."""
    for attempt in directions_of(view.entries):
        ended = f" to {moment(attempt.ended)}" if attempt.finished else f", {_open(attempt, view)}"
        lasted = [
            f"outage {span(each.lasted)}"
            if each.over
            else f"outage so far {span(view.now - each.since)}"
            for each in view.outages
            if attempt.began <= each.since <= max(attempt.ended, attempt.began)
        ]
        which = f"attempt {attempt.attempt} {DIRECTION_NAMES[attempt.direction]}"
        yield "history", f"{which}: {', '.join([moment(attempt.began) + ended, *lasted])}"


def _open(attempt: DirectionPeriod, view: RunStatusView) -> str:
    """Return where a direction stands that has no end."""
    state = view.state
    last = (attempt.direction, attempt.attempt) == (state.direction, state.attempt)
    waits_for_cutover = last and state.is_prepared and state.held and not view.alive
    return "prepared, held" if waits_for_cutover else "not finished"


def _approval(approval: Approval, view: RunStatusView) -> str:
    until = f"until {moment(approval.expires)}, plan {approval.fingerprint[:12]}"
    why = view.void.get(approval.digest, "")
    void = f"; DOES NOT COUNT: {why}" if why else ""
    signed = "signed" if approval.digest in view.state.approvals.signed else "not signed"
    return f"by {approval.approver} ({approval.user}), {signed}, {until}{void}"


def deadline(view: RunStatusView) -> str:
    """Return the back-out deadline while a decision is open, else an empty string."""
    state = view.state
    if state.deadline is None or state.finished or state.journal_facts.verified is not None:
        return ""
    return f"{gates.left(state.deadline.at, view.wall)}: {moment(state.deadline.at)}"


def waits(view: RunStatusView) -> str:
    """Return what the process waits for and how long, or nothing while the run is paused."""
    waiting, state = view.waiting, view.state
    paused = state.order is not None and state.order.wish is Hold.PAUSED
    if waiting is None or paused:
        return ""
    waited = waiting.waited + max(timedelta(0), view.now - waiting.at)
    who = f"step {waiting.step}: " if waiting.step and waiting.step != state.step else ""
    usual = f", {waiting.usual}" if waiting.usual else ""
    return f"{who}{span(waited)} of {span(waiting.limit)}{usual}: {safe(waiting.why)}"


def status(view: RunStatusView) -> str:
    """Return the status of a run with what modifies it."""
    state = view.state
    text = state.status.value.replace("-", " ")
    if view.stopped and not state.held:
        text += ", stopped"
    if state.order is not None:
        text += f", {state.order.wish}"
    if state.confirm.until is not None:
        text += ", UNCONFIRMED"
    if state.direction is None:
        return text
    return f"{text} (attempt {state.attempt})"


def step(view: RunStatusView) -> str:
    """Return the step that the run is in; empty before the first and after the last."""
    state = view.state
    if not state.step or state.finished:
        return ""
    return step_line(state.step, state.title, cleaning=state.cleaning)
