"""What other terminals said, written down once and then forgotten.

A disk that refuses to give a message away, or to show one, ends no run: what runs may be a cutover,
and whoever is not heard reads so in the journal.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vpnmigrate.engine.ports import Journal
from vpnmigrate.inbox import Abort, Accept, Confirm, Continue, Done, Inbox, Letter, Order, Pause
from vpnmigrate.journal.next_command import word_meant
from vpnmigrate.journal.orders import CONFIRMED_AFTER_ALL, Bare, acceptance, answer, answer_to
from vpnmigrate.journal.records import Declined, Noted, Record, Spoken, Verb
from vpnmigrate.journal.replay import replay
from vpnmigrate.model.clock import time_of_day
from vpnmigrate.rundir import Run

_VERBS: dict[type[Order], Bare] = {
    Pause: Verb.PAUSE,
    Continue: Verb.CONTINUE,
    Abort: Verb.ABORT,
    Confirm: Verb.CONFIRM,
}


class Hearing:
    """Takes the messages of *run* up into *journal*."""

    def __init__(self, run: Run, journal: Journal) -> None:
        self._folder = run.inbox
        self._inbox = Inbox(run)
        self._journal = journal
        self._rejected: set[str] = set()

    def fold(self) -> None:
        """Take up what lies in the inbox.

        A crash on the way leaves a message that is taken up again without harm.

        Raises:
            JournalError: It could not be written down.
        """
        with self._noting("nobody is heard"):
            for letter in self._inbox.letters():
                match letter.message:
                    case Done() as done:
                        self._take_word(letter, done)
                    case Accept() as accept:
                        self._take_acceptance(letter, accept)
                    case None:
                        self._reject(letter, f"a message cannot be read: {letter.why}")
                    case order:
                        self._take_order(letter, order)

    def _take_order(self, letter: Letter, order: Order) -> None:
        journal = self._journal
        if answer_to(letter.id, journal.entries) is None:
            state = replay(journal.entries)
            if isinstance(order, Abort) and order.unless_confirmed and state.armed is None:
                why = CONFIRMED_AFTER_ALL
                record: Record = Declined(Verb.ABORT, why, order.who, order.host, letter.id)
            else:
                record = answer(_VERBS[type(order)], state, order.who, order.host, letter.id)
            journal.write(record)
        self._forget(letter)

    def _take_acceptance(self, letter: Letter, said: Accept) -> None:
        journal = self._journal
        if answer_to(letter.id, journal.entries) is None:
            state = replay(journal.entries)
            told = (said.reason, said.who, said.host, letter.id)
            journal.write(*acceptance(said.degraded, state, *told))
        self._forget(letter)

    def _take_word(self, letter: Letter, done: Done) -> None:
        journal = self._journal
        if answer_to(letter.id, journal.entries) is not None:
            self._forget(letter)
            return
        # A word answers what was asked when it was said, not what has come to be asked since.
        then = replay(entry for entry in journal.entries if entry.at <= done.at)
        now = replay(journal.entries)
        word = word_meant(done.step, then)
        if word is None or (then.direction, then.attempt) != (now.direction, now.attempt):
            said = f"{done.who} on {done.host} said that step {done.step} is done"
            self._reject(letter, f"{said}, which was not asked at {time_of_day(done.at)}")
            return
        journal.write(Spoken(word, done.who, done.host, letter.id))
        self._forget(letter)

    def _forget(self, letter: Letter) -> None:
        with self._noting(f"{letter.path.name} cannot be removed"):
            self._inbox.remove(letter)

    def _reject(self, letter: Letter, why: str) -> None:
        if letter.id not in self._rejected:
            self._rejected.add(letter.id)
            self._journal.write(Noted(f"{why} (kept in {self._folder})"))
        with self._noting(f"{letter.path.name} cannot be set aside"):
            self._inbox.set_aside(letter)

    @contextmanager
    def _noting(self, what: str) -> Iterator[None]:
        """Note once what the disk refuses."""
        try:
            yield
        except OSError as exc:
            note = Noted(f"{self._folder}: {what}: {exc.strerror}")
            if note not in (entry.record for entry in self._journal.entries):
                self._journal.write(note)
