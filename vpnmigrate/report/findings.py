"""Preflight findings for a reader: what was found, on what evidence, and how to mend it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vpnmigrate.model.plan import Finding, Severity
from vpnmigrate.report.words import wrapped


def text(findings: Sequence[Finding]) -> str:
    """Give findings as paragraphs, blockers first, in the order of their codes."""
    return "\n".join(_paragraph(finding) for finding in ordered(findings))


def ordered(findings: Sequence[Finding]) -> list[Finding]:
    """Sort blockers before warnings, then by code and evidence."""
    return sorted(findings, key=lambda f: (f.severity is not Severity.BLOCKS, f.code, f.evidence))


def as_json(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Give findings as JSON values."""
    return [
        {
            "code": finding.code,
            "name": finding.name,
            "severity": finding.severity.value,
            "evidence": finding.evidence,
            "fix": finding.fix,
        }
        for finding in ordered(findings)
    ]


def _paragraph(finding: Finding) -> str:
    sign = "BLOCKS" if finding.severity is Severity.BLOCKS else "warns"
    lines = [f"  {finding.code} {sign}: {finding.name}", wrapped(finding.evidence, first="    ")]
    if finding.fix:
        lines.append(wrapped(finding.fix, first="    Mend: ", rest="          "))
    return "\n".join(lines)
