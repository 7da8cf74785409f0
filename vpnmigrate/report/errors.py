"""What went wrong, for a reader at three in the morning: what, where, and what to do next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vpnmigrate.commands import Invocation, cli, commands_in, one_line
from vpnmigrate.errors import (
    DriftError,
    Exit,
    JournalDamagedError,
    PreflightError,
    StepError,
    VpnMigrateError,
    exit_code,
)
from vpnmigrate.model.plan import Finding
from vpnmigrate.report import findings
from vpnmigrate.report.words import advised, command, item, wrapped

SCHEMA = "vpnmigrate/error/1"


def text(error: VpnMigrateError, invocation: Invocation) -> str:
    """Return the message, its particulars, and the advice; never a traceback."""
    if not error.advice:
        return without_advice(error)
    advice = advised(invocation.advise(error.next_step), first="  Next: ")
    return "\n".join([without_advice(error), advice])


def without_advice(error: VpnMigrateError) -> str:
    """Give the message and its particulars, where what comes next is told elsewhere."""
    lines = [wrapped(error.message)]
    match error:
        case PreflightError():
            lines.append(findings.text(_findings(error)))
        case DriftError():
            lines.extend(item(difference) for difference in error.differences)
        case _:
            pass  # the message says it all
    return "\n".join(line for line in lines if line)


def as_json(error: VpnMigrateError, *, where: str, invocation: Invocation) -> dict[str, Any]:
    """Give the same as a JSON document; *where* is the command, unless the error knows better."""
    advice = invocation.advise(error.next_step)
    told: dict[str, Any] = {
        "kind": type(error).__name__.removesuffix("Error"),
        "what": error.message,
        "where": where,
        "next": one_line(advice),
        "commands": [str(command) for command in commands_in(advice)],
        "exit": int(exit_code(error)),
    }
    match error:
        case PreflightError():
            told["findings"] = findings.as_json(_findings(error))
        case DriftError():
            told["differences"] = list(error.differences)
        case StepError():
            told["where"] = f"step {error.step}"
            told["outage"] = error.outage
        case JournalDamagedError():
            told["where"] = f"line {error.line} of the journal"
        case _:
            pass  # nothing to add
    return {"schema": SCHEMA, "error": told}


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
    """Give the same as a JSON document."""
    told = {
        "kind": "Bug",
        "what": f"this is a bug in vpnmigrate: {type(error).__name__}",
        "where": "" if kept is None else str(kept),
        "next": str(invocation.complete(cli("status"))),
        "exit": int(Exit.FAILED),
    }
    return {"schema": SCHEMA, "error": told}


def _findings(error: PreflightError) -> list[Finding]:
    return [finding for finding in error.findings if isinstance(finding, Finding)]
