"""Results of a campaign's plans and rehearsals, a row for each member, as text and JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from vpnmigrate.fleet.campaign import FleetMember
from vpnmigrate.model.clock import span
from vpnmigrate.model.errors.commands import Advice, Command, Invocation, cli, one_line
from vpnmigrate.report.fleet import MOST_COMMANDS, MOST_ROWS, more, more_commands
from vpnmigrate.report.text import advised, command, count, safe, wrapped

RESULTS_SCHEMA: Final = "vpnmigrate/fleet-results/1"


class FleetResult(StrEnum):
    """What a command did for a member."""

    DONE = "done"
    KEPT = "kept"
    """It was done before."""
    FAILED = "failed"


@dataclass(frozen=True)
class FleetRow:
    """The result of a command for one member."""

    member: FleetMember
    wave: str
    result: FleetResult
    file: Path
    """Its plan."""
    why: str = ""
    advice: Advice = ""
    warnings: int = 0
    """Findings of a new plan."""
    outage: timedelta | None = None
    """That of the rehearsal."""
    renewed_after: Command | None = None
    """What has to come before a new plan, because the plan of a staged run is kept."""


def results_text(
    verb: str, rows: Sequence[FleetRow], invocation: Invocation, following: Command | None
) -> str:
    """Return the failures with their reasons, and then how many members there are of each result.

    *verb* is what was done: ``planned`` or ``rehearsed``.
    """
    failed = [row for row in rows if row.result is FleetResult.FAILED]
    # What helps several members, such as making the plans that are missing, is named once.
    last = {one_line(row.advice): row for row in failed}
    parts = [
        _failure(row, invocation if last[one_line(row.advice)] is row else None) for row in failed
    ]
    lengths = [row.outage for row in rows if row.outage is not None]
    tally = Counter(row.result for row in rows)
    counts = (
        f"{tally[FleetResult.DONE]} {verb}",
        f"{tally[FleetResult.KEPT]} {verb} before",
        f"{tally[FleetResult.FAILED]} FAILED" if failed else "0 failed",
    )
    summary = [f"{count(len(rows), 'member')}: {', '.join(counts)}"]
    if lengths:
        summary.append(f"outages of {span(min(lengths))} to {span(max(lengths))} in the sandbox")
    if warned := [row for row in rows if row.warnings]:
        show = invocation.complete(cli("show", str(warned[0].file.absolute())))
        lead = "the first:" if len(warned) > 1 else "it:"
        summary.append(f"{count(len(warned), 'plan')} with warnings; to see those of {lead}")
        summary.append(command(show, first="  "))
    parts.append("\n".join(summary))
    parts += _kept(rows)
    if following is not None:
        parts[-1] += f"\nnext:\n{command(following, first='  ')}"
    return "\n\n".join(parts)


def _kept(rows: Sequence[FleetRow]) -> Iterator[str]:
    """Yield which files were restored, and how staged members get new plans."""
    kept = [row for row in rows if row.result is FleetResult.KEPT]
    if restored := [row.why for row in kept if row.why]:
        yield "\n".join([*map(wrapped, restored[:MOST_ROWS]), *more(restored)])
    staged = [row.renewed_after for row in kept if row.renewed_after is not None]
    if staged:
        lines = [command(each, first="  ") for each in staged[:MOST_COMMANDS]]
        yield "\n".join(
            [
                wrapped(
                    f"{count(len(staged), 'member')} staged, whose plan is kept; a new one needs a "
                    "rollback first, which interrupts nothing:"
                ),
                *lines,
                *more_commands(staged),
            ]
        )


def _failure(row: FleetRow, invocation: Invocation | None) -> str:
    """Return why *row* has failed; and its advice, with an *invocation* for it."""
    lines = [
        f"FAILED {row.member.id} ({row.wave}, {row.member.account} {row.member.region})",
        wrapped(row.why, first="  "),
    ]
    if row.advice and invocation is not None:
        lines.append(advised(invocation.advise(row.advice), first="  "))
    return "\n".join(lines)


def results_json(
    verb: str, rows: Sequence[FleetRow], invocation: Invocation, following: Command | None
) -> dict[str, Any]:
    """Return the same as a JSON document."""
    return {
        "schema": RESULTS_SCHEMA,
        "action": verb,
        "members": [
            {
                "id": row.member.id,
                "wave": row.wave,
                "account": row.member.account,
                "region": row.member.region,
                "gateway": row.member.gateway,
                "result": row.result.value,
                "file": str(row.file),
                "why": safe(row.why),
                "advice": one_line(invocation.advise(row.advice)),
                "warnings": row.warnings,
                "renewed_after": str(row.renewed_after or ""),
                "outage": None if row.outage is None else round(row.outage.total_seconds(), 3),
            }
            for row in rows
        ],
        "next": str(following or ""),
    }
