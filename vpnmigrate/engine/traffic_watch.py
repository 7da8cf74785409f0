"""Traffic watch: stability of traffic, and the probes of a run."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from msgspec.structs import replace

from vpnmigrate.engine.context import RunContext
from vpnmigrate.engine.observe import Observation, StateReader
from vpnmigrate.engine.ports import Probes
from vpnmigrate.journal.records import (
    Acceptable,
    Degraded,
    Flapped,
    Noted,
    OutageBegan,
    OutageEnded,
    Probed,
    Record,
    TrafficVerified,
)
from vpnmigrate.model.changes import OperatorTask
from vpnmigrate.model.changes.base import Performed
from vpnmigrate.model.ec2 import RouteTableId, VpnConnectionId
from vpnmigrate.model.errors import JournalError
from vpnmigrate.model.plan import Direction
from vpnmigrate.model.probes import ProbeEvent, ProbeStats, missed
from vpnmigrate.model.snapshot import Confirmation, Stability
from vpnmigrate.steps.traffic import (
    acceptable,
    degraded,
    destinations,
    first_missing,
    flows_as_shown,
    is_stable,
    update_stability,
)


class ProbeWatch:
    """Runs the probes during a cutover; as a context manager, it ends them with the run."""

    def __init__(self, context: RunContext, probes: Probes) -> None:
        self._plan = context.plan
        self._probes = probes
        self._recorder = context.recorder
        self._clock = context.clock
        self._written: dict[str, tuple[bool | None, str]] = {}
        self._last: datetime | None = None
        self._sending = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._probes.end()
        if not isinstance(error, JournalError):
            self.end()

    def begin(self) -> None:
        """Start the plan's probes and those of earlier processes, unless they are running.

        Each starts as unknown: the results of an earlier process say nothing about now.
        """
        if self._sending:
            return
        self._sending = True
        earlier = self._recorder.state.probes.latest
        texts = dict.fromkeys((*self._plan.decisions.probes, *earlier))
        known = (earlier.get(text, ProbeStats(text)) for text in texts)
        self._probes.begin([_unknown(stats) for stats in known])

    def take_baseline(self) -> None:
        """Record which probes work; step 7 waits a moment for the first answer of each."""
        deadline = self._clock.now() + FIRST_ANSWER
        while any(not t.sent for t in self._probes.stats()) and self._clock.now() < deadline:
            self._clock.sleep(SLICE)
        stats = self._probes.stats()
        if stats:
            self._write(ProbeEvent.BEFORE, stats)
            self._probes.forget_counts()

    def watch(self) -> None:
        """Record the probes that have started or stopped answering, if there are any."""
        now = self._clock.now()
        if self._last is not None and now - self._last < QUIET:
            return
        news = [t for t in self._probes.stats() if _result(t) != self._written.get(t.probe, _NEW)]
        if news:
            self._last = now
            self._write(ProbeEvent.NEWS, tuple(news))

    def end(self) -> None:
        """Stop sending, and record the totals if a cutover is open."""
        stats = self._probes.stats() if self._sending else ()
        self._probes.end()
        self._sending = False
        if stats and self._recorder.cutover_is_open:
            self._write(ProbeEvent.END, stats)

    @property
    def stats(self) -> tuple[ProbeStats, ...]:
        """The current results of each probe."""
        return self._probes.stats()

    def unanswered(self) -> tuple[str, ...]:
        """Return the probes that have to work and do not.

        During a rollback none has to: its requirements are minimal.
        """
        if self._recorder.state.direction is Direction.ROLLBACK:
            return ()
        return missed(self.stats, self._recorder.state.probes.proven)

    def _write(self, moment: ProbeEvent, stats: tuple[ProbeStats, ...]) -> None:
        self._written |= {each.probe: _result(each) for each in stats}
        self._recorder.write(Probed(moment, stats))


class TrafficWatch:
    """Checks with each observation whether the new side lacks anything, and ends the outage."""

    def __init__(self, context: RunContext, state_reader: StateReader, probing: ProbeWatch) -> None:
        self._plan = context.plan
        self._recorder = context.recorder
        self._state_reader = state_reader
        self._probing = probing
        self._stability: Stability | None = None
        self._flows_since: datetime | None = None
        """Since when every reading has been complete, if those that may be stale count as well."""
        self._residual: frozenset[tuple[RouteTableId, str]] = frozenset()
        """The destinations in tables that the latest reading showed without a path, as residue."""
        self._held = False
        self._disabled = False
        self._short: frozenset[VpnConnectionId] = frozenset()
        self._short_since: datetime | None = None

    @property
    def flows(self) -> bool:
        """Whether the latest reading showed complete traffic, which has to last now."""
        return self._flows_since is not None

    def reset(self) -> None:
        """Measure stability from the start again."""
        self._stability = None
        self._flows_since = None
        self._held = False
        self._short = frozenset()

    def watch(self, observation: Observation) -> Observation:
        """Evaluate *observation*, record the results, and return it with the new journal facts."""
        self._reset_after_old_tunnels(observation)
        self._reset_after_residue(observation)
        facts = replace(
            observation.journal_facts,
            stability=self._stability,
            unanswered=self._probing.unanswered(),
        )
        observation = observation.with_facts(facts)
        lacking = first_missing(observation.input)
        self._stability = update_stability(observation.input, lacking=bool(lacking))
        flows = not lacking or flows_as_shown(observation.acting)
        self._flows_since = (self._flows_since or observation.now.begun) if flows else None
        observation = observation.with_facts(replace(facts, stability=self._stability))
        verified = observation.journal_facts.verified is not None
        self._offer(observation)
        if lacking:
            if self._held and verified:
                self._recorder.write(Flapped(lacking))
            self._held = False
            return observation
        if not is_stable(observation.input):
            return observation
        self._held = True
        self._recorder.write(*self._verified(observation), *self._tunnels(observation))
        unanswered = observation.journal_facts.unanswered
        facts = self._state_reader.journal_facts()
        return observation.with_facts(
            replace(facts, stability=self._stability, unanswered=unanswered)
        )

    def _offer(self, observation: Observation) -> None:
        """Record the shortages that the operator may accept, once nothing else is missing.

        That has to last as long as stable traffic, because the second tunnel may come up right
        after the first.
        """
        found = acceptable(observation.input)
        short = frozenset(each.replaces for each in found)
        if short != self._short or self._short_since is None:
            self._short, self._short_since = short, observation.now.begun
        offered = frozenset(each.replaces for each in self._recorder.state.shortages.acceptable)
        held = observation.now.begun - self._short_since >= self._plan.decisions.waits.steady
        if short != offered and (held or not short):
            self._recorder.write(Acceptable(found))

    def _reset_after_old_tunnels(self, observation: Observation) -> None:
        """Require stability again once the old tunnels are off: the wrong ones may be disabled."""
        disabled = Confirmation.OLD_TUNNELS_DISABLED in observation.journal_facts.confirmations
        if disabled and not self._disabled:
            self.reset()
        self._disabled = disabled

    def _reset_after_residue(self, observation: Observation) -> None:
        """Require stability again once a destination has its path back.

        While it was residue, stable traffic meant that of the other destinations.
        """
        left_out = observation.journal_facts.left_out  # Without these, nothing is residue.
        rows = destinations(observation.input).residual if left_out else ()
        residual = frozenset((row.table, part) for row in rows for part in row.parts)
        if self._residual - residual:
            self._stability = self._flows_since = None
        self._residual = residual

    def _verified(self, observation: Observation) -> tuple[Record, ...]:
        stability, state = self._stability, self._recorder.state
        if stability is None or stability.since is None:
            message = "stable traffic has no start time"
            raise AssertionError(message)
        found = destinations(observation.input)
        records: list[Record] = []
        if observation.journal_facts.verified is None:
            notes = (Noted(str(row)) for row in found.altered)
            records = [TrafficVerified(stability.since), *notes]
            if found.residual and not state.outage.open:
                # It began under a lost journal, and continues for these destinations.
                return (OutageBegan(stability.since, self._state_reader.journal_lost), *records)
        if state.outage.open and state.outage.since is not None and not found.residual:
            end = self._end_of_outage(stability.since)
            records.insert(1, OutageEnded(end, end - state.outage.since, state.outage.earlier))
        return tuple(records)

    def _end_of_outage(self, proven: datetime) -> datetime:
        """Return when traffic began to flow; since *proven* no reading can have been stale.

        Earlier readings that showed the same, without a gap, count as well.  Traffic cannot have
        flowed before AWS answered the last change.
        """
        if self._flows_since is None:
            return proven
        answers = (
            intent.answered
            for intent in self._recorder.state.intents
            if intent.answered is not None
            and isinstance(intent.outcome, Performed)
            and not isinstance(intent.change, OperatorTask)
        )
        return min(proven, max((self._flows_since, *answers)))

    def _tunnels(self, observation: Observation) -> tuple[Record, ...]:
        few = degraded(observation.input)
        return () if few == self._recorder.state.shortages.degraded else (Degraded(few),)


FIRST_ANSWER = timedelta(seconds=3)
"""How long step 7 waits for the first result of each probe: one attempt, and a second to spare."""

SLICE = timedelta(seconds=0.2)

QUIET = timedelta(seconds=5)
"""Minimum time between two records: a probe that keeps changing must not fill the journal."""


class NoProbes:
    """Probes that are not sent: in a rehearsal, or without probes in the plan."""

    def begin(self, known: Iterable[ProbeStats]) -> None:
        pass

    def stats(self) -> tuple[ProbeStats, ...]:
        return ()

    def forget_counts(self) -> None:
        pass

    def end(self) -> None:
        pass


_NEW = (None, "")


def _result(stats: ProbeStats) -> tuple[bool | None, str]:
    return stats.works, stats.halted


def _unknown(stats: ProbeStats) -> ProbeStats:
    return ProbeStats(
        stats.probe, stats.sent, stats.lost, first_loss=stats.first_loss, last_loss=stats.last_loss
    )
