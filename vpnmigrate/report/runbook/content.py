"""Runbook content: the change document as values.

Every text is plain: what a view has to escape, it escapes.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import Struct

from vpnmigrate.commands import Invocation, aws, cli
from vpnmigrate.model.gates import Gate

SCHEMA = "vpnmigrate/runbook/1"

Fact = tuple[str, str]
"""A name and its value; an empty value is for a person to fill in."""


@dataclass(frozen=True)
class PlanCommands:
    """The commands about a plan's file and its run, each as a line to paste."""

    plan: str
    """The plan's file."""
    migration: str
    invocation: Invocation

    def file(self, verb: str, *words: str) -> str:
        """Return the command *verb* about the plan's file."""
        return str(self.invocation.complete(cli(verb, self.plan, *words)))

    def run(self, verb: str, *words: str) -> str:
        """Return the command *verb* about the run."""
        return str(self.invocation.complete(cli(verb, self.migration, *words)))

    def aws(self, *words: str) -> str:
        """Return a command of the AWS CLI."""
        return str(self.invocation.complete(aws(*words)))


class Site(Struct, frozen=True):
    """A connection and the place behind it, in the words of whoever works there."""

    name: str
    device: str
    connection: str
    routing: str
    prefixes: tuple[str, ...]
    tunnels: str


class RouteTableImpact(Struct, frozen=True):
    """A route table and its part in the change."""

    name: str
    subnets: int
    part: str


class Impact(Struct, frozen=True):
    """Who notices what, and for how long."""

    summary: tuple[str, ...]
    sites: tuple[Site, ...]
    tables: tuple[RouteTableImpact, ...]
    prefixes: tuple[str, ...]
    """Everything on premises that is reached through the gateway."""


class RunbookCheck(Struct, frozen=True):
    """Something to look at: *command* shows it, *expected* is what lets the change go on."""

    what: str
    command: str
    expected: str
    otherwise: str


class AcceptedWarning(Struct, frozen=True):
    """A finding of planning that a board accepts."""

    finding: str
    evidence: str
    fix: str


class GateRow(Struct, frozen=True):
    """A gate that the program itself asks before it goes on."""

    gate: Gate
    required: str
    otherwise: str
    force: str
    """Whether one person may go on all the same, and how."""


class RunbookRow(Struct, frozen=True):
    """One step: what is typed, what is seen, how long at most, and what if not."""

    key: str
    """Names the row: ``F8`` forward, ``B8`` back, ``R11`` finalize."""
    title: str
    at: str
    """When it begins by the rehearsal: ``S+`` staging, ``T+`` from step 7, ``B+`` going back."""
    command: str
    changes: tuple[str, ...]
    expected: tuple[str, ...]
    limit: str
    source: str
    otherwise: str
    inverse: str
    by_hand: tuple[str, ...]
    """Shell, a block at a time; between two of them a person has something to finish."""


class RollbackRow(Struct, frozen=True):
    """The way back from the end of a step, as rehearsed."""

    after: str
    changes: int
    restored: str
    outage: str


class PeopleMessage(Struct, frozen=True):
    """Something to be told to people, with holes."""

    moment: str
    to: str
    text: str


class FailureMode(Struct, frozen=True):
    """A known way to fail."""

    sign: str
    cause: str
    act: str


class Runbook(Struct, frozen=True, kw_only=True):
    """The whole document."""

    schema: str = SCHEMA
    title: str
    cover: tuple[Fact, ...]
    people: tuple[Fact, ...]
    impact: Impact
    warnings: tuple[AcceptedWarning, ...]
    preconditions: tuple[str, ...]
    pre_checks: tuple[RunbookCheck, ...]
    gates: tuple[GateRow, ...]
    opening: str
    """Shell that comes before any block by hand."""
    staging: tuple[RunbookRow, ...]
    cutover: tuple[RunbookRow, ...]
    aside: tuple[str, str, str]
    """Commands for another terminal meanwhile: to look, to turn back, to confirm."""
    deadline: tuple[Fact, ...]
    returns: tuple[RollbackRow, ...]
    back: tuple[RunbookRow, ...]
    stuck: tuple[RunbookCheck, ...]
    post_checks: tuple[RunbookCheck, ...]
    messages: tuple[PeopleMessage, ...]
    finalize_first: tuple[str, ...]
    finalize_gates: tuple[GateRow, ...]
    finalize: tuple[RunbookRow, ...]
    failures: tuple[FailureMode, ...]
