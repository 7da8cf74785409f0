"""External changes: what of AWS's configuration was changed outside the run."""

from __future__ import annotations

from vpnmigrate.engine.context import RunContext
from vpnmigrate.engine.observe import Observation
from vpnmigrate.engine.preconditions import (
    ForeignClaim,
    claim_of,
    require_not_foreign,
    shown_holder,
)
from vpnmigrate.model.errors import ExternalChangeError
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.model.facts import ABSENT, Claim, name_of
from vpnmigrate.model.plan import Direction, Phase
from vpnmigrate.steps.base import Step


class ExternalChangeControl:
    """Records the external changes of each observation, and ends a run before the cutover."""

    def __init__(self, context: RunContext) -> None:
        self._plan = context.plan
        self._recorder = context.recorder

    def handle(self, step: Step, observation: Observation) -> None:
        """Record external changes.

        Changed tags are only recorded: no decision depends on them.

        Raises:
            ExternalChangeError: Before the cutover, one undid a change of this run.
            ClaimedError: Before the cutover, another run has claimed the old gateway.
        """
        owned = observation.now.owned
        self._recorder.record_external_changes(
            *(f"this run's tags were removed from {id_}" for id_ in owned.untagged),
            *(f"{id_} has a copy of this run's tags" for _, id_ in owned.duplicates),
            *map(str, owned.foreign),
        )
        old, facts = self._plan.old_gateway, observation.journal_facts
        changed = observation.now.externally_changed
        holder = observation.now.value(Claim(old))
        if facts.takes_over_from and holder == facts.takes_over_from:
            # Step 1 replaces the claim that the operator takes over.
            changed -= {Claim(old)}
        seen = holder if Claim(old) in changed else ABSENT
        claim = claim_of(seen, facts.holder, facts.takes_over_from)
        if isinstance(claim, ForeignClaim):
            self._recorder.record_external_changes(
                f"the claim on {old} was replaced by {shown_holder(claim.holder)}"
            )
        forward = self._recorder.state.direction is Direction.FORWARD
        if not forward or step.phase is not Phase.PREPARE or self._recorder.cutover_is_open:
            return
        require_not_foreign(claim, old)
        if changed:
            names = sorted(name_of(fact, observation.now.value(fact)) for fact in changed)
            message = f"changed outside this run: {'; '.join(names)}"
            raise ExternalChangeError(
                message,
                step=step.number,
                outage=False,
                advice=(
                    "find out who changed it; roll back:",
                    cli("rollback", self._plan.migration),
                ),
            )
