"""Observation: a reading of AWS combined with journal and consistency rules."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from vpnmigrate.engine.context import ClaimHolder, RunContext
from vpnmigrate.journal.records import CredentialsExpired, CredentialsRenewed
from vpnmigrate.model.clock import span
from vpnmigrate.model.consistency import (
    CONSISTENCY_DELAY,
    externally_changed,
    mask_stale,
)
from vpnmigrate.model.ec2 import VpnGatewayId
from vpnmigrate.model.errors import (
    AwsError,
    AwsUnreadableError,
    CredentialsExpiredError,
    NotAuthorizedError,
    NotFoundError,
)
from vpnmigrate.model.facts import UNKNOWN, Goal
from vpnmigrate.model.plan import GATEWAY_ROLE, Direction
from vpnmigrate.model.progress import Unreadable
from vpnmigrate.model.snapshot import (
    Confirmation,
    GatewaySwap,
    JournalFacts,
    Reading,
    ReadingPart,
    Snapshot,
    snapshot_of,
)
from vpnmigrate.planning.ownership import Evidence, ownership_of
from vpnmigrate.steps.base import NotYet, StepInput
from vpnmigrate.steps.sequences import gateway_swap

KEPT = timedelta(seconds=1)
"""A step of the outage begins with the reading that ended the step before, unless more time than
that has passed."""
_AGEING = {Confirmation.OLD_TUNNELS_DISABLED}
"""Confirmations after which a describe may lag."""


class Observation(Struct, frozen=True):
    """One reading of AWS, and the step input made from it."""

    input: StepInput
    reading: Reading

    @property
    def now(self) -> Snapshot:
        """The snapshot, in which stale facts are UNKNOWN."""
        return self.input.now

    @property
    def acting(self) -> StepInput:
        """The step input for changes while traffic is down, with likely values of stale facts."""
        now = self.now.acting
        return self.input if now is self.now else replace(self.input, now=now)

    @property
    def swap(self) -> GatewaySwap:
        """The gateways that this direction exchanges."""
        return self.input.swap

    @property
    def journal_facts(self) -> JournalFacts:
        """The facts that the journal adds to the snapshot."""
        return self.input.journal_facts

    def with_facts(self, journal_facts: JournalFacts) -> Observation:
        """Return the same observation with other journal facts."""
        return replace(self, input=replace(self.input, journal_facts=journal_facts))

    @property
    def certain(self) -> bool:
        """Whether no fact that was read may be stale."""
        return UNKNOWN not in self.now.facts.values()


class _SeenFacts(Struct, frozen=True):
    """A snapshot before any fact is masked, with its inputs except for its moment."""

    reading: Reading
    evidence: Evidence
    snapshot: Snapshot

    def holds(self, reading: Reading, evidence: Evidence) -> bool:
        """Return whether *reading* shows the same; most readings of a cutover do."""
        return (
            evidence == self.evidence and replace(reading, begun=self.reading.begun) == self.reading
        )


class StateReader:
    """Observes AWS for a run.

    With *journal_lost* an earlier process worked on the run, and its journal is lost: then no
    reading is used until one consistency delay has passed since this process started.
    """

    def __init__(self, context: RunContext) -> None:
        self._plan = context.plan
        self._ec2 = context.ec2
        self._recorder = context.recorder
        self._claim_holder = context.claim_holder
        self._observer = context.observer
        self._clock = context.clock
        self._unreadable: Unreadable | None = None
        self._seen: _SeenFacts | None = None
        self._latest: Reading | None = None
        self._kept_at: datetime | None = None
        """When it was kept for the next observation; None if that reads AWS again."""
        self.journal_lost = context.journal_lost
        self._claim_left_out = False
        self._left_out: frozenset[Goal] = frozenset()
        self._once_left_out: frozenset[Goal] = frozenset()
        self._usable_from = (
            context.clock.now() + CONSISTENCY_DELAY if context.journal_lost else None
        )

    def observe(self) -> Observation | NotYet:
        """Observe once; return NotYet with the reason if this reading cannot be used.

        Expired and renewed credentials are recorded in the journal.

        Raises:
            AwsError: A later read would fail as well.
        """
        try:
            reading = self._reading()
        except (NotAuthorizedError, NotFoundError):
            raise
        except AwsError as error:
            if not self._may_be_temporary(error):
                raise
            if isinstance(error, CredentialsExpiredError):
                self._note_expired(error)
            self._note_unreadable(error)
            return NotYet(f"AWS cannot be read: {error.message}")
        if self._recorder.state.expired is not None:
            self._recorder.write(CredentialsRenewed())
        if self._unreadable is not None:
            self._unreadable = None
            self._observer.on_reading(None)
        if self._usable_from is not None and reading.begun < self._usable_from:
            return NotYet(f"without a journal, AWS is first observed for {span(CONSISTENCY_DELAY)}")
        now = self._snapshot(reading)
        direction = self._recorder.state.direction or Direction.FORWARD
        swap = gateway_swap(direction, self._plan, now)
        made = self._recorder.evidence().made.get(GATEWAY_ROLE, frozenset())
        if direction is Direction.ROLLBACK and GATEWAY_ROLE not in now.ours and len(made) == 1:
            # It was deleted outside this run; routes of this run may still point to it.
            swap = replace(swap, leaving=VpnGatewayId(*made))
        return Observation(StepInput(self._plan, swap, now, self.journal_facts()), reading)

    def keep_reading(self) -> None:
        """Use the latest reading for the next observation too: nothing was sent since then."""
        self._kept_at = self._clock.now()

    def differs(self, part: ReadingPart) -> bool:
        """Return whether AWS shows *part* differently than the latest reading, or cannot be read.

        The observation that follows shows the reason.
        """
        if self._latest is None:
            return True
        try:
            return self._ec2.differs(self._plan, self._latest, part)
        except AwsError:
            return True

    def _reading(self) -> Reading:
        """Return the reading that was kept, if it is recent; otherwise a new one."""
        kept_at, self._kept_at = self._kept_at, None
        fresh = kept_at is not None and self._clock.now() - kept_at < KEPT
        if self._latest is None or not fresh:
            self._latest = self._ec2.observe(self._plan)
        return self._latest

    def _note_expired(self, error: CredentialsExpiredError) -> None:
        """Record once that the credentials have expired, so that log and status show it."""
        if self._recorder.state.expired is None:
            self._recorder.write(CredentialsExpired(error.message, error.advice))

    def _note_unreadable(self, error: AwsError) -> None:
        """Show since when AWS cannot be read, with the latest reason."""
        since = self._clock.now() if self._unreadable is None else self._unreadable.since
        self._unreadable = Unreadable(since, error.message)
        self._observer.on_reading(self._unreadable)

    def _snapshot(self, reading: Reading) -> Snapshot:
        """Return the snapshot of *reading*, with stale facts masked."""
        recorder = self._recorder
        self._seen = seen = self._facts(reading, recorder.evidence())
        sent = recorder.sent.with_side_effects(self._plan.edge_tables)
        now = mask_stale(seen.snapshot, sent)
        return replace(now, externally_changed=externally_changed(now, recorder.sent.of_attempt))

    def _facts(self, reading: Reading, evidence: Evidence) -> _SeenFacts:
        """Return the facts of *reading*: the last ones, if nothing has changed since."""
        last = self._seen
        if last is not None and last.holds(reading, evidence):
            return replace(last, snapshot=replace(last.snapshot, begun=reading.begun))
        owned = ownership_of(reading, self._plan, evidence)
        return _SeenFacts(reading, evidence, snapshot_of(reading, owned))

    def _may_be_temporary(self, error: AwsError) -> bool:
        """Return whether a later read may succeed; during an outage, any error may pass."""
        return isinstance(error, AwsUnreadableError) or self._recorder.state.outage.open

    def leave_out_claim(self) -> None:
        """Ignore the claim tag for the rest of a step."""
        self._claim_left_out = True

    def include_claim(self) -> None:
        """Observe the claim tag again: one that was set by a lost answer must still be removed."""
        self._claim_left_out = False

    def leave_out(self, *goals: Goal) -> None:
        """Continue without *goals* from now on."""
        self._left_out |= set(goals)
        self._once_left_out |= set(goals)

    def include_goal(self, goal: Goal) -> None:
        """Wait for *goal* again: AWS has, or may have, made its change."""
        self._left_out -= {goal}

    def include_all_goals(self) -> None:
        """Wait for every goal again: another direction has other goals."""
        self._left_out = self._once_left_out = frozenset()

    @property
    def left_out(self) -> frozenset[Goal]:
        """The goals that this process leaves out, because AWS did not make their changes."""
        return self._left_out

    def journal_facts(self) -> JournalFacts:
        """Return the facts that the journal adds to an observation."""
        claim_holder = ClaimHolder("") if self._claim_left_out else self._claim_holder
        facts, latest = self._recorder.state.journal_facts, self._recorder.latest
        sent = self._recorder.sent
        ageing = {
            confirmation: latest(facts.confirmations[confirmation])
            for confirmation in _AGEING & facts.confirmations.keys()
        }
        return replace(
            facts,
            confirmations={**facts.confirmations, **ageing},
            unsettled=self._recorder.state.unsettled,
            verified=None if facts.verified is None else latest(facts.verified),
            left_out=self._left_out,
            once_left_out=self._once_left_out,
            idle=sent.idle(self._plan.propagating_tables),
            directed=sent.directed,
            vanished=sent.vanished,
            touched=None if self.journal_lost else sent.touched,
            holder=claim_holder.holder,
            takes_over_from=claim_holder.takes_over_from,
        )
