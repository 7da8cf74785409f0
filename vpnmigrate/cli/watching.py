"""Who watches a run: progress, log, and a memory of whether traffic hangs on this process."""

from __future__ import annotations

from datetime import timedelta
from functools import cache

from vpnmigrate.engine.ports import Observer
from vpnmigrate.journal.records import Entry, Finished, StepBegun
from vpnmigrate.model.plan import FIRST_OF_CUTOVER, LAST_OF_CUTOVER
from vpnmigrate.model.progress import Sighting
from vpnmigrate.model.redaction import Redaction


class Watch:
    """Hands everything on to *observers*, and knows whether steps 7 to 10 are under way.

    Why a step waits is redacted here: entries of the journal have been already.
    """

    def __init__(self, *observers: Observer, redaction: Redaction | None = None) -> None:
        self._observers = observers
        self._redaction = redaction or Redaction()
        self.cutting = False

    def saw(self, entry: Entry) -> None:
        """Take notice of *entry*."""
        match entry.record:
            case StepBegun(number=number, cleaning=cleaning):
                self.cutting = not cleaning and FIRST_OF_CUTOVER <= number <= LAST_OF_CUTOVER
            case Finished():
                self.cutting = False
            case _:
                pass  # no step begins or ends the cutover with it
        for observer in self._observers:
            observer.saw(entry)

    def waits(self, step: int, why: str, waited: timedelta, limit: timedelta) -> None:
        """Take notice of a look that found the goal not reached."""
        why = self._redaction.text(why)
        for observer in self._observers:
            observer.waits(step, why, waited, limit)

    def sees(self, sighting: Sighting) -> None:
        """Take notice of what a look in the cutover saw."""
        once = cache(sighting)
        for observer in self._observers:
            observer.sees(once)
