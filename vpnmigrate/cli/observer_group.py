"""Observer group: every event of a run to the screen, the log, the live file and the hooks."""

from __future__ import annotations

from datetime import timedelta
from functools import cache

from vpnmigrate.engine.ports import Observer
from vpnmigrate.journal.records import Entry, Finished, StepBegun
from vpnmigrate.model.plan import FIRST_OF_CUTOVER, LAST_OF_CUTOVER
from vpnmigrate.model.progress import Sighting, Unreadable
from vpnmigrate.model.redaction import Redaction


class ObserverGroup:
    """Passes every event to *observers*, and keeps whether steps 7 to 10 are under way.

    The reason of a wait is redacted here; journal entries are redacted already.
    """

    def __init__(self, *observers: Observer, redaction: Redaction | None = None) -> None:
        self._observers = observers
        self._redaction = redaction or Redaction()
        self.cutting = False

    def on_entry(self, entry: Entry) -> None:
        """Pass *entry* on."""
        match entry.record:
            case StepBegun(number=number, cleaning=cleaning):
                self.cutting = not cleaning and FIRST_OF_CUTOVER <= number <= LAST_OF_CUTOVER
            case Finished():
                self.cutting = False
            case _:
                pass  # Other records neither begin nor end the cutover.
        for observer in self._observers:
            observer.on_entry(entry)

    def on_wait(self, step: int, why: str, waited: timedelta, limit: timedelta) -> None:
        """Pass on that an observation found the goal not reached."""
        why = self._redaction.text(why)
        for observer in self._observers:
            observer.on_wait(step, why, waited, limit)

    def on_view(self, sighting: Sighting) -> None:
        """Pass on what was observed in the cutover."""
        once = cache(sighting)
        for observer in self._observers:
            observer.on_view(once)

    def on_reading(self, unreadable: Unreadable | None) -> None:
        """Pass on whether AWS can be read."""
        if unreadable is not None:
            unreadable = Unreadable(unreadable.since, self._redaction.text(unreadable.why))
        for observer in self._observers:
            observer.on_reading(unreadable)
