"""Candidates: which gateways of a Region can be migrated, and why not."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct

from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.ec2 import Tag
from vpnmigrate.model.plan import Finding, Severity
from vpnmigrate.model.survey import Survey
from vpnmigrate.planning.preflight import check, nothing_to_migrate


class Candidacy(StrEnum):
    """Whether a gateway can be migrated."""

    YES = "yes"
    NO = "no"
    """A finding blocks it."""
    NOT_NEEDED = "not-needed"
    """It has no Classic connection."""
    UNDER_WAY = "under-way"
    """A run has claimed it, or has created it."""


class Candidate(Struct, frozen=True):
    """A virtual private gateway, with the verdict of preflight."""

    survey: Survey
    candidacy: Candidacy
    why: tuple[str, ...] = ()
    """Why it cannot, or need not, be migrated."""
    findings: tuple[Finding, ...] = ()


def candidates(surveys: Iterable[Survey], decisions: Decisions) -> tuple[Candidate, ...]:
    """Return each surveyed gateway with its candidacy under *decisions*, in the same order."""
    return tuple(_candidate(survey, decisions) for survey in surveys)


def _candidate(survey: Survey, decisions: Decisions) -> Candidate:
    tags = survey.gateway.tags
    if holder := tags.get(Tag.CLAIM):
        return Candidate(survey, Candidacy.UNDER_WAY, (f"claimed by {holder}",))
    # The claim tag of the gateway that it replaces is removed when the migration ends.
    claimed = any(Tag.CLAIM in other.tags for other in survey.other_gateways)
    if claimed and (migration := tags.get(Tag.MIGRATION)):
        return Candidate(survey, Candidacy.UNDER_WAY, (f"created by migration {migration}",))
    if nothing := nothing_to_migrate(survey, decisions):
        return Candidate(survey, Candidacy.NOT_NEEDED, (nothing.why,))
    findings = check(survey, decisions)
    blocking = [each for each in findings if each.severity is Severity.BLOCKS]
    why_not = tuple(str(each) for each in blocking)
    return Candidate(survey, Candidacy.NO if blocking else Candidacy.YES, why_not, findings)
