"""Health checks: what ``doctor`` found on this machine and in the account."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from vpnmigrate.model.errors.commands import Advice


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
