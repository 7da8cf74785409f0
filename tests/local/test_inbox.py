"""Inbox: messages are read in order, once, and removed only when they are durable."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.builders import a_run
from tests.support.journals import OPENED, ask
from vpnmigrate.journal import replay
from vpnmigrate.journal.orders import CONFIRMED_AFTER_ALL
from vpnmigrate.journal.records import (
    AbortAsked,
    Armed,
    Continued,
    DirectionTaken,
    Finished,
    Intended,
    Noted,
    OperatorConfirmed,
    OrderDeclined,
    OrderVerb,
    Paused,
    Record,
    StepBegun,
    TrafficVerified,
)
from vpnmigrate.local.inbox import (
    AbortMessage,
    AcceptMessage,
    ConfirmMessage,
    ContinueMessage,
    DoneMessage,
    Inbox,
    PauseMessage,
)
from vpnmigrate.local.journal_file import FileJournal, SystemDisk, read_journal
from vpnmigrate.local.lock import ProcessIdentity, acquire_lock
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.errors import JournalError, VpnMigrateError
from vpnmigrate.model.plan import Direction
from vpnmigrate.model.snapshot import Confirmation

FORWARD = DirectionTaken(Direction.FORWARD, 1)
TASK = Intended(1, 5, ask(5, Confirmation.DEVICES_CONFIGURED))
MINUTE = timedelta(minutes=1)


class FragileDisk(SystemDisk):
    """A real disk that fails to sync while it is *broken*."""

    broken = False

    def sync(self, handle: int) -> None:
        if self.broken:
            raise OSError(5, os.strerror(5))
        super().sync(handle)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run that was just started."""
    return a_run(tmp_path / "runs")


@pytest.fixture
def clock() -> VirtualClock:
    """The clock of all processes."""
    return VirtualClock()


@pytest.fixture
def disk() -> FragileDisk:
    """The disk of the journal."""
    return FragileDisk()


@pytest.fixture
def journal(run: Run, clock: VirtualClock, disk: FragileDisk) -> Iterator[FileJournal]:
    """The journal of a run that went forward."""
    lock = acquire_lock(run, clock, ProcessIdentity("alice", "laptop", 1))
    journal = FileJournal.open(run, clock, lock, disk)
    journal.write(OPENED, FORWARD)
    yield journal
    journal.close()
    lock.release()


@pytest.fixture
def inbox(run: Run) -> Inbox:
    """The run's inbox."""
    return Inbox(run)


def done(clock: VirtualClock, step: int) -> DoneMessage:
    """Return a message that *step* is done now."""
    return DoneMessage(at=clock.now(), who="bob", host="desk", step=step)


def confirmations(journal: FileJournal) -> list[Confirmation]:
    """Return the confirmations in a journal, in order."""
    return [
        e.record.confirmation for e in journal.entries if isinstance(e.record, OperatorConfirmed)
    ]


def notes(journal: FileJournal) -> list[str]:
    """Return the notes in a journal."""
    return [e.record.what for e in journal.entries if isinstance(e.record, Noted)]


def test_a_word_is_written_down_and_forgotten(
    journal: FileJournal, inbox: Inbox, clock: VirtualClock, run: Run
) -> None:
    """``done STEP`` becomes a durable confirmation with its operator; the message is removed."""
    inbox.post(done(clock, 5))

    journal.fold_inbox()
    last = read_journal(run).entries[-1].record
    assert isinstance(last, OperatorConfirmed)
    assert (last.confirmation, last.who, last.host) == (
        Confirmation.DEVICES_CONFIGURED,
        "bob",
        "desk",
    )
    assert list(run.inbox.iterdir()) == []


def test_words_are_taken_in_the_order_they_were_said(
    journal: FileJournal, inbox: Inbox, clock: VirtualClock
) -> None:
    """Messages are read in the order in which they were sent."""
    for step in (6, 5, 10):
        clock.sleep(MINUTE)
        inbox.post(done(clock, step))

    journal.fold_inbox()

    assert confirmations(journal) == [
        Confirmation.TEST_PASSED,
        Confirmation.DEVICES_CONFIGURED,
        Confirmation.NEW_TUNNELS_ENABLED,
    ]


def test_an_order_is_written_down_once(
    journal: FileJournal, inbox: Inbox, clock: VirtualClock, run: Run
) -> None:
    """A pause becomes durable with its operator and message id, and is not a confirmation."""
    message_id = inbox.post(PauseMessage(at=clock.now(), who="bob", host="desk"))

    journal.fold_inbox()
    journal.fold_inbox()

    assert read_journal(run).entries[-1].record == Paused("bob", "desk", message_id)
    assert list(run.inbox.iterdir()) == []
    assert confirmations(journal) == []


def test_an_order_taken_up_before_a_crash_is_not_taken_up_again(
    journal: FileJournal, inbox: Inbox, clock: VirtualClock, run: Run
) -> None:
    """After a crash between journalling and removal, the message is not journalled again."""
    message_id = inbox.post(PauseMessage(at=clock.now(), who="bob", host="desk"))
    journal.write(Paused("bob", "desk", message_id), Continued("bob", "desk"))

    journal.fold_inbox()

    assert replay(journal.entries).order is None
    assert list(run.inbox.iterdir()) == []


def test_an_acceptance_is_answered_once(
    journal: FileJournal, inbox: Inbox, clock: VirtualClock, run: Run
) -> None:
    """After a crash between answer and removal, the message is not answered again."""
    few = AcceptMessage(
        at=clock.now(), who="bob", host="desk", degraded=("vpn-new",), reason="it will do"
    )
    inbox.post(few)
    (message,) = run.inbox.iterdir()
    text = message.read_bytes()
    journal.fold_inbox()
    answered = journal.entries
    message.write_bytes(text)

    journal.fold_inbox()

    assert isinstance(answered[-1].record, OrderDeclined)
    assert journal.entries == answered
    assert list(run.inbox.iterdir()) == []


def test_an_order_that_makes_no_sense_is_declined_with_the_reason(
    journal: FileJournal, inbox: Inbox, clock: VirtualClock
) -> None:
    """A declined order is answered with the reason."""
    message_id = inbox.post(ContinueMessage(at=clock.now(), who="bob", host="desk"))

    journal.fold_inbox()

    why = "it is neither paused nor aborted"
    assert journal.entries[-1].record == OrderDeclined(
        OrderVerb.CONTINUE, why, "bob", "desk", message_id
    )


@pytest.mark.parametrize("confirmed", [True, False])
def test_who_confirms_in_the_last_second_is_not_turned_back(
    journal: FileJournal, inbox: Inbox, clock: VirtualClock, confirmed: bool
) -> None:
    """An abort of the watchdog that crosses a confirmation is declined."""
    journal.write(Armed(15 * MINUTE, 1, "desk"), TrafficVerified(clock.now()))
    if confirmed:
        inbox.post(ConfirmMessage(at=clock.now(), who="bob", host="desk"))
    clock.sleep(timedelta(seconds=1))
    message_id = inbox.post(
        AbortMessage(at=clock.now(), who="dog", host="desk", unless_confirmed=True)
    )

    journal.fold_inbox()

    state = replay(journal.entries)
    why = CONFIRMED_AFTER_ALL
    declined = OrderDeclined(OrderVerb.ABORT, why, "dog", "desk", message_id)
    asked = AbortAsked("dog", "desk", message_id)
    assert (state.order is None, state.confirm.armed is None) == (confirmed, confirmed)
    assert journal.entries[-1].record == (declined if confirmed else asked)


def test_a_message_survives_a_journal_that_fails(
    run: Run, journal: FileJournal, inbox: Inbox, clock: VirtualClock, disk: FragileDisk
) -> None:
    """A message is kept if the journal cannot be written."""
    inbox.post(done(clock, 5))
    disk.broken = True

    with pytest.raises(JournalError):
        journal.fold_inbox()

    assert len(list(run.inbox.iterdir())) == 1


def test_a_message_that_outlived_a_crash_is_taken_once(
    run: Run, journal: FileJournal, inbox: Inbox, clock: VirtualClock
) -> None:
    """After a crash between journalling and removal, the confirmation is not journalled again."""
    inbox.post(done(clock, 10))
    (message,) = run.inbox.iterdir()
    text = message.read_bytes()
    journal.fold_inbox()
    message.write_bytes(text)
    journal.write(TrafficVerified(clock.now()))

    journal.fold_inbox()

    assert confirmations(journal) == [Confirmation.NEW_TUNNELS_ENABLED]
    assert list(run.inbox.iterdir()) == []


def test_a_word_answers_what_was_asked_when_it_was_said(
    journal: FileJournal, inbox: Inbox, clock: VirtualClock
) -> None:
    """A message from before traffic was verified never confirms that old tunnels are disabled."""
    clock.sleep(MINUTE)
    inbox.post(done(clock, 10))
    clock.sleep(MINUTE)
    journal.write(StepBegun(10, "Switch"), TrafficVerified(clock.now()))

    journal.fold_inbox()
    early = confirmations(journal)
    clock.sleep(MINUTE)
    inbox.post(done(clock, 10))
    journal.fold_inbox()

    assert early == [Confirmation.NEW_TUNNELS_ENABLED]
    assert confirmations(journal)[1:] == [Confirmation.OLD_TUNNELS_DISABLED]


@pytest.mark.parametrize(
    ("since", "step"),
    [
        ([], 8),
        ([Finished(Direction.FORWARD), DirectionTaken(Direction.ROLLBACK, 1)], 5),
    ],
)
def test_a_word_that_nobody_asked_for_is_set_aside(
    run: Run,
    journal: FileJournal,
    inbox: Inbox,
    clock: VirtualClock,
    since: list[Record],
    step: int,
) -> None:
    """A confirmation of a step without an open task is set aside and noted."""
    journal.write(*since)
    inbox.post(done(clock, step))

    journal.fold_inbox()

    assert confirmations(journal) == []
    assert f"reported step {step} as done, but no task of it was open" in notes(journal)[0]
    assert [path.suffix for path in run.inbox.iterdir()] == [".rejected"]


def test_a_word_for_an_earlier_direction_is_set_aside(
    journal: FileJournal, inbox: Inbox, clock: VirtualClock
) -> None:
    """A confirmation from before the rollback does not count in the rollback."""
    clock.sleep(MINUTE)
    inbox.post(done(clock, 10))
    clock.sleep(MINUTE)
    journal.write(DirectionTaken(Direction.ROLLBACK, 1))

    journal.fold_inbox()

    assert confirmations(journal) == []
    assert len(notes(journal)) == 1


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe",
        b"done 5",
        b'{"message":"done","step":"five","who":"x","host":"y","at":"2026-01-17T02:00:00Z"}',
        b'{"message":"reboot","who":"x","host":"y","at":"2026-01-17T02:00:00Z"}',
        b'{"message":"done","step":5,"who":"x","host":"y","at":"2026-01-17T02:00:00Z","more":1}',
    ],
)
def test_a_malformed_message_is_moved_aside_and_noted(
    run: Run, journal: FileJournal, inbox: Inbox, clock: VirtualClock, text: bytes
) -> None:
    """An unreadable message is kept for the operator, and does not block others."""
    broken = run.inbox / "20250101T000000.000000Z-00000000.json"
    broken.write_bytes(text)
    inbox.post(done(clock, 5))

    journal.fold_inbox()
    journal.fold_inbox()

    assert len(notes(journal)) == 1
    assert confirmations(journal) == [Confirmation.DEVICES_CONFIGURED]
    assert [path.name for path in run.inbox.iterdir()] == [broken.name + ".rejected"]
    assert (run.inbox / (broken.name + ".rejected")).read_bytes() == text


def test_half_a_message_is_no_message(run: Run, journal: FileJournal, inbox: Inbox) -> None:
    """A message that is being written is not read before it is complete."""
    (run.inbox / ".20260117T020000.000000Z-00000000.json.abcd").write_bytes(b'{"mess')

    assert list(inbox.messages()) == []
    journal.fold_inbox()


def test_messages_are_private(run: Run, inbox: Inbox, clock: VirtualClock) -> None:
    """Only the owner can read the inbox and its messages."""
    inbox.post(done(clock, 5))

    modes = {stat.S_IMODE(path.stat().st_mode) for path in run.inbox.iterdir()}

    assert modes == {0o600}
    assert stat.S_IMODE(run.inbox.stat().st_mode) == 0o700


def test_an_inbox_that_cannot_be_written_is_told(run: Run, clock: VirtualClock) -> None:
    """A message that cannot be written is an error."""
    run.inbox.rmdir()
    run.inbox.write_bytes(b"")

    with pytest.raises(VpnMigrateError, match="cannot be written"):
        Inbox(run).post(done(clock, 5))


def test_a_word_ends_the_waiting(journal: FileJournal, inbox: Inbox, clock: VirtualClock) -> None:
    """A confirmation from another terminal ends the wait of the run."""
    journal.write(StepBegun(5, "Configure the devices"), TASK)
    inbox.post(done(clock, 5))
    before = replay(journal.entries).task
    journal.fold_inbox()

    assert before is not None
    assert replay(journal.entries).task is None


def test_a_message_that_cannot_be_removed_is_heard_once(
    run: Run, journal: FileJournal, inbox: Inbox, clock: VirtualClock
) -> None:
    """A message that cannot be removed neither ends the run nor is journalled twice.

    A folder stands in for a message that cannot be removed, and for one that cannot be read.
    """
    inbox.post(done(clock, 5))
    stubborn = run.inbox / "20250101T000000.000000Z-00000000.json"
    stubborn.mkdir()
    (run.inbox / (stubborn.name + ".rejected")).write_bytes(b"in the way")

    journal.fold_inbox()
    journal.fold_inbox()
    found = notes(journal)
    for _ in range(3):
        journal.fold_inbox()

    assert confirmations(journal) == [Confirmation.DEVICES_CONFIGURED]
    assert any("cannot be set aside" in note for note in found)
    assert notes(journal) == found


def test_many_terminals_at_once_lose_no_word(run: Run, journal: FileJournal) -> None:
    """Messages of several terminals at the same time are each journalled once.

    Threads of this process write the messages; they share nothing but the file system.
    """
    kinds = (PauseMessage, ContinueMessage, AbortMessage)
    moment = journal.entries[-1].at

    def send(terminal: int) -> list[str]:
        return [
            Inbox(run).post(
                kinds[(terminal + n) % len(kinds)](at=moment + n * MINUTE, who="bob", host="desk")
            )
            for n in range(25)
        ]

    with ThreadPoolExecutor(8) as pool:
        talk = [pool.submit(send, terminal) for terminal in range(8)]
        while not all(each.done() for each in talk):
            journal.fold_inbox()
    journal.fold_inbox()

    said = sorted(message_id for each in talk for message_id in each.result())
    heard = [getattr(entry.record, "message", None) for entry in read_journal(run).entries]
    assert sorted(filter(None, heard)) == said
    assert list(run.inbox.iterdir()) == []
