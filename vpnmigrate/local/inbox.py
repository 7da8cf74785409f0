"""Inbox: messages from other terminals to the process that runs a migration.

Only the process that holds the run writes its journal, so everybody else leaves a message.  A
message appears whole or not at all, and is removed only once what it says is durable elsewhere.

A disk that refuses to give a message away, or to show one, ends no run: what runs may be a cutover,
and whoever is not heard reads so in the journal.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from vpnmigrate.engine.ports import Journal
from vpnmigrate.errors import VpnMigrateError
from vpnmigrate.journal import confirmation_for_step, replay
from vpnmigrate.journal.orders import CONFIRMED_AFTER_ALL, Bare, acceptance, answer, answer_to
from vpnmigrate.journal.records import Noted, OperatorConfirmed, OrderDeclined, OrderVerb, Record
from vpnmigrate.local.private_files import FOLDER_MODE, sync_folder, write_whole
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.clock import time_of_day
from vpnmigrate.model.decoding import fault_of

_SUFFIX = ".json"

_ASIDE = ".rejected"


class _Message(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="message", kw_only=True
):
    at: datetime
    """When it was said: a word answers what was asked then."""
    who: str
    host: str


class DoneMessage(_Message, frozen=True, forbid_unknown_fields=True, tag="done", kw_only=True):
    """The task of a step is done."""

    step: int


class PauseMessage(_Message, frozen=True, forbid_unknown_fields=True, tag="pause", kw_only=True):
    """Rest at the next safe point, until somebody says to continue."""


class ContinueMessage(
    _Message, frozen=True, forbid_unknown_fields=True, tag="continue", kw_only=True
):
    """Rest no longer."""


class AbortMessage(_Message, frozen=True, forbid_unknown_fields=True, tag="abort", kw_only=True):
    """Give the attempt up at the next safe point."""

    unless_confirmed: bool = False
    """Said because nobody had confirmed, which somebody may have done in that very moment."""


class ConfirmMessage(
    _Message, frozen=True, forbid_unknown_fields=True, tag="confirm", kw_only=True
):
    """The migration is as it should be; nothing has to go back."""


class AcceptMessage(_Message, frozen=True, forbid_unknown_fields=True, tag="accept", kw_only=True):
    """Be content with fewer tunnels of these connections, new or old ones by id."""

    degraded: tuple[str, ...]
    reason: str


Order = PauseMessage | ContinueMessage | AbortMessage | ConfirmMessage
"""What says nothing but itself."""

Message = DoneMessage | Order | AcceptMessage


@dataclass(frozen=True)
class InboxMessage:
    """A message in its file; None is a file that says nothing we understand."""

    path: Path
    message: Message | None
    why: str = ""

    @property
    def id(self) -> str:
        """What tells this message from every other, across crashes."""
        return self.path.name.removesuffix(_SUFFIX)


class Inbox:
    """The messages left for one run."""

    def __init__(self, run: Run) -> None:
        self._folder = run.inbox

    def post(self, message: Message) -> str:
        """Leave *message* for the run's process, durably, and give its id.

        Raises:
            VpnMigrateError: The disk refuses.
        """
        stamp = message.at.strftime("%Y%m%dT%H%M%S.%fZ")
        id_ = f"{stamp}-{secrets.token_hex(4)}"
        path = self._folder / f"{id_}{_SUFFIX}"
        try:
            self._folder.mkdir(FOLDER_MODE, exist_ok=True)
            write_whole(path, msgspec.json.encode(message) + b"\n")
        except OSError as exc:
            raise VpnMigrateError(
                f"the message cannot be left in {self._folder}: {exc.strerror}",
                advice="see to the disk and its permissions, and say it again",
            ) from exc
        return id_

    def messages(self) -> Iterator[InboxMessage]:
        """Return what was left, oldest first."""
        if not self._folder.is_dir():
            return
        for path in sorted(self._folder.glob(f"[!.]*{_SUFFIX}")):
            try:
                yield InboxMessage(path, msgspec.json.decode(path.read_bytes(), type=Message))
            except (msgspec.DecodeError, UnicodeDecodeError) as exc:
                yield InboxMessage(path, None, fault_of(exc))
            except OSError as exc:
                yield InboxMessage(path, None, exc.strerror or "unreadable")

    def remove(self, letter: InboxMessage) -> None:
        """Forget *letter*: what it says is durable elsewhere."""
        letter.path.unlink(missing_ok=True)
        sync_folder(self._folder)

    def set_aside(self, letter: InboxMessage) -> None:
        """Keep *letter*'s file out of the way, for a person to look at."""
        letter.path.replace(letter.path.with_name(letter.path.name + _ASIDE))
        sync_folder(self._folder)


_VERBS: dict[type[Order], Bare] = {
    PauseMessage: OrderVerb.PAUSE,
    ContinueMessage: OrderVerb.CONTINUE,
    AbortMessage: OrderVerb.ABORT,
    ConfirmMessage: OrderVerb.CONFIRM,
}


class InboxReader:
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
            for letter in self._inbox.messages():
                match letter.message:
                    case DoneMessage() as done:
                        self._take_word(letter, done)
                    case AcceptMessage() as accept:
                        self._take_acceptance(letter, accept)
                    case None:
                        self._reject(letter, f"a message cannot be read: {letter.why}")
                    case order:
                        self._take_order(letter, order)

    def _take_order(self, letter: InboxMessage, order: Order) -> None:
        journal = self._journal
        if answer_to(letter.id, journal.entries) is None:
            state = replay(journal.entries)
            if isinstance(order, AbortMessage) and order.unless_confirmed and state.armed is None:
                why = CONFIRMED_AFTER_ALL
                record: Record = OrderDeclined(
                    OrderVerb.ABORT, why, order.who, order.host, letter.id
                )
            else:
                record = answer(_VERBS[type(order)], state, order.who, order.host, letter.id)
            journal.write(record)
        self._forget(letter)

    def _take_acceptance(self, letter: InboxMessage, said: AcceptMessage) -> None:
        journal = self._journal
        if answer_to(letter.id, journal.entries) is None:
            state = replay(journal.entries)
            lines = (said.reason, said.who, said.host, letter.id)
            journal.write(*acceptance(said.degraded, state, *lines))
        self._forget(letter)

    def _take_word(self, letter: InboxMessage, done: DoneMessage) -> None:
        journal = self._journal
        if answer_to(letter.id, journal.entries) is not None:
            self._forget(letter)
            return
        # A word answers what was asked when it was said, not what has come to be asked since.
        then = replay(entry for entry in journal.entries if entry.at <= done.at)
        now = replay(journal.entries)
        word = confirmation_for_step(done.step, then)
        if word is None or (then.direction, then.attempt) != (now.direction, now.attempt):
            said = f"{done.who} on {done.host} said that step {done.step} is done"
            self._reject(letter, f"{said}, which was not asked at {time_of_day(done.at)}")
            return
        journal.write(OperatorConfirmed(word, done.who, done.host, letter.id))
        self._forget(letter)

    def _forget(self, letter: InboxMessage) -> None:
        with self._noting(f"{letter.path.name} cannot be removed"):
            self._inbox.remove(letter)

    def _reject(self, letter: InboxMessage, why: str) -> None:
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
