"""Inbox: messages from other terminals to the process that runs a migration.

Only the process that holds the run's lock writes its journal, so other processes leave messages.
A message appears completely or not at all, and is removed only after its content is in the journal.

A disk error while a message is read or removed does not end the run, which may be in its cutover.
The journal notes the error.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec
from msgspec import Struct

from vpnmigrate.journal import confirmation_for_step, replay
from vpnmigrate.journal.orders import CONFIRMED_AFTER_ALL, Bare, acceptance, answer, answer_to
from vpnmigrate.journal.record_base import DeviceConfirmed
from vpnmigrate.journal.records import Noted, OperatorConfirmed, OrderDeclined, OrderVerb, Record
from vpnmigrate.local.private_files import FOLDER_MODE, sync_folder, write_whole
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.clock import time_of_day
from vpnmigrate.model.decoding import fault_of
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.errors import VpnMigrateError

if TYPE_CHECKING:
    from vpnmigrate.engine.ports import Journal

_SUFFIX = ".json"

_ASIDE = ".rejected"


class _Message(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="message", kw_only=True
):
    at: datetime
    """The time of the message: a confirmation is for the task that was open then."""
    who: str
    host: str


class DoneMessage(_Message, frozen=True, forbid_unknown_fields=True, tag="done", kw_only=True):
    """The task of a step is done, or the part of it at one device."""

    step: int
    connection: VpnConnectionId | None = None
    """The old connection to the device; None for the whole task."""
    of: tuple[VpnConnectionId, ...] = ()
    """The old connections whose devices have the task."""


class PauseMessage(_Message, frozen=True, forbid_unknown_fields=True, tag="pause", kw_only=True):
    """Pause at the next safe point, until a continue message."""


class ContinueMessage(
    _Message, frozen=True, forbid_unknown_fields=True, tag="continue", kw_only=True
):
    """End the pause."""


class AbortMessage(_Message, frozen=True, forbid_unknown_fields=True, tag="abort", kw_only=True):
    """Abort the attempt at the next safe point."""

    unless_confirmed: bool = False
    """Whether a missing confirmation is the reason; it may arrive at the same moment."""


class ConfirmMessage(
    _Message, frozen=True, forbid_unknown_fields=True, tag="confirm", kw_only=True
):
    """The migration is confirmed; no rollback is needed."""


class AcceptMessage(_Message, frozen=True, forbid_unknown_fields=True, tag="accept", kw_only=True):
    """Fewer tunnels of these connections are accepted; new or old connections by id."""

    degraded: tuple[str, ...]
    reason: str


Order = PauseMessage | ContinueMessage | AbortMessage | ConfirmMessage
"""Messages without further content."""

Message = DoneMessage | Order | AcceptMessage


class InboxMessage(Struct, frozen=True):
    """A message as it was left for a run; None if it cannot be understood."""

    id: str
    """The unique id of this message, which is stable across crashes."""
    message: Message | None
    why: str = ""


class MessageStore(Protocol):
    """Where the messages for one run are left."""

    @property
    def place(self) -> str:
        """The place in words for the operator."""
        ...

    def messages(self) -> Iterator[InboxMessage]:
        """Yield the messages, oldest first."""
        ...

    def remove(self, item: InboxMessage) -> None:
        """Remove *item*, whose content is in the journal."""
        ...

    def set_aside(self, item: InboxMessage) -> None:
        """Keep *item* for the operator, but do not yield it again."""
        ...


def message_id(message: Message) -> str:
    """Return a new unique id for *message*; later messages have greater ids."""
    return f"{message.at.strftime('%Y%m%dT%H%M%S.%fZ')}-{secrets.token_hex(4)}"


class Inbox:
    """The messages left for one run in its directory (``MessageStore``)."""

    def __init__(self, run: Run) -> None:
        self._folder = run.inbox

    @property
    def place(self) -> str:
        """The folder of the messages."""
        return str(self._folder)

    def post(self, message: Message) -> str:
        """Write *message* durably for the run's process, and return its id.

        Raises:
            VpnMigrateError: The file cannot be written.
        """
        id_ = message_id(message)
        path = self._path(id_)
        try:
            self._folder.mkdir(FOLDER_MODE, exist_ok=True)
            write_whole(path, msgspec.json.encode(message) + b"\n")
        except OSError as exc:
            raise VpnMigrateError(
                f"the message cannot be written to {self._folder}: {exc.strerror}",
                advice="check free space and permissions, and run the command again",
            ) from exc
        return id_

    def messages(self) -> Iterator[InboxMessage]:
        """Yield the messages, oldest first."""
        if not self._folder.is_dir():
            return
        for path in sorted(self._folder.glob(f"[!.]*{_SUFFIX}")):
            id_ = path.name.removesuffix(_SUFFIX)
            try:
                yield message_from(id_, path.read_bytes())
            except OSError as exc:
                yield InboxMessage(id_, None, exc.strerror or "unreadable")

    def remove(self, item: InboxMessage) -> None:
        """Remove *item*, whose content is in the journal."""
        self._path(item.id).unlink(missing_ok=True)
        sync_folder(self._folder)

    def set_aside(self, item: InboxMessage) -> None:
        """Rename the file of *item*, so that it is kept for the operator but not read again."""
        path = self._path(item.id)
        path.replace(path.with_name(path.name + _ASIDE))
        sync_folder(self._folder)

    def _path(self, id_: str) -> Path:
        return self._folder / f"{id_}{_SUFFIX}"


def message_from(id_: str, text: bytes) -> InboxMessage:
    """Return the message in *text*, or why it cannot be understood."""
    try:
        return InboxMessage(id_, msgspec.json.decode(text, type=Message))
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        return InboxMessage(id_, None, fault_of(exc))


_VERBS: dict[type[Order], Bare] = {
    PauseMessage: OrderVerb.PAUSE,
    ContinueMessage: OrderVerb.CONTINUE,
    AbortMessage: OrderVerb.ABORT,
    ConfirmMessage: OrderVerb.CONFIRM,
}


class InboxReader:
    """Reader that writes the messages of *inbox* into *journal*."""

    def __init__(self, inbox: MessageStore, journal: Journal) -> None:
        self._inbox = inbox
        self._journal = journal
        self._rejected: set[str] = set()

    def fold(self) -> None:
        """Journal the messages in the inbox, and remove them.

        A message that is left by a crash in between is recognised by its id the next time.

        Raises:
            JournalError: The journal could not be written.
        """
        with self._noting("messages cannot be read"):
            for item in self._inbox.messages():
                match item.message:
                    case DoneMessage() as done:
                        self._journal_confirmation(item, done)
                    case AcceptMessage() as accept:
                        self._journal_acceptance(item, accept)
                    case None:
                        self._reject(item, f"a message cannot be read: {item.why}")
                    case order:
                        self._journal_order(item, order)

    def _journal_order(self, item: InboxMessage, order: Order) -> None:
        journal = self._journal
        if answer_to(item.id, journal.entries) is None:
            state = replay(journal.entries)
            if (
                isinstance(order, AbortMessage)
                and order.unless_confirmed
                and state.confirm.armed is None
            ):
                why = CONFIRMED_AFTER_ALL
                record: Record = OrderDeclined(OrderVerb.ABORT, why, order.who, order.host, item.id)
            else:
                record = answer(_VERBS[type(order)], state, order.who, order.host, item.id)
            journal.write(record)
        self._remove(item)

    def _journal_acceptance(self, item: InboxMessage, given: AcceptMessage) -> None:
        journal = self._journal
        if answer_to(item.id, journal.entries) is None:
            state = replay(journal.entries)
            details = (given.reason, given.who, given.host, item.id)
            journal.write(*acceptance(given.degraded, state, *details))
        self._remove(item)

    def _journal_confirmation(self, item: InboxMessage, done: DoneMessage) -> None:
        journal = self._journal
        if answer_to(item.id, journal.entries) is not None:
            self._remove(item)
            return
        # The confirmation is for the task that was open at that time, not for a later one.
        then = replay(entry for entry in journal.entries if entry.at <= done.at)
        now = replay(journal.entries)
        confirmation = confirmation_for_step(done.step, then)
        if confirmation is None or (then.direction, then.attempt) != (now.direction, now.attempt):
            message = f"{done.who} on {done.host} reported step {done.step} as done"
            self._reject(item, f"{message}, but no task of it was open at {time_of_day(done.at)}")
            return
        if done.connection is None:
            journal.write(OperatorConfirmed(confirmation, done.who, done.host, item.id))
        else:
            record = DeviceConfirmed(
                confirmation, done.connection, done.of, done.who, done.host, item.id
            )
            journal.write(record)
        self._remove(item)

    def _remove(self, item: InboxMessage) -> None:
        with self._noting(f"{item.id} cannot be removed"):
            self._inbox.remove(item)

    def _reject(self, item: InboxMessage, why: str) -> None:
        if item.id not in self._rejected:
            self._rejected.add(item.id)
            self._journal.write(Noted(f"{why} (kept in {self._inbox.place})"))
        with self._noting(f"{item.id} cannot be set aside"):
            self._inbox.set_aside(item)

    @contextmanager
    def _noting(self, what: str) -> Iterator[None]:
        """Journal a disk error, each only once."""
        try:
            yield
        except OSError as exc:
            note = Noted(f"{self._inbox.place}: {what}: {exc.strerror}")
            if note not in (entry.record for entry in self._journal.entries):
                self._journal.write(note)
