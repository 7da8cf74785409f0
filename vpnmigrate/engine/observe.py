"""Observation: a reading of AWS combined with journal and consistency rules."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import Struct
from msgspec.structs import replace

from vpnmigrate.engine.context import ClaimHolder, RunContext
from vpnmigrate.errors import AwsError, AwsUnreadableError, NotAuthorizedError, NotFoundError
from vpnmigrate.journal import RunState
from vpnmigrate.model.consistency import (
    CONSISTENCY_DELAY,
    SentChange,
    externally_changed,
    mask_stale,
    recent,
)
from vpnmigrate.model.ec2 import VpnGatewayId
from vpnmigrate.model.facts import UNKNOWN
from vpnmigrate.model.plan import GATEWAY_ROLE, Direction
from vpnmigrate.model.snapshot import (
    Confirmation,
    GatewaySwap,
    JournalFacts,
    Reading,
    Snapshot,
    snapshot_of,
)
from vpnmigrate.planning.ownership import ownership_of
from vpnmigrate.steps.base import NotYet, StepInput
from vpnmigrate.steps.sequences import gateway_swap

_AGEING = {Confirmation.OLD_TUNNELS_DISABLED}
"""Words after which a describe may lag."""


class Observation(Struct, frozen=True):
    """One reading of AWS, and the input that steps get from it."""

    input: StepInput
    reading: Reading

    @property
    def now(self) -> Snapshot:
        """The snapshot, in which stale facts are UNKNOWN."""
        return self.input.now

    @property
    def swap(self) -> GatewaySwap:
        """The gateways that this direction exchanges."""
        return self.input.swap

    @property
    def journal_facts(self) -> JournalFacts:
        """What the journal adds to the snapshot."""
        return self.input.journal_facts

    def with_facts(self, journal_facts: JournalFacts) -> Observation:
        """Return the same observation with other facts of the journal."""
        return replace(self, input=replace(self.input, journal_facts=journal_facts))

    @property
    def certain(self) -> bool:
        """Whether every fact that was read may be believed."""
        return UNKNOWN not in self.now.facts.values()


@dataclass(frozen=True)
class _Kept:
    """What was made of a reading, and all that it was made of."""

    reading: Reading
    state: RunState
    young: list[SentChange]
    now: Snapshot

    def holds_for(self, reading: Reading, state: RunState, young: list[SentChange]) -> bool:
        """Return whether another look comes to the same, but for its moment."""
        return (
            self.young == young
            and self.state.intents is state.intents
            and self.state.adopted == state.adopted
            and self.state.refused == state.refused
            and self.state.attempt_since == state.attempt_since
            and self.reading.shows_the_same_as(reading)
        )


class StateReader:
    """Looks at AWS for a run.

    *blind* says that an earlier process worked without leaving us its journal: then nothing is
    believed before one consistency delay has passed since this one started.
    """

    def __init__(self, context: RunContext) -> None:
        self._plan = context.plan
        self._ec2 = context.ec2
        self._recorder = context.recorder
        self._claim_holder = context.claim_holder
        self.blind = context.blind
        self._forgone = False
        self._kept: _Kept | None = None
        self._sighted_at = context.clock.now() + CONSISTENCY_DELAY if context.blind else None

    def observe(self) -> Observation | NotYet:
        """Look once; NotYet says why nothing of this look can be used.

        Raises:
            AwsError: No later look will do better.
        """
        try:
            reading = self._ec2.observe(self._plan)
        except (NotAuthorizedError, NotFoundError):
            raise
        except AwsError as error:
            if not self._may_pass(error):
                raise
            return NotYet(f"AWS cannot be read: {error.message}")
        if self._sighted_at is not None and reading.begun < self._sighted_at:
            return NotYet("without a journal, what AWS shows is believed only after a while")
        now = self._believed(reading)
        direction = self._recorder.state.direction or Direction.FORWARD
        swap = gateway_swap(direction, self._plan, now)
        lost = self._recorder.evidence().made.get(GATEWAY_ROLE, frozenset())
        if direction is Direction.ROLLBACK and GATEWAY_ROLE not in now.ours and len(lost) == 1:
            # Others deleted it; routes of ours may still point at it.
            swap = replace(swap, leaving=VpnGatewayId(*lost))
        return Observation(StepInput(self._plan, swap, now, self.journal_facts()), reading)

    def _believed(self, reading: Reading) -> Snapshot:
        """Return what may be believed of *reading*; most looks read what the look before did."""
        book = self._recorder
        # Time alone alters belief only by ageing intents.
        young = recent(book.intents(), reading.begun)
        kept = self._kept
        if kept is not None and kept.holds_for(reading, book.state, young):
            return replace(kept.now, begun=reading.begun)
        doubts = book.doubts(self._plan.edge_tables)
        owned = ownership_of(reading, self._plan, book.evidence())
        now = mask_stale(snapshot_of(reading, owned), doubts)
        now = replace(now, foreign=externally_changed(now, book.attempt_intents()))
        self._kept = _Kept(reading, book.state, young, now)
        return now

    def _may_pass(self, error: AwsError) -> bool:
        """Return whether a later look may succeed: in an outage, after any error not definite."""
        return isinstance(error, AwsUnreadableError) or self._recorder.state.outage_open

    def skip_claim(self) -> None:
        """Go on without the claim tag for the rest of a step."""
        self._forgone = True

    def require_claim(self) -> None:
        """Ask for the claim tag again: one set unheard has yet to be taken off."""
        self._forgone = False

    def journal_facts(self) -> JournalFacts:
        """Return what the journal adds to a look."""
        claim_holder = ClaimHolder("") if self._forgone else self._claim_holder
        told, latest = self._recorder.state.journal_facts, self._recorder.latest
        return replace(
            told,
            words={**told.words, **{w: latest(told.words[w]) for w in _AGEING & told.words.keys()}},
            verified=None if told.verified is None else latest(told.verified),
            idle=self._recorder.idle(self._plan.propagating_tables),
            touched=None if self.blind else self._recorder.touched(),
            holder=claim_holder.holder,
            outranks=claim_holder.outranks,
        )
