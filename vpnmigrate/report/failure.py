"""How a verb failed: what went wrong, and where the run stands now if it has one in hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vpnmigrate.commands import Advice, Command, Invocation, option
from vpnmigrate.errors import (
    BackedOutError,
    ClaimedError,
    Exit,
    HeldByOthersError,
    TakenOverError,
    VpnMigrateError,
    exit_code,
)
from vpnmigrate.report import errors, outcome
from vpnmigrate.report.standing import Standing
from vpnmigrate.report.status import fields
from vpnmigrate.report.words import columns

_NOT_KNOWN = "not known here: ask them, or look at AWS"


class StoppedError(VpnMigrateError):
    """A run did not get where it was asked to go: *error* says why, *stands* where it is now."""

    def __init__(self, error: VpnMigrateError, stands: Standing) -> None:
        super().__init__(error.message, advice=error.next_step)
        self.error = error
        self.stands = stands


@dataclass(frozen=True)
class Again:
    """How to run the command that failed again, in a new terminal."""

    invocation: Invocation
    line: Command | None = None
    """The command line, without what *invocation* holds; None where it could not be read."""


def text(error: VpnMigrateError, again: Again) -> str:
    """Return what happened; for a run also the state of traffic now, and both ways on."""
    match error:
        case StoppedError(error=HeldByOthersError() as cause):
            return _in_their_place(cause, again)
        case HeldByOthersError():
            return _in_their_place(error, again)
        case StoppedError(error=TakenOverError() as cause):
            return f"{errors.text(cause, again.invocation)}\n{columns([('traffic:', _NOT_KNOWN)])}"
        case StoppedError(error=cause, stands=stands):
            told_below = isinstance(cause, BackedOutError) or _is_told_by(cause, stands)
            told = (
                errors.without_advice(cause) if told_below else errors.text(cause, again.invocation)
            )
            return f"{told}\n{outcome.now(stands)}"
        case _:
            return errors.text(error, again.invocation)


def _is_told_by(cause: VpnMigrateError, stands: Standing) -> bool:
    return bool(cause.advice) and stands.next == stands.invocation.advise(cause.next_step)


def _in_their_place(error: HeldByOthersError, again: Again) -> str:
    """Return who works on it and how to take over; what they have done is not known here."""
    told = errors.text(error, again.invocation)
    if not error.holder or again.line is None:
        return told
    take_over = again.line.with_words(*option("--take-over", error.holder))
    rows: list[tuple[str, Advice]] = [("take over:", again.invocation.complete(take_over))]
    if isinstance(error, ClaimedError):
        rows.insert(0, ("traffic:", _NOT_KNOWN))
    return f"{told}\n{columns(rows)}"


def as_json(error: VpnMigrateError, again: Again, *, where: str) -> dict[str, Any]:
    """Give the same as a JSON document."""
    match error:
        case StoppedError(error=cause, stands=stands):
            if isinstance(cause, HeldByOthersError | TakenOverError):
                stands = stands.seen_from_aside
            told = errors.as_json(cause, where=where, invocation=again.invocation)
            told["error"]["exit"] = int(exit_code_of(error))
            return {**told, "run": fields(stands)}
        case _:
            return errors.as_json(error, where=where, invocation=again.invocation)


def exit_code_of(error: VpnMigrateError) -> Exit:
    """Give the exit code that *error* leaves the process with.

    What fails while traffic is down is not merely failed, whatever it is: a person must act now.
    """
    if not isinstance(error, StoppedError):
        return exit_code(error)
    code = exit_code(error.error)
    down = code is Exit.FAILED and error.stands.state.outage_open
    return Exit.STUCK if down else code
