"""Errors for the operator: what happened, where, and the next command."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from vpnmigrate.journal.exit_code import exit_code, exit_code_of_bug
from vpnmigrate.model.errors import (
    ClaimedError,
    DriftError,
    HeldByOthersError,
    JournalDamagedError,
    PreflightError,
    RolledBackError,
    StepError,
    TakenOverError,
    VpnMigrateError,
)
from vpnmigrate.model.errors.commands import (
    Advice,
    Invocation,
    RepeatableCommand,
    cli,
    commands_in,
    one_line,
    option,
)
from vpnmigrate.model.plan import Finding
from vpnmigrate.model.survey import Survey
from vpnmigrate.report import findings, results
from vpnmigrate.report.names import NO_NAMES, Names, names_in
from vpnmigrate.report.status import RunStatusView
from vpnmigrate.report.status_json import fields
from vpnmigrate.report.text import advised, columns, command, item, placeholders, wrapped

SCHEMA = "vpnmigrate/error/1"

BUG = "VPM-E999"
"""The id of an unexpected exception."""


def error_text(error: VpnMigrateError, invocation: Invocation, names: Names = NO_NAMES) -> str:
    """Return the message, its details and the advice; never a traceback."""
    if not error.advice:
        return without_advice(error, names)
    advice = advised(invocation.advise(error.advice), first="  Next: ")
    lines = [without_advice(error, names), advice]
    if fill_in := placeholders(error.advice):
        lines.append(wrapped(fill_in, first=" " * len("  Next: ")))
    return "\n".join(lines)


def without_advice(error: VpnMigrateError, names: Names = NO_NAMES) -> str:
    """Return the message and its details, for use where the next command is shown elsewhere."""
    match error:
        case PreflightError(survey=Survey() as survey):
            names = names_in(survey)
        case _:
            pass  # The caller has the names of the run, or there is none.
    lines = [wrapped(names.text(error.message))]
    match error:
        case PreflightError():
            lines.append(findings.findings_text(_findings(error), names))
        case DriftError():
            lines.extend(item(names.text(each)) for each in error.differences)
        case _:
            pass  # The message is complete.
    lines.append(f"  Id:   {error.id}")
    return "\n".join(line for line in lines if line)


def error_json(error: VpnMigrateError, *, where: str, invocation: Invocation) -> dict[str, Any]:
    """Return the same as JSON; *where* is the command, unless the error has a better place."""
    advice = invocation.advise(error.advice)
    document: dict[str, Any] = {
        "id": error.id,
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
            pass  # The other errors have no further fields.
    return {"schema": SCHEMA, "error": document}


def bug(
    error: BaseException,
    *,
    kept: Path | None,
    invocation: Invocation,
    view: RunStatusView | None = None,
) -> str:
    """Return the report of an unexpected exception.

    *kept* is the file with its traceback, *view* the run that it has ended, if any.
    """
    lines = [
        f"This is a bug in vpnmigrate: {type(error).__name__}.",
        f"  Id:   {BUG}",
        item("every call sent to AWS is in the run's journal, and the run can be resumed"),
    ]
    if view is None:
        lines.append(item("to see the status of the runs:"))
        lines.append(command(invocation.complete(cli("status")), first="    "))
    if kept is not None:
        lines.append(item(f"please report it and attach: {kept}"))
    else:
        lines.append(item("its traceback could not be written to crash.log"))
    if view is not None:
        lines.append(results.now(view))
    return "\n".join(lines)


def bug_as_json(
    error: BaseException,
    *,
    kept: Path | None,
    invocation: Invocation,
    view: RunStatusView | None = None,
) -> dict[str, Any]:
    """Return the same as a JSON document."""
    document = {
        "id": BUG,
        "kind": "Bug",
        "what": f"this is a bug in vpnmigrate: {type(error).__name__}",
        "where": "" if kept is None else str(kept),
        "next": str(invocation.complete(cli("status"))),
        "exit": int(exit_code_of_bug(None if view is None else view.state)),
    }
    run = {} if view is None else {"run": fields(view)}
    return {"schema": SCHEMA, "error": document, **run}


def _findings(error: PreflightError) -> list[Finding]:
    return [finding for finding in error.findings if isinstance(finding, Finding)]


_NOT_KNOWN = "unknown here: ask the other operator, or check the AWS console"


class RunFailedError(VpnMigrateError):
    """A run failed or stopped early: *error* is the reason, *view* the state of the run now."""

    id = "VPM-E901"
    remedy = "See the id of the error that stopped the run."

    def __init__(self, error: VpnMigrateError, view: RunStatusView) -> None:
        super().__init__(error.message, advice=error.advice)
        self.error = error
        self.view = view


class RunBugError(Exception):
    """The work on a run was ended by an unexpected exception, its cause; *view* is the run now."""

    def __init__(self, view: RunStatusView) -> None:
        super().__init__("an unexpected exception ended the work on the run")
        self.view = view


def failure_text(error: VpnMigrateError, again: RepeatableCommand) -> str:
    """Return what happened; for a run also the traffic now and the commands for both directions."""
    if isinstance(error, RunFailedError):
        again = _in_region_of_plan(again, error.view)
    match error:
        case RunFailedError(error=HeldByOthersError() as cause):
            return _held_by_others(cause, again)
        case HeldByOthersError():
            return _held_by_others(error, again)
        case RunFailedError(error=TakenOverError() as cause):
            return f"{error_text(cause, again.invocation)}\n{columns([('traffic:', _NOT_KNOWN)])}"
        case RunFailedError(error=cause, view=view):
            below = isinstance(cause, RolledBackError) or _is_advised_by(cause, view)
            text = (
                without_advice(cause, view.names)
                if below
                else error_text(cause, again.invocation, view.names)
            )
            now = results.now(view, with_next=below or not commands_in(cause.advice))
            return f"{text}\n{now}"
        case _:
            return error_text(error, again.invocation)


def _in_region_of_plan(again: RepeatableCommand, view: RunStatusView) -> RepeatableCommand:
    """Return *again* for the Region of the run's plan: another one would be refused."""
    if view.plan is None or not again.invocation.region:
        return again
    return replace(again, invocation=replace(again.invocation, region=view.plan.region))


def _is_advised_by(cause: VpnMigrateError, view: RunStatusView) -> bool:
    """Return whether the status of the run shows what *cause* advises."""
    advice = view.invocation.advise(cause.advice)
    shows_task = view.when_done is not None and view.when_done in commands_in(advice)
    return bool(advice) and (advice == view.next or shows_task)


def _held_by_others(error: HeldByOthersError, again: RepeatableCommand) -> str:
    """Return who holds the run and how to take over; what they have done is unknown here."""
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
                view = view.for_other_operator
            again = _in_region_of_plan(again, error.view)
            document = error_json(cause, where=where, invocation=again.invocation)
            document["error"]["exit"] = int(exit_code(cause, error.view.state))
            return {**document, "run": fields(view)}
        case _:
            return error_json(error, where=where, invocation=again.invocation)
