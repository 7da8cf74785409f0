"""Step 1: claim the gateway and record the configuration."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from vpnmigrate.model.changes import PlaceClaim, RemoveClaim
from vpnmigrate.model.ec2 import ResourceState
from vpnmigrate.model.facts import ABSENT, UNKNOWN, Claim
from vpnmigrate.model.plan import Phase, Plan
from vpnmigrate.model.snapshot import Snapshot
from vpnmigrate.steps.base import (
    Claimed,
    DesiredFact,
    Met,
    MissingChanges,
    NotYet,
    Residual,
    Step,
    StepInput,
    Verdict,
    missing,
)


class ClaimGateway(Step):
    """Claim the old gateway.  In AWS: sets the claim tag (``vpnmigrate:claim``) on it.

    The survey is part of the plan.  The claim tag names who migrates this gateway: it warns and
    stops a second operator, but EC2 checks no token, so it cannot enforce exclusion.
    """

    number = 1
    title = "Record the configuration"
    phase = Phase.PREPARE
    precondition = "no other run holds the old gateway"
    postcondition = "the old gateway has the claim tag of this run"
    limit = timedelta(minutes=20)
    """Throttling is retried for 15 minutes; two consistency delays more are for calls in doubt
    (domain.md 3.1).  Traffic keeps flowing."""

    def external_changes_overwritten(self, view: StepInput) -> Iterable[str]:
        claim = Claim(view.plan.old_gateway)
        if claim in view.now.externally_changed and view.now.value(claim) == ABSENT:
            old = view.plan.old_gateway
            yield f"the claim tag on {old} was removed outside this run; this step sets it again"

    def missing_changes(self, view: StepInput) -> MissingChanges:
        holder = view.now.value(Claim(view.plan.old_gateway))
        if not _lives(view.plan, view.now):
            return
        if view.journal_facts.holder and holder in (
            ABSENT,
            view.journal_facts.takes_over_from or ABSENT,
        ):
            yield PlaceClaim(view.plan.old_gateway, view.journal_facts.holder)

    def verify(self, view: StepInput) -> Verdict:
        holder = view.now.value(Claim(view.plan.old_gateway))
        if (
            view.journal_facts.holder
            and holder != view.journal_facts.holder
            and _lives(view.plan, view.now)
        ):
            if holder in (ABSENT, UNKNOWN, view.journal_facts.takes_over_from):
                return NotYet(f"the claim tag on {view.plan.old_gateway} is not visible yet")
            return Claimed(str(holder))
        return Met()


def _lives(plan: Plan, now: Snapshot) -> bool:
    """Return whether the old gateway exists: an interrupted finalize may have deleted it."""
    return now.state(plan.old_gateway) not in (ResourceState.DELETING, ResourceState.ABSENT)


class RemoveOurClaim(Step):
    """Release the claim.  In AWS: deletes this run's claim tag from the old gateway.

    The tag of another holder stays.
    """

    number = 1
    title = "Remove the claim"
    phase = Phase.CLEAN_UP
    precondition = "everything before this step is done"
    postcondition = "the old gateway has no claim tag of this run"
    limit = ClaimGateway.limit

    def missing_changes(self, view: StepInput) -> MissingChanges:
        yield from missing(self.optional_parts(view), view.now)

    def optional_parts(self, view: StepInput) -> Iterable[DesiredFact]:
        """Yield the claim: a tag that stays must not stop the rest."""
        old, holder = view.plan.old_gateway, view.journal_facts.holder
        if holder and view.now.value(Claim(old)) in (holder, UNKNOWN):
            change = RemoveClaim(old, holder)
            yield DesiredFact(f"the claim tag on {old}", Claim(old), ABSENT, change, restores=True)

    def verify(self, view: StepInput) -> Verdict:
        for want in self.optional_parts(view):
            if want.is_left_out(view.journal_facts.left_out):
                return Residual()
            return NotYet(f"the claim tag is still on {view.plan.old_gateway}")
        return Met()
