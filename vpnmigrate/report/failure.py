"""How a verb failed: what went wrong, and where the run stands now if it has one in hand."""

from __future__ import annotations

from typing import Any

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
        super().__init__(error.message, advice=error.advice)
        self.error = error
        self.stands = stands


def text(error: VpnMigrateError, *, line: str) -> str:
    """Give what happened; for a run also what is true of the traffic now, and both ways on.

    *line* is the command line that failed.
    """
    match error:
        case StoppedError(error=HeldByOthersError() as cause):
            return _in_their_place(cause, line)
        case HeldByOthersError():
            return _in_their_place(error, line)
        case StoppedError(error=TakenOverError() as cause):
            return f"{errors.text(cause)}\n{columns([('traffic:', _NOT_KNOWN)])}"
        case StoppedError(error=cause, stands=stands):
            told_below = isinstance(cause, BackedOutError) or _is_told_by(cause, stands)
            told = errors.without_advice(cause) if told_below else errors.text(cause)
            return f"{told}\n{outcome.now(stands)}"
        case _:
            return errors.text(error)


def _is_told_by(cause: VpnMigrateError, stands: Standing) -> bool:
    return bool(cause.advice) and stands.next.startswith(cause.advice)


def _in_their_place(error: HeldByOthersError, line: str) -> str:
    """Give who works on it and how to take their place; what they have done is not known here."""
    if not error.holder:
        return errors.text(error)
    take_over = f"{line} --take-over {error.holder}"
    rows = [("take over:", take_over)]
    if isinstance(error, ClaimedError):
        rows.insert(0, ("traffic:", _NOT_KNOWN))
    return f"{errors.text(error)}\n{columns(rows)}"


def as_json(error: VpnMigrateError, *, where: str) -> dict[str, Any]:
    """Give the same as a JSON document."""
    match error:
        case StoppedError(error=cause, stands=stands):
            if isinstance(cause, HeldByOthersError | TakenOverError):
                stands = stands.seen_from_aside
            told = errors.as_json(cause, where=where)
            told["error"]["exit"] = int(exit_code_of(error))
            return {**told, "run": fields(stands)}
        case _:
            return errors.as_json(error, where=where)


def exit_code_of(error: VpnMigrateError) -> Exit:
    """Give the exit code that *error* leaves the process with.

    What fails while traffic is down is not merely failed, whatever it is: a person must act now.
    """
    if not isinstance(error, StoppedError):
        return exit_code(error)
    code = exit_code(error.error)
    down = code is Exit.FAILED and error.stands.state.outage_open
    return Exit.STUCK if down else code
