"""Proposed change: what ``apply --step`` asks the operator about, and the answers."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from msgspec import Struct

from vpnmigrate.model.changes import AwsChange, Change
from vpnmigrate.model.changes.base import Request


class StepChoice(StrEnum):
    """What an operator can answer about a proposed change, as it is typed."""

    RUN = "run"
    WAIT = "wait"
    ROLL_BACK = "roll back"


class ProposedChange(Struct, frozen=True):
    """A change that is not sent yet: the step that proposes it, its call and its inverse."""

    step: int
    title: str
    change: AwsChange
    request: Request | None
    """The call; None if the change is no single call."""
    inverse: Change | None
    """The change of a rollback that undoes it; None if the plan has none."""
    outage: bool
    """Whether traffic is down already."""
    limit: timedelta | None = None
    """How long the run waits for an answer before it continues without one; None while traffic
    flows, where it is held instead."""
