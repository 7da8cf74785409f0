"""The runner's view of its journal: write, tell the observer, and know what it all amounts to."""

from __future__ import annotations

from collections.abc import Sequence

from vpnmigrate.admission import cutover_is_open
from vpnmigrate.belief import Intent
from vpnmigrate.errors import HeldError, InterruptedRunError, StepError, VpnMigrateError
from vpnmigrate.facts import Archive, WordGiven
from vpnmigrate.outcomes import Later, Performed, Refused
from vpnmigrate.ports import Journal, Observer
from vpnmigrate.records import Failed, Held, Interrupted, Record
from vpnmigrate.replay import RunState, replay


class Logbook:
    """A journal with the state that follows from it, replayed only when something was added."""

    def __init__(self, journal: Journal, observer: Observer) -> None:
        self._journal = journal
        self._observer = observer
        self._told = len(journal.entries)
        self._state = replay(journal.entries)

    @property
    def cutover_is_open(self) -> bool:
        """Whether a cutover was ever begun that no finished rollback has undone."""
        return cutover_is_open(self._journal.entries)

    @property
    def state(self) -> RunState:
        """What everything written so far amounts to."""
        return self._state

    def write(self, *records: Record) -> None:
        """Make *records* durable, then show them to the observer.

        Raises:
            JournalError: Nothing may be sent to AWS after that.
        """
        if records:
            self._journal.write(*records)
            self._catch_up()

    def fold_inbox(self) -> Sequence[str]:
        """Take in what other terminals said, and give their requests."""
        requests = self._journal.fold_inbox()
        self._catch_up()
        return requests

    def intents(self) -> tuple[Intent, ...]:
        """Give every change that was, or may have been, sent to AWS, in order."""
        return tuple(
            Intent(
                intent.change.fact,
                intent.change.arrived,
                intent.at,
                performed=isinstance(intent.outcome, Performed),
            )
            for intent in self._state.intents
            if not isinstance(intent.outcome, Refused | Later)
            and not isinstance(intent.change.fact, Archive | WordGiven)
        )

    def attempt_intents(self) -> tuple[Intent, ...]:
        """Give the intents since this attempt set out: what it did and may find undone."""
        since = self._state.attempt_since
        return tuple(i for i in self.intents() if since is not None and i.at >= since)

    def _catch_up(self) -> None:
        entries = self._journal.entries
        if len(entries) == self._told:
            return
        fresh = entries[self._told :]
        self._state = replay(fresh, self._state)
        for entry in fresh:
            self._observer.saw(entry)
        self._told = len(entries)


class written_down:  # noqa: N801  reads as a phrase after "with"
    """Write into the journal why a journey stopped, whatever stopped it."""

    def __init__(self, book: Logbook) -> None:
        self._book = book

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        book = self._book
        step = book.state.step
        match error:
            case HeldError():
                book.write(Held(error.message, step))
            case InterruptedRunError():
                book.write(Interrupted(error.message))
            case StepError():
                book.write(Failed(error.message, error.step, stuck=error.outage))
            case VpnMigrateError() if book.state.direction is not None:
                book.write(Failed(error.message, step, stuck=book.state.outage_open))
            case _:
                pass  # done, or a defect, which must not be dressed up as a known failure
