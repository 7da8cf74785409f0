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
from vpnmigrate.errors import JournalError
from vpnmigrate.journal.records import (
    Acceptable,
    Degraded,
    Flapped,
    Noted,
    OutageEnded,
    Probed,
    Record,
    TrafficVerified,
)
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.plan import Direction
from vpnmigrate.model.probes import ProbeEvent, ProbeStats, missed
from vpnmigrate.model.snapshot import Confirmation, Stability
from vpnmigrate.steps.traffic import (
    acceptable,
    degraded,
    destinations,
    is_stable,
    missing_traffic,
    update_stability,
)


class ProbeWatch:
    """Lets probes run beside a cutover; ended with the journey, whatever ends it."""

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
        """Begin to send, if that has not begun: the plan's probes and those of earlier processes.

        What an earlier process has seen says nothing about now, so each has to answer anew.
        """
        if self._sending:
            return
        self._sending = True
        earlier = self._recorder.state.probes
        texts = dict.fromkeys((*self._plan.decisions.probes, *earlier))
        known = (earlier.get(text, ProbeStats(text)) for text in texts)
        self._probes.begin([_unknown(stats) for stats in known])

    def take_baseline(self) -> None:
        """Write down which probes work; step 7 waits a moment for the first answer of each."""
        deadline = self._clock.now() + FIRST_ANSWER
        while any(not t.sent for t in self._probes.stats()) and self._clock.now() < deadline:
            self._clock.sleep(SLICE)
        stats = self._probes.stats()
        if stats:
            self._write(ProbeEvent.BEFORE, stats)
            self._probes.forget_counts()

    def watch(self) -> None:
        """Write down which probes answer again, or no more, if any do."""
        now = self._clock.now()
        if self._last is not None and now - self._last < QUIET:
            return
        news = [t for t in self._probes.stats() if _standing(t) != self._written.get(t.probe, _NEW)]
        if news:
            self._last = now
            self._write(ProbeEvent.NEWS, tuple(news))

    def end(self) -> None:
        """Send no more, and write the totals down if there is a cutover that they are about."""
        stats = self._probes.stats() if self._sending else ()
        self._probes.end()
        self._sending = False
        if stats and self._recorder.cutover_is_open:
            self._write(ProbeEvent.END, stats)

    @property
    def stats(self) -> tuple[ProbeStats, ...]:
        """How each probe stands now."""
        return self._probes.stats()

    def unanswered(self) -> tuple[str, ...]:
        """Return which probes have to work and do not.

        On the way back none has to: it asks for as little as it can.
        """
        if self._recorder.state.direction is Direction.ROLLBACK:
            return ()
        return missed(self.stats, self._recorder.state.proven_probes)

    def _write(self, moment: ProbeEvent, stats: tuple[ProbeStats, ...]) -> None:
        self._written |= {stats.probe: _standing(stats) for stats in stats}
        self._recorder.write(Probed(moment, stats))


class TrafficWatch:
    """Watches, look by look, whether the joining side lacks anything, and ends the outage."""

    def __init__(self, context: RunContext, state_reader: StateReader, probing: ProbeWatch) -> None:
        self._plan = context.plan
        self._recorder = context.recorder
        self._state_reader = state_reader
        self._probing = probing
        self._green: Stability | None = None
        self._held = False
        self._disabled = False
        self._short: frozenset[VpnConnectionId] = frozenset()
        self._short_since: datetime | None = None

    def reset(self) -> None:
        """Begin to count afresh."""
        self._green = None
        self._held = False
        self._short = frozenset()

    def watch(self, observation: Observation) -> Observation:
        """Take *look* into account, and give it with what the journal says after that."""
        self._begin_again_after_old_tunnels(observation)
        facts = replace(
            observation.journal_facts, green=self._green, unanswered=self._probing.unanswered()
        )
        observation = observation.with_facts(facts)
        lacking = missing_traffic(observation.input)
        self._green = update_stability(observation.input, lacking=bool(lacking))
        observation = observation.with_facts(replace(facts, green=self._green))
        verified = observation.journal_facts.verified is not None
        self._offer(observation)
        if lacking:
            if self._held and verified:
                self._recorder.write(Flapped(lacking[0]))
            self._held = False
            return observation
        if not is_stable(observation.input):
            return observation
        self._held = True
        self._recorder.write(
            *(() if verified else self._verified(observation)), *self._tunnels(observation)
        )
        unanswered = observation.journal_facts.unanswered
        facts = self._state_reader.journal_facts()
        return observation.with_facts(replace(facts, green=self._green, unanswered=unanswered))

    def _offer(self, observation: Observation) -> None:
        """Write down what somebody may accept, once that has been all that is lacking for a while.

        As long as green would have to hold: the second tunnel may come up right after the first.
        """
        found = acceptable(observation.input)
        short = frozenset(each.replaces for each in found)
        if short != self._short or self._short_since is None:
            self._short, self._short_since = short, observation.now.begun
        offered = frozenset(each.replaces for each in self._recorder.state.acceptable)
        held = observation.now.begun - self._short_since >= self._plan.decisions.waits.steady
        if short != offered and (held or not short):
            self._recorder.write(Acceptable(found))

    def _begin_again_after_old_tunnels(self, observation: Observation) -> None:
        """Ask for green anew once the old tunnels are off: a person may have hit the wrong ones."""
        disabled = Confirmation.OLD_TUNNELS_DISABLED in observation.journal_facts.words
        if disabled and not self._disabled:
            self.reset()
        self._disabled = disabled

    def _verified(self, observation: Observation) -> tuple[Record, ...]:
        green, state = self._green, self._recorder.state
        if green is None or green.since is None:
            message = "green that holds has a beginning"
            raise AssertionError(message)
        since = green.since
        elsewhere = destinations(observation.input).altered
        notes = [Noted(str(row)) for row in elsewhere]
        if not (state.outage_open and state.outage_since is not None):
            return (TrafficVerified(since), *notes)
        ended = OutageEnded(since, since - state.outage_since, state.outage_earlier)
        return (TrafficVerified(since), ended, *notes)

    def _tunnels(self, observation: Observation) -> tuple[Record, ...]:
        few = degraded(observation.input)
        return () if few == self._recorder.state.degraded else (Degraded(few),)


FIRST_ANSWER = timedelta(seconds=3)
"""How long step 7 waits to learn which probes work: one attempt of each, and a second to spare."""

SLICE = timedelta(seconds=0.2)

QUIET = timedelta(seconds=5)
"""Between two records of news: a probe that comes and goes must not fill the journal."""


class NoProbes:
    """Nothing is sent, and so nothing asked for."""

    def begin(self, known: Iterable[ProbeStats]) -> None:
        pass

    def stats(self) -> tuple[ProbeStats, ...]:
        return ()

    def forget_counts(self) -> None:
        pass

    def end(self) -> None:
        pass


_NEW = (None, "")


def _standing(stats: ProbeStats) -> tuple[bool | None, str]:
    return stats.works, stats.halted


def _unknown(stats: ProbeStats) -> ProbeStats:
    return ProbeStats(
        stats.probe, stats.sent, stats.lost, first_loss=stats.first_loss, last_loss=stats.last_loss
    )
