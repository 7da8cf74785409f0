"""How a verb failed: what went wrong, and where the run stands now if it has one in hand."""

from __future__ import annotations

from typing import Any

from vpnmigrate.errors import Exit, VpnMigrateError, exit_code
from vpnmigrate.report import errors, outcome
from vpnmigrate.report.standing import Standing
from vpnmigrate.report.status import fields


class StoppedError(VpnMigrateError):
    """A run did not get where it was asked to go: *error* says why, *stands* where it is now."""

    def __init__(self, error: VpnMigrateError, stands: Standing) -> None:
        super().__init__(error.message, advice=error.advice)
        self.error = error
        self.stands = stands


def text(error: VpnMigrateError) -> str:
    """Give what happened; for a run also what is true of the traffic now, and both ways on."""
    match error:
        case StoppedError(error=cause, stands=stands):
            same = cause.advice == stands.next
            told = errors.without_advice(cause) if same else errors.text(cause)
            return f"{told}\n{outcome.now(stands)}"
        case _:
            return errors.text(error)


def as_json(error: VpnMigrateError, *, where: str) -> dict[str, Any]:
    """Give the same as a JSON document."""
    match error:
        case StoppedError(error=cause, stands=stands):
            return {**errors.as_json(cause, where=where), "run": fields(stands)}
        case _:
            return errors.as_json(error, where=where)


def exit_code_of(error: VpnMigrateError) -> Exit:
    """Give the exit code that *error* leaves the process with."""
    return exit_code(error.error if isinstance(error, StoppedError) else error)
