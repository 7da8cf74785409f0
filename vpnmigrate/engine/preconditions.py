"""Preconditions: account, drift and claims, checked before a run acts.

A claim warns and stops the honest second operator.  It cannot exclude: EC2 checks no token.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from msgspec import Struct

from vpnmigrate.commands import Advice, aws, cli
from vpnmigrate.engine.context import RunContext
from vpnmigrate.engine.gates import host
from vpnmigrate.engine.ports import Identity
from vpnmigrate.errors import (
    AwsError,
    AwsUnreadableError,
    ClaimedError,
    DriftError,
    WrongAccountError,
)
from vpnmigrate.journal.records import Noted
from vpnmigrate.model.decisions import DirectConnectAssumption
from vpnmigrate.model.ec2 import ResourceState, Tag, VpnGatewayId
from vpnmigrate.model.facts import ABSENT, Claim, Value
from vpnmigrate.model.gates import GateVerdict
from vpnmigrate.model.plan import GATEWAY_ROLE, Direction, Plan
from vpnmigrate.model.snapshot import Ownership, snapshot_of
from vpnmigrate.model.survey import Survey
from vpnmigrate.planning.drift import differences
from vpnmigrate.planning.ownership import ownership_of
from vpnmigrate.planning.planner import unexpected


class Changed(Struct, frozen=True):
    """How the world differs from the plan's survey after a rollback."""

    differs: tuple[str, ...] = ()
    unproven: bool = False
    """Whether the old gateway or one of its connections is not seen to be where it was."""


class Preconditions:
    """What has to hold before the first change of a process, and again before step 7."""

    def __init__(self, context: RunContext) -> None:
        self._plan = context.plan
        self._ec2 = context.ec2
        self._recorder = context.recorder
        self._claim_holder = context.claim_holder

    def require_account(self, direction: Direction) -> None:
        """Refuse another account than the plan's.

        No way out of an outage waits for STS: the ids of what was there before exist in no other
        account.

        Raises:
            WrongAccountError: It is another one.
            AwsError: It could not be found out, and nothing has been interrupted yet.
        """
        try:
            identity = self._ec2.identity()
        except AwsUnreadableError as error:
            if direction is not Direction.ROLLBACK and not self._recorder.cutover_is_open:
                raise
            self._recorder.write(Noted(f"the account could not be checked: {error.message}"))
            return
        require_account(self._plan, identity.account, identity.arn)
        if direction is Direction.ROLLBACK:
            self._warn_of_clock(identity)

    def _warn_of_clock(self, identity: Identity) -> None:
        """Ask the clock's gate before a rollback, which no clock keeps from beginning."""
        seen = host.clock(identity)
        if seen.call is not GateVerdict.FAIL:
            return
        self._recorder.write(
            Noted(
                f"compared with AWS's, this machine's clock is {seen.observed}, and AWS refuses "
                f"calls that are signed so far off; the rollback goes on: {seen.advice}"
            )
        )

    def require_no_foreign_claim(self) -> None:
        """Refuse to set out on a gateway that somebody else migrates.

        EC2 shows a deleted gateway for a while, with its tags; nobody migrates what is gone.

        Raises:
            ClaimedError: Their claim is on it.
        """
        try:
            reading = self._ec2.observe(self._plan)
        except AwsUnreadableError:
            return  # step 1 looks again, patiently, and blocks on a foreign claim as well
        old, now = self._plan.old_gateway, snapshot_of(reading, Ownership())
        if now.state(old) in (ResourceState.DELETING, ResourceState.ABSENT):
            return
        claim = claim_of(
            now.value(Claim(old)), self._claim_holder.holder, self._claim_holder.outranks
        )
        require_not_foreign(claim, old)

    def require_unchanged(self) -> None:
        """Refuse a world that is not as the plan found it.

        Raises:
            DriftError: With every difference, field by field.
            AwsError: It could not be read.
        """
        survey = self._ec2.survey(self._plan.old_gateway)
        require_unchanged(self._plan, survey)
        require_direct_connect_known(self._plan, survey)

    def record_external_changes(self, direction: Direction) -> Changed:
        """Name, field by field, what others changed meanwhile, as far as it can be read.

        After a rollback, everything is as the plan found it but for what is returned; forward, it
        is as the plan predicts.
        """
        plan = self._plan
        if direction is Direction.FINALIZE:
            return Changed()
        try:
            if direction is Direction.FORWARD:
                self._name(self._unexpected())
                return Changed()
            survey = self._ec2.survey(plan.old_gateway)
        except AwsError as error:
            self._recorder.write(Noted(f"what others changed could not be read: {error.message}"))
            why = f"whether everything is as before could not be read: {error.message}"
            return Changed((why,), unproven=True) if direction is Direction.ROLLBACK else Changed()
        found = differences(plan.before, survey)
        self._name(found)
        return Changed(found, unproven=not _is_whole(plan, survey))

    def _name(self, found: Iterable[str]) -> None:
        self._recorder.name(*(f"meanwhile, and not by this run: {line}" for line in found))

    def _unexpected(self) -> tuple[str, ...]:
        plan = self._plan
        evidence = self._recorder.evidence()
        known, ours = evidence.made, ownership_of(self._ec2.observe(plan), plan, evidence).ours
        # What is there no more is told by the id that it had.
        made = {**{role: max(ids) for role, ids in known.items()}, **ours}
        after = self._ec2.survey(VpnGatewayId(made[GATEWAY_ROLE]))
        if after.vpc is None or after.vpc.id != plan.vpc:
            return (f"{after.gateway.id} is no longer on {plan.vpc}",)
        return (*unexpected(plan, made, after), *self._old_side(plan.old_gateway))

    def _old_side(self, gateway: VpnGatewayId) -> Iterator[str]:
        """Return what is not with the old side as it was, but for where its gateway is."""
        survey = self._ec2.survey(gateway)
        living = {connection.id for connection in survey.living}
        for old in self._plan.old_connections:
            if old not in living:
                yield f"{old} is gone, and with it the way back over it"
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
    """Refuse another account than the plan's.

    Raises:
        WrongAccountError: With both accounts and who AWS takes us for.
    """
    if account != plan.account:
        message = f"the plan is for account {plan.account}, but these credentials are {arn}"
        raise WrongAccountError(
            message, advice="use --profile, or credentials of the plan's account; then try again"
        )


def require_unchanged(plan: Plan, survey: Survey) -> None:
    """Refuse a world whose configuration differs from the plan's before-survey.

    Raises:
        DriftError: With every difference, field by field.
    """
    found = differences(plan.before, survey)
    if found:
        message = f"AWS is no longer configured as the plan found it ({len(found)} differences)"
        raise DriftError(
            message,
            found,
            advice=(
                "plan again; what the run has built is kept:",
                cli("plan", "--from", plan.migration),
            ),
        )


def require_direct_connect_known(plan: Plan, survey: Survey) -> None:
    """Refuse what can no longer be ruled out: a detach deletes an association for good.

    Raises:
        AwsUnreadableError: Direct Connect could not be read, and nobody has vouched for it.
    """
    vouched_for = plan.decisions.direct_connect is DirectConnectAssumption.ABSENT
    for unread in survey.unread:
        if unread.what == "direct_connect" and not vouched_for:
            raise AwsUnreadableError(
                f"whether {plan.old_gateway} carries Direct Connect cannot be read: {unread.why}",
                advice="allow directconnect:DescribeVirtualInterfaces and "
                "directconnect:DescribeDirectConnectGatewayAssociations, then try again",
            )


LONGEST_HOLDER: Final = 256
"""EC2's limit of a tag value (domain.md 2.11)."""


@dataclass(frozen=True)
class Unclaimed:
    """Nobody claims it, or only somebody whom the operator has named to take over from."""


@dataclass(frozen=True)
class OwnClaim:
    """This run claims it."""


@dataclass(frozen=True)
class ForeignClaim:
    """Somebody else claims it."""

    holder: str


_HOLDER = re.compile(r"[\w.+][\w.+-]*@[\w.+][\w.+-]*/[\w.+-]+", re.ASCII)


def is_holder_name(text: str) -> bool:
    """Return whether *text* has the form ``user@host/nonce``; anybody may write a tag."""
    return len(text) <= LONGEST_HOLDER and _HOLDER.fullmatch(text) is not None


def shown_holder(text: str) -> str:
    """Return a holder for a message; one that is not a name is escaped and in quotes."""
    return text if is_holder_name(text) else ascii(text)


def taking_over_from(holder: str, gateway: VpnGatewayId) -> Advice:
    """Return how to continue in place of *holder*; only a name is offered as a value."""
    if is_holder_name(holder):
        return f"talk to them; to go on in their place: --take-over {holder}"
    return (
        "no run has such a name; find out who wrote the tag, and if no run needs it, delete it:",
        aws("ec2", "delete-tags", "--resources", gateway, "--tags", f"Key={Tag.CLAIM.value}"),
    )


def claim_of(
    value: Value, ours: str, take_over: str | None = None
) -> Unclaimed | OwnClaim | ForeignClaim:
    """Judge the believed *value* of a claim for the run whose holder is *ours*."""
    if value == ours:
        return OwnClaim()
    if value in (ABSENT, take_over):
        return Unclaimed()
    return ForeignClaim(str(value))


def require_not_foreign(claim: Unclaimed | OwnClaim | ForeignClaim, gateway: VpnGatewayId) -> None:
    """Refuse to go on over somebody else's claim.

    Raises:
        ClaimedError: With who it is, and how to go on in their place.
    """
    if isinstance(claim, ForeignClaim):
        raise claimed(claim.holder, gateway)


def claimed(holder: str, gateway: VpnGatewayId) -> ClaimedError:
    """Return the refusal that names *holder*, whose claim is on *gateway*, and what to do."""
    return ClaimedError(
        f"{gateway} is being migrated by {shown_holder(holder)}, says its claim tag",
        advice=taking_over_from(holder, gateway),
        holder=holder if is_holder_name(holder) else "",
    )
