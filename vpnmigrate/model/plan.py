"""Plan: the survey, the decisions, and all changes derived from them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct, field

from vpnmigrate.model.changes import Change
from vpnmigrate.model.decisions import Decisions, DeviceDriver
from vpnmigrate.model.ec2 import (
    AccountId,
    MigrationId,
    Role,
    RouteTableId,
    RouteTableRecord,
    VpcId,
    VpnConnectionId,
    VpnGatewayId,
)
from vpnmigrate.model.snapshot import Baseline
from vpnmigrate.model.survey import Survey

PLAN_FORMAT = 2
"""Format 1 was never released."""

GATEWAY_ROLE = Role("gateway")

TEST_VPC_ROLE = Role("test-vpc")

TEST_SUBNET_ROLE = Role("test-subnet")


def connection_role(old: VpnConnectionId) -> Role:
    """Return the role of the connection that succeeds *old*."""
    return Role(f"connection/{old}")


def fingerprint_of(document: Mapping[str, Any]) -> str:
    """Return the fingerprint of a plan's decoded JSON, also of another version.

    It is the SHA-256 of the JSON with sorted keys, no spaces and an empty ``fingerprint``.
    """
    canonical = msgspec.json.encode({**document, "fingerprint": ""}, order="sorted")
    return sha256(canonical).hexdigest()


def has_fingerprint(compact: bytes, fingerprint: str) -> bool:
    """Return whether *fingerprint* is that of *compact*, the JSON without spaces, which states it.

    For JSON with keys in another order the result is False.
    """
    stated = b'"fingerprint":"%s"' % fingerprint.encode()
    return sha256(compact.replace(stated, b'"fingerprint":""', 1)).hexdigest() == fingerprint


class Phase(StrEnum):
    """Effect of a step on traffic: none, interruption, or permanent loss of the old path."""

    PREPARE = "prepare"
    CUTOVER = "cutover"
    FINALIZE = "finalize"
    CLEAN_UP = "clean-up"


LAST_OF_PREPARE = 6

FIRST_OF_CUTOVER = 7

LAST_OF_CUTOVER = 10
"""AWS's step numbers: the last step before the cutover, its first step and its last."""


class Severity(StrEnum):
    """Whether a finding blocks planning or only warns."""

    BLOCKS = "blocks"
    WARNS = "warns"


class Finding(Struct, frozen=True):
    """A result of a preflight check; the code VPM-Bnnn (blocks) or VPM-Wnnn (warns) is stable."""

    code: str
    name: str
    evidence: str
    fix: str

    @property
    def severity(self) -> Severity:
        """The severity, from the letter of the code."""
        return Severity.BLOCKS if self.code.startswith("VPM-B") else Severity.WARNS

    def __str__(self) -> str:
        return f"{self.code} {self.name}: {self.evidence}"


class PlannedStep(Struct, frozen=True):
    """A step with the changes it will make; ids may be role names."""

    number: int
    title: str
    phase: Phase
    changes: tuple[Change, ...] = ()
    limit: timedelta | None = None
    """Time after which the run reports that the step was not done; None in an earlier plan."""
    expected: timedelta | None = None
    """Expected duration; None if no source gives one, for example for the work of a person."""
    precondition: str = ""
    postcondition: str = ""
    inverse: tuple[Change, ...] = ()
    """Changes of the rollback that undo this step; empty outside ``forward``."""


class Outage(Struct, frozen=True):
    """The part of a forward migration in which on-premises traffic is down."""

    begins_in: int
    """Number of the step with the first interrupting change."""
    begins_with: Change
    ends_in: int
    """Number of the step whose goal is that traffic flows."""
    ends_when: str
    """The condition for that, as a sentence."""


class PlanAuthor(Struct, frozen=True):
    """The person who made a plan: their AWS identity, and their login name and host."""

    arn: str
    user: str
    host: str


class OutageEstimate(Struct, frozen=True):
    """Length of the outage of a cutover; the soak time is not part of it, traffic flows then."""

    expected: timedelta
    source: str
    """Where ``expected`` comes from: a rehearsal, or AWS's times."""
    worst: timedelta
    """After this time traffic flows, or the run has stopped and an operator has to act."""
    at_worst: str
    """What ``worst`` adds up, and what happens then."""


class Plan(Struct, frozen=True, kw_only=True, dict=True):
    """The plan of a migration.  Holds no secret; the fingerprint covers every other field.

    Derived values are used in every observation, so they are computed once.
    """

    format: int = PLAN_FORMAT
    tool: str
    migration: MigrationId
    made: datetime
    account: AccountId
    region: str
    playbook: str
    before: Survey
    decisions: Decisions
    programs: dict[str, str] = field(default_factory=dict)
    """Files that ``decisions`` names, each with the SHA-256 of its content.

    These are the program files of its commands, and the list of allowed signers.
    """
    author: PlanAuthor | None = None
    """None in a plan of an earlier version."""
    findings: tuple[Finding, ...] = ()
    """Warnings only: no plan is made while a finding blocks."""
    forward: tuple[PlannedStep, ...] = ()
    """Steps 1 to 10."""
    back: tuple[PlannedStep, ...] = ()
    """The rollback from the end of step 10, clean-up included."""
    finalize: tuple[PlannedStep, ...] = ()
    """Step 11; its point of no return is its first change."""
    outage: Outage | None = None
    fingerprint: str = ""
    """SHA-256 over the canonical JSON of this plan with an empty fingerprint."""

    @property
    def author_arn(self) -> str:
        """AWS identity of the author; empty if the plan does not name one."""
        return self.author.arn if self.author else ""

    @cached_property
    def vpc(self) -> VpcId:
        """The VPC whose gateway is replaced; preflight refuses a survey without one."""
        vpc = self.before.vpc
        if vpc is None:
            message = "a plan without an attached VPC cannot exist: preflight refuses it"
            raise AssertionError(message)
        return vpc.id

    @cached_property
    def old_gateway(self) -> VpnGatewayId:
        """The gateway attached to the VPC before the migration."""
        return self.before.gateway.id

    @cached_property
    def old_connections(self) -> tuple[VpnConnectionId, ...]:
        """The connections that get successors, in the survey's order."""
        return tuple(c.id for c in self.before.living)

    @cached_property
    def device_of(self) -> Mapping[VpnConnectionId, str]:
        """The customer gateway of each of these connections; empty if it has none."""
        return {c.id: c.customer_gateway or "" for c in self.before.living}

    def driver_of(self, old: VpnConnectionId) -> DeviceDriver:
        """Return what does the work at the device of *old*."""
        return self.decisions.driver_of(self.device_of[old])

    @property
    def by_hand(self) -> tuple[VpnConnectionId, ...]:
        """The connections whose devices need an engineer."""
        return tuple(old for old in self.old_connections if not self.driver_of(old).automatic)

    @property
    def is_driven(self) -> bool:
        """Whether a driver does the work at some device."""
        return len(self.by_hand) < len(self.old_connections)

    @cached_property
    def surveyed(self) -> frozenset[str]:
        """Every gateway, connection and VPC of the survey: none of them belongs to the run."""
        before = self.before
        return frozenset(
            resource.id
            for resources in (
                (before.gateway, *before.other_gateways),
                (*before.connections, *before.other_connections),
                before.vpcs,
            )
            for resource in resources
        )

    @cached_property
    def propagating_tables(self) -> tuple[RouteTableRecord, ...]:
        """The tables with propagation from the old gateway before the migration."""
        return tuple(t for t in self.before.route_tables if self.old_gateway in t.propagating)

    @cached_property
    def propagated_before(self) -> Mapping[RouteTableId, tuple[str, ...]]:
        """The destinations propagated into each table from the old gateway, sorted."""
        old = self.old_gateway
        return {t.id: tuple(sorted(t.propagated_from(old))) for t in self.before.route_tables}

    @cached_property
    def recorded_baseline(self) -> Baseline:
        """The baseline from the before-survey, for a run whose journal has none."""
        return Baseline(
            taken=self.before.taken,
            tunnels_up={c.id: sum(t.up for t in c.telemetry) for c in self.before.living},
            propagated={t.id: t.propagated_from(self.old_gateway) for t in self.propagating_tables},
            accepted={c.id: c.accepted_routes for c in self.before.living},
        )

    @cached_property
    def most_accepted_routes(self) -> int:
        """The most routes that a tunnel accepted before the migration, at least one."""
        return max((1, *(n for c in self.before.living for n in c.accepted_routes)))

    @cached_property
    def edge_tables(self) -> tuple[RouteTableRecord, ...]:
        """The edge tables of the old gateway before the migration."""
        return tuple(t for t in self.before.route_tables if t.edge_of(self.old_gateway))


class Direction(StrEnum):
    """Direction of an attempt."""

    FORWARD = "forward"
    ROLLBACK = "rollback"
    FINALIZE = "finalize"
