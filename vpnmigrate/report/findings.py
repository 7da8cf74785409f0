"""Findings of preflight: what was found, the evidence, and the remedy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vpnmigrate.model.plan import Finding, Severity
from vpnmigrate.report.text import wrapped


def findings_text(findings: Sequence[Finding]) -> str:
    """Return findings as paragraphs, blockers first, in the order of their codes."""
    return "\n".join(_paragraph(finding) for finding in ordered_findings(findings))


def ordered_findings(findings: Sequence[Finding]) -> list[Finding]:
    """Return findings sorted: blockers first, then by code and evidence."""
    return sorted(findings, key=lambda f: (f.severity is not Severity.BLOCKS, f.code, f.evidence))


def findings_json(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Return findings as JSON values."""
    return [
        {
            "code": finding.code,
            "name": finding.name,
            "severity": finding.severity.value,
            "evidence": finding.evidence,
            "fix": finding.fix,
        }
        for finding in ordered_findings(findings)
    ]


def _paragraph(finding: Finding) -> str:
    sign = "BLOCKS" if finding.severity is Severity.BLOCKS else "warns"
    lines = [f"  {finding.code} {sign}: {finding.name}", wrapped(finding.evidence, first="    ")]
    if finding.fix:
        lines.append(wrapped(finding.fix, first="    What to do: ", rest=" " * 16))
    return "\n".join(lines)
