"""Plan: the survey, the decisions, and every change that follows from both."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from functools import cached_property

from msgspec import Struct, field

from vpnmigrate.model.changes import Change
from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.ec2 import (
    AccountId,
    MigrationId,
    Role,
    RouteTableRecord,
    VpcId,
    VpnConnectionId,
    VpnGatewayId,
)
from vpnmigrate.model.survey import Survey

PLAN_FORMAT = 2
"""Format 1 was never released."""

GATEWAY_ROLE = Role("gateway")

TEST_VPC_ROLE = Role("test-vpc")

TEST_SUBNET_ROLE = Role("test-subnet")


def connection_role(old: VpnConnectionId) -> Role:
    """Name the role of the connection that succeeds *old*."""
    return Role(f"connection/{old}")


class Phase(StrEnum):
    """What a step may do to traffic: nothing, interrupt it, or make the old path impossible."""

    PREPARE = "prepare"
    CUTOVER = "cutover"
    FINALIZE = "finalize"
    CLEAN_UP = "clean-up"


LAST_OF_PREPARE = 6

FIRST_OF_CUTOVER = 7

LAST_OF_CUTOVER = 10
"""AWS's numbers of the last step before, and of those that touch traffic."""


class Severity(StrEnum):
    """Whether a finding forbids planning or only warns."""

    BLOCKS = "blocks"
    WARNS = "warns"


class Finding(Struct, frozen=True):
    """A preflight check's result.  ``code`` is VPM-Bnnn (blocks) or VPM-Wnnn (warns), stable."""

    code: str
    name: str
    evidence: str
    fix: str

    @property
    def severity(self) -> Severity:
        """Read from the code's letter."""
        return Severity.BLOCKS if self.code.startswith("VPM-B") else Severity.WARNS


class PlannedStep(Struct, frozen=True):
    """A step with the changes it will make; ids may be role names."""

    number: int
    title: str
    phase: Phase
    changes: tuple[Change, ...] = ()


class Outage(Struct, frozen=True):
    """The part of the way forward in which on-premises traffic is down."""

    begins_in: int
    """Number of the step with the first interrupting change."""
    begins_with: Change
    ends_in: int
    """Number of the step whose goal is that traffic flows."""
    ends_when: str
    """What has to be seen for that, a sentence."""


class Plan(Struct, frozen=True, kw_only=True, dict=True):
    """A migration, decided.  Holds no secret; the fingerprint covers every other field.

    What follows from the fields is asked for at every look, and worked out once.
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
    """Files that the commands of *decisions* run, each with the SHA-256 of its content."""
    findings: tuple[Finding, ...] = ()
    """Warnings only: a plan with a blocker is never made."""
    forward: tuple[PlannedStep, ...] = ()
    """Steps 1 to 10."""
    back: tuple[PlannedStep, ...] = ()
    """The way back from the end of step 10, clean-up included."""
    finalize: tuple[PlannedStep, ...] = ()
    """Step 11; its point of no return is its first change."""
    outage: Outage | None = None
    fingerprint: str = ""
    """SHA-256 over the canonical JSON of this plan with an empty fingerprint."""

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
        """The gateway that is on the VPC before."""
        return self.before.gateway.id

    @cached_property
    def old_connections(self) -> tuple[VpnConnectionId, ...]:
        """The connections that get successors, sorted."""
        return tuple(c.id for c in self.before.living)

    @cached_property
    def surveyed(self) -> frozenset[str]:
        """Every gateway, connection and VPC that was there before: none of them is a run's own."""
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
        """The tables that took up the old gateway's routes before."""
        return tuple(t for t in self.before.route_tables if self.old_gateway in t.propagating)

    @cached_property
    def edge_tables(self) -> tuple[RouteTableRecord, ...]:
        """The tables that were associated with the old gateway before."""
        return tuple(t for t in self.before.route_tables if t.edge_of(self.old_gateway))


class Direction(StrEnum):
    """Which way an attempt is going."""

    FORWARD = "forward"
    ROLLBACK = "rollback"
    FINALIZE = "finalize"
