"""Errors for the operator: what happened, where, and the next command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vpnmigrate.commands import Advice, Command, Invocation, cli, commands_in, one_line, option
from vpnmigrate.errors import (
    ClaimedError,
    DriftError,
    Exit,
    HeldByOthersError,
    JournalDamagedError,
    PreflightError,
    RolledBackError,
    StepError,
    TakenOverError,
    VpnMigrateError,
)
from vpnmigrate.journal.exit_code import exit_code
from vpnmigrate.model.plan import Finding
from vpnmigrate.report import findings, results
from vpnmigrate.report.status import RunStatusView, fields
from vpnmigrate.report.text import advised, columns, command, item, wrapped

SCHEMA = "vpnmigrate/error/1"


def error_text(error: VpnMigrateError, invocation: Invocation) -> str:
    """Return the message, its particulars, and the advice; never a traceback."""
    if not error.advice:
        return without_advice(error)
    advice = advised(invocation.advise(error.next_step), first="  Next: ")
    return "\n".join([without_advice(error), advice])


def without_advice(error: VpnMigrateError) -> str:
    """Return the message and its particulars, where what comes next is told elsewhere."""
    lines = [wrapped(error.message)]
    match error:
        case PreflightError():
            lines.append(findings.findings_text(_findings(error)))
        case DriftError():
            lines.extend(item(difference) for difference in error.differences)
        case _:
            pass  # the message says it all
    return "\n".join(line for line in lines if line)


def error_json(error: VpnMigrateError, *, where: str, invocation: Invocation) -> dict[str, Any]:
    """Return the same as a JSON document; *where* is the command, unless the error knows better."""
    advice = invocation.advise(error.next_step)
    document: dict[str, Any] = {
        "kind": type(error).__name__.removesuffix("Error"),
        "what": error.message,
        "where": where,
        "next": one_line(advice),
        "commands": [str(command) for command in commands_in(advice)],
        "exit": int(exit_code(error)),
    }
    match error:
        case PreflightError():
            document["findings"] = findings.findings_json(_findings(error))
        case DriftError():
            document["differences"] = list(error.differences)
        case StepError():
            document["where"] = f"step {error.step}"
            document["outage"] = error.outage
        case JournalDamagedError():
            document["where"] = f"line {error.line} of the journal"
        case _:
            pass  # nothing to add
    return {"schema": SCHEMA, "error": document}


def bug(error: BaseException, *, kept: Path | None, invocation: Invocation) -> str:
    """Admit that the program itself is wrong; *kept* is the file with the traceback."""
    lines = [
        f"This is a bug in vpnmigrate: {type(error).__name__}.",
        item("what was sent to AWS is in the run's journal, and the run can be resumed"),
        item("where runs stand:"),
        command(invocation.complete(cli("status")), first="    "),
    ]
    if kept is not None:
        lines.append(item(f"please report it with: {kept}"))
    return "\n".join(lines)


def bug_as_json(
    error: BaseException, *, kept: Path | None, invocation: Invocation
) -> dict[str, Any]:
    """Return the same as a JSON document."""
    document = {
        "kind": "Bug",
        "what": f"this is a bug in vpnmigrate: {type(error).__name__}",
        "where": "" if kept is None else str(kept),
        "next": str(invocation.complete(cli("status"))),
        "exit": int(Exit.FAILED),
    }
    return {"schema": SCHEMA, "error": document}


def _findings(error: PreflightError) -> list[Finding]:
    return [finding for finding in error.findings if isinstance(finding, Finding)]


_NOT_KNOWN = "not known here: ask them, or look at AWS"


class RunFailedError(VpnMigrateError):
    """A run did not get where it was asked to go: *error* says why, *stands* where it is now."""

    def __init__(self, error: VpnMigrateError, view: RunStatusView) -> None:
        super().__init__(error.message, advice=error.next_step)
        self.error = error
        self.view = view


@dataclass(frozen=True)
class RepeatableCommand:
    """How to run the command that failed again, in a new terminal."""

    invocation: Invocation
    line: Command | None = None
    """The command line, without what *invocation* holds; None where it could not be read."""


def failure_text(error: VpnMigrateError, again: RepeatableCommand) -> str:
    """Return what happened; for a run also the state of traffic now, and both ways on."""
    match error:
        case RunFailedError(error=HeldByOthersError() as cause):
            return _in_their_place(cause, again)
        case HeldByOthersError():
            return _in_their_place(error, again)
        case RunFailedError(error=TakenOverError() as cause):
            return f"{error_text(cause, again.invocation)}\n{columns([('traffic:', _NOT_KNOWN)])}"
        case RunFailedError(error=cause, view=view):
            told_below = isinstance(cause, RolledBackError) or _is_told_by(cause, view)
            text = without_advice(cause) if told_below else error_text(cause, again.invocation)
            return f"{text}\n{results.now(view)}"
        case _:
            return error_text(error, again.invocation)


def _is_told_by(cause: VpnMigrateError, view: RunStatusView) -> bool:
    return bool(cause.advice) and view.next == view.invocation.advise(cause.next_step)


def _in_their_place(error: HeldByOthersError, again: RepeatableCommand) -> str:
    """Return who works on it and how to take over; what they have done is not known here."""
    text = error_text(error, again.invocation)
    if not error.holder or again.line is None:
        return text
    take_over = again.line.with_words(*option("--take-over", error.holder))
    rows: list[tuple[str, Advice]] = [("take over:", again.invocation.complete(take_over))]
    if isinstance(error, ClaimedError):
        rows.insert(0, ("traffic:", _NOT_KNOWN))
    return f"{text}\n{columns(rows)}"


def failure_json(error: VpnMigrateError, again: RepeatableCommand, *, where: str) -> dict[str, Any]:
    """Return the same as a JSON document."""
    match error:
        case RunFailedError(error=cause, view=view):
            if isinstance(cause, HeldByOthersError | TakenOverError):
                view = view.seen_from_aside
            document = error_json(cause, where=where, invocation=again.invocation)
            document["error"]["exit"] = int(exit_code(cause, error.view.state))
            return {**document, "run": fields(view)}
        case _:
            return error_json(error, where=where, invocation=again.invocation)
