"""That a run was given an order, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vpnmigrate.journal import RunState
from vpnmigrate.journal.orders import traffic_hangs
from vpnmigrate.journal.records import Record, Verb
from vpnmigrate.report.outcome import now
from vpnmigrate.report.standing import Standing
from vpnmigrate.report.status import fields
from vpnmigrate.report.words import wrapped

SCHEMA = "vpnmigrate/order/1"


@dataclass(frozen=True)
class Given:
    """An order; *answer* is what the journal says of it, None if nobody has taken it up yet."""

    verb: Verb
    answer: Record | None
    stands: Standing


def text(given: Given) -> str:
    """Say what becomes of it, and where the run stands."""
    return f"{wrapped(_becomes(given))}\n{now(given.stands)}"


def as_json(given: Given) -> dict[str, Any]:
    """Give the same as a JSON document."""
    return {
        "schema": SCHEMA,
        "verb": given.verb.value,
        "taken_up": given.answer is not None,
        "told": _becomes(given),
        **fields(given.stands),
    }


def _becomes(given: Given) -> str:
    if given.answer is None:
        return (
            f"Left for run {given.stands.run}: its process has not taken it up yet. It does so "
            "when the call that it is in has ended; if it never does, its process hangs or is on "
            "another host."
        )
    told = _to_a_process(given) if given.stands.alive else _to_nobody(given)
    return f"Run {given.stands.run} {told}"


def _to_a_process(given: Given) -> str:
    state = given.stands.state
    match given.verb:
        case Verb.PAUSE:
            return "is paused: its process finishes what is under way, and rests."
        case Verb.CONTINUE if _past_deadline(state):
            return "goes on past its back-out deadline; abort still turns it back."
        case Verb.CONTINUE:
            return "goes on, once it has looked for drift."
        case Verb.CONFIRM:
            return _CONFIRMED
        case Verb.ACCEPT:
            return "is content with the tunnels that are UP, once all that is there has held."
        case Verb.ABORT if state.cutover_begun or traffic_hangs(state):
            return "is aborted: its process turns back at the next safe point."
        case Verb.ABORT:
            return "is aborted: its process stops at the next safe point."


def _to_nobody(given: Given) -> str:
    match given.verb:
        case Verb.PAUSE:
            return "is paused: apply and finalize are refused until it is continued."
        case Verb.CONTINUE:
            return "may go on; no process has it in hand."
        case Verb.CONFIRM:
            return _CONFIRMED
        case Verb.ACCEPT:
            return "will be content with the tunnels that are UP; no process has it in hand."
        case Verb.ABORT:
            return "is aborted before its cutover: nothing was interrupted."


_CONFIRMED = "is confirmed: nothing goes back by itself any more."


def _past_deadline(state: RunState) -> bool:
    return state.deadline is not None and state.deadline.passed
