"""That a run was given an order, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vpnmigrate.orders import traffic_hangs
from vpnmigrate.records import (
    Record,
)
from vpnmigrate.replay import RunState
from vpnmigrate.report.outcome import now
from vpnmigrate.report.standing import Standing
from vpnmigrate.report.status import fields
from vpnmigrate.report.words import wrapped
from vpnmigrate.spoken import Verb

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
    run, alive = given.stands.run, given.stands.alive
    if given.answer is None:
        return (
            f"Left for run {run}: its process has not taken it up yet. It does so when the call "
            "that it is in has ended; if it never does, its process hangs or is on another host."
        )
    match given.verb:
        case Verb.PAUSE if alive:
            return f"Run {run} is paused: its process finishes what is under way, and rests."
        case Verb.PAUSE:
            return f"Run {run} is paused: apply and finalize are refused until it is continued."
        case Verb.CONTINUE if alive and _past_deadline(given.stands.state):
            return f"Run {run} goes on past its back-out deadline; abort still turns it back."
        case Verb.CONTINUE if alive:
            return f"Run {run} goes on, once it has looked for drift."
        case Verb.CONTINUE:
            return f"Run {run} may go on; no process has it in hand."
        case Verb.CONFIRM:
            return f"Run {run} is confirmed: nothing goes back by itself any more."
        case Verb.ABORT if not alive:
            return f"Run {run} is aborted before its cutover: nothing was interrupted."
        case Verb.ABORT if given.stands.state.cutover_begun or traffic_hangs(given.stands.state):
            return f"Run {run} is aborted: its process turns back at the next safe point."
        case Verb.ABORT:
            return f"Run {run} is aborted: its process stops at the next safe point."


def _past_deadline(state: RunState) -> bool:
    return state.deadline is not None and state.deadline.passed
