"""Replay: journal entries folded into the state of the run, quick also for a long journal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from msgspec.structs import replace

from vpnmigrate.journal.growing import Intents
from vpnmigrate.journal.outage import INTERRUPTING, cancel_outage
from vpnmigrate.journal.records import Answered, Entry, Intended
from vpnmigrate.journal.state import Intent, RunState
from vpnmigrate.journal.transitions import intents_of, state_after, unanswered, working
from vpnmigrate.model.changes import ArchiveConfiguration
from vpnmigrate.model.plan import FIRST_OF_CUTOVER, LAST_OF_CUTOVER


def replay(entries: Iterable[Entry], start: RunState | None = None) -> RunState:
    """Return the state after *entries*, oldest first, applied to *start* or a new state."""
    so_far = Replay(start)
    so_far.add(entries)
    return so_far.state


class Replay:
    """A replay in progress.

    Nearly all entries of a long journal are intents and answers within one step.  Most of them
    alter only the list of intents, so no state is made for each of these: ``state`` has them all.
    """

    def __init__(self, start: RunState | None = None) -> None:
        """Continue from *start*, or from a new state."""
        self._state = start or RunState()
        self._pending: Intents | None = None
        self._plain: set[int] = set()
        """Steps of which each intent only adds itself to this state."""
        self._outage_stays = False
        """Whether no answer of another step ends the open outage."""

    @property
    def state(self) -> RunState:
        """The state after all entries so far."""
        if self._pending is not None:
            self._state = replace(self._state, intents=self._pending)
            self._pending = None
        return self._state

    @property
    def beside_intents(self) -> RunState:
        """The state after all entries so far; the latest intents may be missing in it."""
        return self._state

    def add(self, entries: Iterable[Entry]) -> None:
        """Continue with *entries*."""
        for _ in self.turns(entries):
            pass

    def turns(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Continue with *entries*; yield each that alters more than the list of intents.

        An intent waits for the next entry, which is mostly its answer: then one value has both.
        """
        waiting: Intent | None = None
        for entry in entries:
            record, asked = entry.record, waiting
            waiting = None
            if asked is not None:
                if (
                    self._outage_stays
                    and isinstance(record, Answered)
                    and record.intent == asked.number
                    and type(asked.change) is not ArchiveConfiguration
                ):
                    answer = replace(asked, outcome=record.outcome, answered=entry.at)
                    self._intents().append(answer)
                    continue
                self._intents().append(asked)
            if isinstance(record, Intended) and (record.step in self._plain or self._takes(record)):
                waiting = unanswered(record, entry.at)
            elif not (isinstance(record, Answered) and self._answers(record, entry.at)):
                self._begin(state_after(self.state, entry))
                yield entry
        if waiting is not None:
            self._intents().append(waiting)

    def _begin(self, state: RunState) -> None:
        self._state = state
        self._pending = None
        self._plain.clear()
        self._outage_stays = False

    def _intents(self) -> Intents:
        if self._pending is None:
            self._pending = intents_of(self._state).own()
        return self._pending

    def _takes(self, intended: Intended) -> bool:
        """Return whether *intended*, and so each of its step, only adds its intent to the state."""
        state, step = self._state, intended.step
        if step in INTERRUPTING or working(state) is not state:
            return False
        cutting = state.cutover_begun and (state.cutover_open or step > LAST_OF_CUTOVER)
        if step < FIRST_OF_CUTOVER or cutting:
            self._plain.add(step)
        return step in self._plain

    def _answers(self, answered: Answered, at: datetime) -> bool:
        """Add the answer and return True, if it alters nothing but its intent."""
        intents = self._intents()
        place = intents.place_of(answered.intent)
        if place is None:
            return False
        asked = intents.at(place)
        if asked.step in INTERRUPTING or isinstance(asked.change, ArchiveConfiguration):
            return False
        if not self._outage_stays:
            if cancel_outage(self.state) is not self._state:
                return False
            self._outage_stays = True
            intents = self._intents()
        intents.answer(place, replace(asked, outcome=answered.outcome, answered=at))
        return True
