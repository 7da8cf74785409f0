"""Measured outages: the section of a rehearsal's report about the cost of faults."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from vpnmigrate.rehearsal.outages import FAILED_CALLS, WAITS, OutageMeasurement
from vpnmigrate.report.text import heading, item, wrapped


def outages_text(measured: Sequence[OutageMeasurement]) -> str:
    """Return a table with the longest outage of each run, and each one that is too long."""
    waits = ", ".join(f"{wait.total_seconds():.0f}" for wait in WAITS)
    intro = wrapped(
        f"Seconds without traffic, with the ratio to the unavoidable time, which is that of the "
        f"same run undisturbed when no reading can be stale. Runs begin {waits} s after the step "
        f"before; in others, {FAILED_CALLS} calls of an operation fail (answered 503, refused, or "
        "carried out with the answer lost). Each column has the longest.",
        first="  ",
    )
    fails = f"{FAILED_CALLS} calls fail"
    rows = [f"  {'run':<24}{'unavoidable':>11}{'begun':>17}{fails:>17}"]
    for run, group in groupby(measured, lambda each: each.run):
        rows.append(_row(run, list(group)))
    long = [item(_too_long(each)) for each in measured if not each.good]
    return "\n\n".join(filter(None, (heading("Outages") + intro, "\n".join(rows), "\n".join(long))))


def outages_json(measured: Iterable[OutageMeasurement]) -> list[dict[str, Any]]:
    """Return every measurement as a part of a JSON document."""
    return [
        {
            "run": each.run,
            "begun_after": each.wait.total_seconds(),
            "failed_calls": (
                {"operation": each.failed.operation, "how": str(each.failed.how)}
                if each.failed
                else None
            ),
            "outage": round(each.outage.total_seconds(), 3),
            "unavoidable": round(each.unavoidable.total_seconds(), 3),
            "ratio": round(each.ratio, 3),
            "allowed": round(each.allowed.total_seconds(), 3),
            "good": each.good,
        }
        for each in measured
    ]


def _row(run: str, group: Sequence[OutageMeasurement]) -> str:
    begun = max((each for each in group if not each.failed), key=_length)
    failed = max((each for each in group if each.failed), key=_length, default=None)
    unavoidable = f"{begun.unavoidable.total_seconds():.1f}"
    with_failures = _figure(failed) if failed else "-"
    return f"  {run:<24}{unavoidable:>11}{_figure(begun):>17}{with_failures:>17}"


def _length(each: OutageMeasurement) -> float:
    return each.outage.total_seconds()


def _figure(each: OutageMeasurement) -> str:
    return f"{each.outage.total_seconds():.1f} ({each.ratio:.2f})"


def _too_long(each: OutageMeasurement) -> str:
    when = f"begun after {each.wait.total_seconds():.0f} s"
    why = f"{FAILED_CALLS} calls {each.failed}" if each.failed else when
    return (
        f"TOO LONG: {each.run}, {why}: {each.outage.total_seconds():.1f} s, "
        f"{each.allowed.total_seconds():.1f} s allowed"
    )
