"""Findings of preflight: what was found, the evidence, and the remedy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vpnmigrate.model.plan import Finding, Severity
from vpnmigrate.report.names import Names
from vpnmigrate.report.text import wrapped


def findings_text(findings: Sequence[Finding], names: Names) -> str:
    """Return findings as paragraphs, blockers first, in the order of their codes."""
    return "\n".join(_paragraph(finding, names) for finding in ordered_findings(findings))


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


def _paragraph(finding: Finding, names: Names) -> str:
    sign = "BLOCKS" if finding.severity is Severity.BLOCKS else "warns"
    evidence = wrapped(names.text(finding.evidence), first="    ")
    lines = [f"  {finding.code} {sign}: {finding.name}", evidence]
    if finding.fix:
        lines.append(wrapped(names.text(finding.fix), first="    What to do: ", rest=" " * 16))
    return "\n".join(lines)
