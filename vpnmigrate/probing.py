"""The probes of a run: sent from before step 7 to the end of step 10, and written down."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from vpnmigrate.errors import JournalError
from vpnmigrate.journal.records import Probed
from vpnmigrate.logbook import Logbook
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.plan import Direction, Plan
from vpnmigrate.model.probes import Moment, Tally, missed
from vpnmigrate.ports import Probes

FIRST_ANSWER = timedelta(seconds=3)
"""How long step 7 waits to learn which probes work: one attempt of each, and a second to spare."""
SLICE = timedelta(seconds=0.2)
QUIET = timedelta(seconds=5)
"""Between two records of news: a probe that comes and goes must not fill the journal."""


class NoProbes:
    """Nothing is sent, and so nothing asked for."""

    def begin(self, known: Iterable[Tally]) -> None:
        pass

    def tallies(self) -> tuple[Tally, ...]:
        return ()

    def forget_counts(self) -> None:
        pass

    def end(self) -> None:
        pass


class Probing:
    """Lets probes run beside a cutover; ended with the journey, whatever ends it."""

    def __init__(self, plan: Plan, probes: Probes, logbook: Logbook, clock: Clock) -> None:
        self._plan = plan
        self._probes = probes
        self._logbook = logbook
        self._clock = clock
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
        earlier = self._logbook.state.probes
        texts = dict.fromkeys((*self._plan.decisions.probes, *earlier))
        known = (earlier.get(text, Tally(text)) for text in texts)
        self._probes.begin([_unknown(tally) for tally in known])

    def take_baseline(self) -> None:
        """Write down which probes work; step 7 waits a moment for the first answer of each."""
        deadline = self._clock.now() + FIRST_ANSWER
        while any(not t.sent for t in self._probes.tallies()) and self._clock.now() < deadline:
            self._clock.sleep(SLICE)
        tallies = self._probes.tallies()
        if tallies:
            self._write(Moment.BEFORE, tallies)
            self._probes.forget_counts()

    def watch(self) -> None:
        """Write down which probes answer again, or no more, if any do."""
        now = self._clock.now()
        if self._last is not None and now - self._last < QUIET:
            return
        news = [
            t for t in self._probes.tallies() if _standing(t) != self._written.get(t.probe, _NEW)
        ]
        if news:
            self._last = now
            self._write(Moment.NEWS, tuple(news))

    def end(self) -> None:
        """Send no more, and write the totals down if there is a cutover that they are about."""
        tallies = self._probes.tallies() if self._sending else ()
        self._probes.end()
        self._sending = False
        if tallies and self._logbook.cutover_is_open:
            self._write(Moment.END, tallies)

    @property
    def tallies(self) -> tuple[Tally, ...]:
        """How each probe stands now."""
        return self._probes.tallies()

    def unanswered(self) -> tuple[str, ...]:
        """Say which probes have to work and do not.

        On the way back none has to: it asks for as little as it can.
        """
        if self._logbook.state.direction is Direction.BACK:
            return ()
        return missed(self.tallies, self._logbook.state.proven_probes)

    def _write(self, moment: Moment, tallies: tuple[Tally, ...]) -> None:
        self._written |= {tally.probe: _standing(tally) for tally in tallies}
        self._logbook.write(Probed(moment, tallies))


_NEW = (None, "")


def _standing(tally: Tally) -> tuple[bool | None, str]:
    return tally.works, tally.halted


def _unknown(tally: Tally) -> Tally:
    return Tally(
        tally.probe, tally.sent, tally.lost, first_loss=tally.first_loss, last_loss=tally.last_loss
    )
