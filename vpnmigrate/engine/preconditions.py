"""Preconditions: account, drift and claims, checked before a run acts.

A claim warns and stops a second operator.  It is not a lock, because EC2 does not enforce it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from msgspec import Struct

from vpnmigrate.engine.context import RunContext
from vpnmigrate.engine.gates import host
from vpnmigrate.engine.ports import Identity
from vpnmigrate.journal.records import Noted
from vpnmigrate.model.decisions import DirectConnectAssumption
from vpnmigrate.model.ec2 import ResourceState, Tag, VpnGatewayId
from vpnmigrate.model.errors import (
    AwsError,
    AwsUnreadableError,
    ClaimedError,
    DriftError,
    WrongAccountError,
)
from vpnmigrate.model.errors.commands import Advice, aws, cli
from vpnmigrate.model.facts import ABSENT, Claim, Value
from vpnmigrate.model.gates import GateVerdict
from vpnmigrate.model.plan import GATEWAY_ROLE, Direction, Plan
from vpnmigrate.model.snapshot import Ownership, snapshot_of
from vpnmigrate.model.survey import Survey
from vpnmigrate.planning.drift import differences, drift
from vpnmigrate.planning.ownership import ownership_of
from vpnmigrate.planning.planner import unexpected


class Changed(Struct, frozen=True):
    """The differences between AWS and the plan's survey after a rollback."""

    differs: tuple[str, ...] = ()
    unproven: bool = False
    """Whether it is unproven that the old gateway and its connections are as before."""


class Preconditions:
    """The checks before the first change of a process, and again before step 7."""

    def __init__(self, context: RunContext) -> None:
        self._plan = context.plan
        self._ec2 = context.ec2
        self._recorder = context.recorder
        self._claim_holder = context.claim_holder
        self._journal_lost = context.journal_lost

    def require_account(self, direction: Direction) -> None:
        """Refuse an account that is not the plan's.

        A rollback does not wait for STS, nor does a run whose traffic is down, or may be because
        its journal is lost: the ids of the old resources exist in no other account.

        Raises:
            WrongAccountError: The account is another one.
            AwsError: The account is unknown, and traffic has not been interrupted yet.
        """
        try:
            identity = self._ec2.identity()
        except AwsUnreadableError as error:
            may_be_down = self._recorder.cutover_is_open or self._journal_lost
            if direction is not Direction.ROLLBACK and not may_be_down:
                raise
            self._recorder.write(Noted(f"the account could not be checked: {error.message}"))
            return
        require_account(self._plan, identity.account, identity.arn)
        if direction is Direction.ROLLBACK:
            self._warn_of_clock(identity)

    def _warn_of_clock(self, identity: Identity) -> None:
        """Record a wrong clock before a rollback, which starts with any clock."""
        result = host.clock(identity)
        if result.verdict is not GateVerdict.FAIL:
            return
        self._recorder.write(
            Noted(
                f"this machine's clock differs from AWS's ({result.observed}), and AWS refuses "
                f"calls signed with such a difference; the rollback continues: {result.advice}"
            )
        )

    def require_no_foreign_claim(self) -> None:
        """Refuse to start on a gateway that another run migrates.

        EC2 shows a deleted gateway with its tags for a while; its claim does not count.

        Raises:
            ClaimedError: The claim of another run is on it.
        """
        try:
            reading = self._ec2.observe(self._plan)
        except AwsUnreadableError:
            return  # Step 1 observes again, with retries, and blocks on a foreign claim as well.
        old, now = self._plan.old_gateway, snapshot_of(reading, Ownership())
        if now.state(old) in (ResourceState.DELETING, ResourceState.ABSENT):
            return
        claim = claim_of(
            now.value(Claim(old)), self._claim_holder.holder, self._claim_holder.takes_over_from
        )
        require_not_foreign(claim, old)

    def require_unchanged(self) -> None:
        """Refuse an AWS configuration that has changed since planning.

        Raises:
            DriftError: It has changed; the error lists every difference, field by field.
            AwsError: It could not be read.
        """
        survey = self._ec2.survey(self._plan.old_gateway)
        require_unchanged(self._plan, survey)
        require_direct_connect_known(self._plan, survey)

    def record_external_changes(self, direction: Direction) -> Changed:
        """Record external changes, field by field, as far as AWS can be read.

        After a rollback, AWS is compared with the plan's survey and the differences are returned;
        after a migration, it is compared with the plan's prediction.
        """
        plan = self._plan
        if direction is Direction.FINALIZE:
            return Changed()
        try:
            if direction is Direction.FORWARD:
                self._record(self._unexpected())
                return Changed()
            survey = self._ec2.survey(plan.old_gateway)
        except AwsError as error:
            self._recorder.write(Noted(f"external changes could not be read: {error.message}"))
            why = f"AWS could not be compared with the state before: {error.message}"
            return Changed((why,), unproven=True) if direction is Direction.ROLLBACK else Changed()
        found = differences(plan.before, survey)
        self._record(found)
        return Changed(found, unproven=not _is_whole(plan, survey))

    def _record(self, found: Iterable[str]) -> None:
        self._recorder.record_external_changes(
            *(f"found at the end of the run: {line}" for line in found)
        )

    def _unexpected(self) -> tuple[str, ...]:
        plan = self._plan
        evidence = self._recorder.evidence()
        known, ours = evidence.made, ownership_of(self._ec2.observe(plan), plan, evidence).ours
        # A resource that no longer exists is named by the id that it had.
        made = {**{role: max(ids) for role, ids in known.items()}, **ours}
        after = self._ec2.survey(VpnGatewayId(made[GATEWAY_ROLE]))
        if after.vpc is None or after.vpc.id != plan.vpc:
            return (f"{after.gateway.id} is no longer attached to {plan.vpc}",)
        return (*unexpected(plan, made, after), *self._old_side(plan.old_gateway))

    def _old_side(self, gateway: VpnGatewayId) -> Iterator[str]:
        """Yield what has changed on the old side, except for the attachment of its gateway."""
        survey = self._ec2.survey(gateway)
        living = {connection.id for connection in survey.living}
        for old in self._plan.old_connections:
            if old not in living:
                yield f"{old} no longer exists, so a rollback cannot use it"
        for line in differences(self._plan.before, survey):
            subject, _, what = line.partition(": ")
            moved = subject == gateway and what.startswith("attachment")
            if subject in {gateway, *living} and not moved:
                yield line


def _is_whole(plan: Plan, survey: Survey) -> bool:
    """Return whether the old gateway is on its VPC with every connection that it had."""
    there = {connection.id for connection in survey.living}
    on = survey.vpc is not None and survey.vpc.id == plan.vpc
    return on and there.issuperset(plan.old_connections)


def require_account(plan: Plan, account: str, arn: str) -> None:
    """Refuse an account that is not the plan's.

    Raises:
        WrongAccountError: The account is another one; the message has the plan's account and the
            ARN of the credentials.
    """
    if account != plan.account:
        message = f"the plan is for account {plan.account}, but these credentials are {arn}"
        raise WrongAccountError(
            message, advice="use --profile, or credentials of the plan's account; then try again"
        )


def require_unchanged(plan: Plan, survey: Survey) -> None:
    """Refuse an AWS configuration that differs from the plan's survey.

    Raises:
        DriftError: It differs; the error lists every difference, field by field.
    """
    found = drift(plan.before, survey).breaking
    if found:
        raise DriftError(
            "the AWS configuration has changed since planning",
            found,
            advice=(
                "plan again; the resources that the run created are kept:",
                cli("plan", "--from", plan.migration),
            ),
        )


def require_direct_connect_known(plan: Plan, survey: Survey) -> None:
    """Refuse if Direct Connect cannot be ruled out: a detach deletes its association for good.

    Raises:
        AwsUnreadableError: Direct Connect could not be read, and the playbook does not state that
            it is absent.
    """
    vouched_for = plan.decisions.direct_connect is DirectConnectAssumption.ABSENT
    for unread in survey.unread:
        if unread.what == "direct_connect" and not vouched_for:
            raise AwsUnreadableError(
                f"whether {plan.old_gateway} is used by Direct Connect cannot be read: "
                f"{unread.why}",
                advice="allow directconnect:DescribeVirtualInterfaces and "
                "directconnect:DescribeDirectConnectGatewayAssociations, then try again",
            )


LONGEST_HOLDER: Final = 256
"""EC2's limit of a tag value (domain.md 2.11)."""


@dataclass(frozen=True)
class Unclaimed:
    """There is no claim, or only that of a holder that the operator takes over from."""


@dataclass(frozen=True)
class OwnClaim:
    """The claim is this run's."""


@dataclass(frozen=True)
class ForeignClaim:
    """The claim is another run's."""

    holder: str


_HOLDER = re.compile(r"[\w.+][\w.+-]*@[\w.+][\w.+-]*/[\w.+-]+", re.ASCII)


def is_holder_name(text: str) -> bool:
    """Return whether *text* has the form ``user@host/nonce``; a tag may contain any text."""
    return len(text) <= LONGEST_HOLDER and _HOLDER.fullmatch(text) is not None


def shown_holder(text: str) -> str:
    """Return a holder for a message; text that is not a holder name is escaped and quoted."""
    return text if is_holder_name(text) else ascii(text)


def taking_over_from(holder: str, gateway: VpnGatewayId) -> Advice:
    """Return how to take over from *holder*; the option is given only for a holder name."""
    if is_holder_name(holder):
        return f"ask them first; to take over, add --take-over {holder}"
    return (
        "this names no run; find out who wrote the tag, and if no run needs it, delete it:",
        aws("ec2", "delete-tags", "--resources", gateway, "--tags", f"Key={Tag.CLAIM.value}"),
    )


def claim_of(
    value: Value, ours: str, take_over: str | None = None
) -> Unclaimed | OwnClaim | ForeignClaim:
    """Classify the *value* of a claim tag, which is not stale, for the run with holder *ours*."""
    if value == ours:
        return OwnClaim()
    if value in (ABSENT, take_over):
        return Unclaimed()
    return ForeignClaim(str(value))


def require_not_foreign(claim: Unclaimed | OwnClaim | ForeignClaim, gateway: VpnGatewayId) -> None:
    """Refuse to continue if another run holds the claim.

    Raises:
        ClaimedError: Another run holds it; the error has its holder and how to take over.
    """
    if isinstance(claim, ForeignClaim):
        raise claimed(claim.holder, gateway)


def claimed(holder: str, gateway: VpnGatewayId) -> ClaimedError:
    """Return the error for a claim of *holder* on *gateway*, with what to do."""
    return ClaimedError(
        f"{gateway} is claimed by {shown_holder(holder)} (tag {Tag.CLAIM.value})",
        advice=taking_over_from(holder, gateway),
        holder=holder if is_holder_name(holder) else "",
    )
