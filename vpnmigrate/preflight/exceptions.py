"""Checks that every exception names something real: a misspelt one would excuse nothing."""

from __future__ import annotations

from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.plan import Finding
from vpnmigrate.model.survey import Survey
from vpnmigrate.preflight.base import Findings, listed
from vpnmigrate.preflight.networks import network, on_premises


def excepted_connections_exist(survey: Survey, decisions: Decisions) -> Findings:
    """Exceptions name old connections."""
    living = {c.id for c in survey.living}
    unknown = [c for c in decisions.exceptions.connections if c not in living]
    if unknown:
        yield Finding(
            "VPM-B801",
            "exception-unknown-connection",
            f"exceptions.connections names {listed(unknown)}, not on {survey.gateway.id}",
            f"Name old connections: {listed(sorted(living))}.",
        )


def excepted_prefixes_are_canonical(survey: Survey, decisions: Decisions) -> Findings:
    """Exceptions name prefixes as EC2 writes them, and had better be known ones."""
    seen = {text for text, _ in on_premises(survey)}
    for prefix in decisions.exceptions.prefixes:
        parsed = network(prefix)
        if parsed is None or str(parsed) != prefix:
            yield Finding(
                "VPM-B802",
                "exception-not-canonical",
                f"exceptions.prefixes: {prefix} is not how EC2 writes a network",
                f"Write {parsed}." if parsed else "Write a network, for example 10.20.0.0/16.",
            )
        elif prefix not in seen:
            yield Finding(
                "VPM-W801",
                "exception-unseen-prefix",
                f"exceptions.prefixes: {prefix} is not behind {survey.gateway.id} now",
                "Check its spelling; step 10 asks for every prefix of the last look before step 7.",
            )
