"""Health checks of ``doctor``: what was found, as text and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from msgspec import Struct

from vpnmigrate.model.errors.commands import Advice, Invocation, one_line
from vpnmigrate.report.text import advised, wrapped


class HealthVerdict(StrEnum):
    """Verdict of a health check."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"


class HealthCheck(Struct, frozen=True):
    """One result: what was observed, and what to do about it."""

    name: str
    verdict: HealthVerdict
    observed: str
    advice: Advice = ""


def healthy(checks: tuple[HealthCheck, ...]) -> bool:
    """Return whether no check failed or is unknown."""
    return all(check.verdict in {HealthVerdict.OK, HealthVerdict.WARN} for check in checks)


SCHEMA = "vpnmigrate/doctor/1"


def text(checks: Sequence[HealthCheck], bundle: str, invocation: Invocation) -> str:
    """Return one row per check, with the advice of those that are not in order.

    *bundle* is the file of the archive for support; empty if none was written.
    """
    width = max((len(check.name) for check in checks), default=0) + 2
    lines: list[str] = []
    for check in checks:
        lead = f"{check.verdict.value:<8}{check.name:<{width}}"
        lines.append(wrapped(check.observed, first=lead))
        if check.verdict is not HealthVerdict.OK and check.advice:
            lines.append(advised(invocation.advise(check.advice), first=" " * 8 + "-> "))
    lines.append("")
    lines.append(_summary(checks))
    if bundle:
        lines.append(
            wrapped(
                f"wrote {bundle}: status, plans, journals and logs, without pre-shared keys. It "
                "contains account and resource ids, names and addresses; read it before you send "
                "it."
            )
        )
    return "\n".join(lines)


def as_json(checks: Sequence[HealthCheck], bundle: str, invocation: Invocation) -> dict[str, Any]:
    """Return the same as a JSON document."""
    return {
        "schema": SCHEMA,
        "healthy": healthy(tuple(checks)),
        "bundle": bundle or None,
        "checks": [
            {
                "name": check.name,
                "verdict": check.verdict.value,
                "observed": check.observed,
                "next": one_line(invocation.advise(check.advice)),
            }
            for check in checks
        ],
    }


def _summary(checks: Sequence[HealthCheck]) -> str:
    counts = {
        verdict: sum(check.verdict is verdict for check in checks) for verdict in HealthVerdict
    }
    listed = ", ".join(f"{number} {verdict.value}" for verdict, number in counts.items() if number)
    return f"{listed}."
