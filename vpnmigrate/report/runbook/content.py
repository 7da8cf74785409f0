"""Runbook content: the change document as values.

Every text is plain; each view escapes it.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import Struct

from vpnmigrate.model.errors.commands import Invocation, aws, cli
from vpnmigrate.model.gates import Gate

SCHEMA = "vpnmigrate/runbook/1"

Fact = tuple[str, str]
"""A name and its value; an empty value is filled in by hand."""


@dataclass(frozen=True)
class PlanCommands:
    """Commands about a plan's file and its run, as lines to paste."""

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
    """A connection and the site behind it."""

    name: str
    device: str
    connection: str
    routing: str
    prefixes: tuple[str, ...]
    tunnels: str


class RouteTableImpact(Struct, frozen=True):
    """A route table and its role in the change."""

    name: str
    subnets: int
    part: str


class Impact(Struct, frozen=True):
    """What is affected, and for how long."""

    summary: tuple[str, ...]
    sites: tuple[Site, ...]
    tables: tuple[RouteTableImpact, ...]
    prefixes: tuple[str, ...]
    """Every on-premises network that is reached through the gateway."""


class RunbookCheck(Struct, frozen=True):
    """A check: *command* shows the state, *expected* is required to continue."""

    what: str
    command: str
    expected: str
    otherwise: str


class AcceptedWarning(Struct, frozen=True):
    """A finding of planning that the change board accepts."""

    finding: str
    evidence: str
    fix: str


class GateRow(Struct, frozen=True):
    """A gate that the program evaluates before it continues."""

    gate: Gate
    required: str
    otherwise: str
    force: str
    """Whether and how the gate can be forced."""


class RunbookRow(Struct, frozen=True):
    """One step: its command, expected output, limit, and what to do otherwise."""

    key: str
    """Key of the row: ``F8`` forward, ``B8`` rollback, ``R11`` finalize."""
    title: str
    at: str
    """Start time in the rehearsal: ``S+`` staging, ``T+`` from step 7, ``B+`` rollback."""
    command: str
    changes: tuple[str, ...]
    expected: tuple[str, ...]
    limit: str
    source: str
    otherwise: str
    inverse: str
    by_hand: tuple[str, ...]
    """Blocks of shell; between two of them the operator has a task."""


class RollbackRow(Struct, frozen=True):
    """Rollback from the end of a step, as rehearsed."""

    after: str
    changes: int
    restored: str
    outage: str


class PeopleMessage(Struct, frozen=True):
    """An announcement with placeholders."""

    moment: str
    to: str
    text: str


class FailureMode(Struct, frozen=True):
    """A known failure with its cause and remedy."""

    sign: str
    cause: str
    act: str


class EngineerBlock(Struct, frozen=True):
    """A block of commands at a device: when to begin, what the device shows then, what to say."""

    title: str
    signal: str
    duration: str
    checks: tuple[Fact, ...]
    after: str
    message: str


class EngineerPage(Struct, frozen=True):
    """What the engineer of one device does, in order; the commands are printed by *commands*."""

    site: str
    connection: str
    platform: str
    commands: str
    sealed: str
    """The command that encrypts them, with their keys, to the engineer."""
    blocks: tuple[EngineerBlock, ...]
    people: tuple[Fact, ...] = ()
    """The engineer and the conference bridge."""


@dataclass(frozen=True)
class FilledIn:
    """What the caller fills in: the change number, people by the start of their role, devices."""

    change: str = ""
    people: tuple[Fact, ...] = ()
    engineers: tuple[EngineerPage, ...] = ()


class Runbook(Struct, frozen=True, kw_only=True):
    """The whole document."""

    schema: str = SCHEMA
    title: str
    decision: tuple[Fact, ...] = ()
    """What GO or NO-GO is decided about."""
    signatures: tuple[Fact, ...] = ()
    """The roles that sign, with the names that are known."""
    cover: tuple[Fact, ...]
    people: tuple[Fact, ...]
    impact: Impact
    warnings: tuple[AcceptedWarning, ...]
    preconditions: tuple[str, ...]
    pre_checks: tuple[RunbookCheck, ...]
    gates: tuple[GateRow, ...]
    opening: str
    """The first block of shell, which every other block needs."""
    staging: tuple[RunbookRow, ...]
    cutover: tuple[RunbookRow, ...]
    tunnel_options: tuple[tuple[str, ...], ...] = ()
    """Each option old and new, as in the plan."""
    aside: tuple[str, str, str]
    """Commands for another terminal during the cutover: status, abort, confirm."""
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
    engineers: tuple[EngineerPage, ...] = ()
    """A page for the engineer of each device."""
