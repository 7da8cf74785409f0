"""Damaged journals: a run never resumes from an altered, cut or missing line."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import accumulate

import pytest

from tests.local.conftest import ME, Opening
from tests.support.builders import MIGRATION
from tests.support.journals import OPENED, Story
from vpnmigrate.journal.chain import JournalHead, chained, genesis, read_chain
from vpnmigrate.journal.records import Noted
from vpnmigrate.local.journal_file import FileJournal, SystemDisk, read_journal
from vpnmigrate.local.lock import acquire_lock
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.errors import JournalDamagedError, JournalError

CHAIN = chained(Story().migrated().returned().finalized().entries, genesis(MIGRATION))
ENTRIES, TEXT, HEAD = CHAIN.entries, CHAIN.text, CHAIN.head
MARK = JournalHead(len(ENTRIES), HEAD)
LINES = TEXT.splitlines(keepends=True)
ENDS = list(accumulate(map(len, LINES)))
FLIPS = 10_000
LAST_RECORDS = 12
"""Lines at the end that are cut at every byte; more than the largest batch of intents."""


def flips(seed: int, count: int) -> Iterator[tuple[int, int]]:
    """Return a strategy for a byte and a bit."""
    draw = random.Random(seed)
    for _ in range(count):
        yield draw.randrange(len(TEXT)), draw.randrange(8)


@pytest.mark.no_cover
def test_no_flipped_bit_is_taken_for_the_journal() -> None:
    """A journal with a mark and any flipped bit is refused, also in the last line."""
    for place, bit in flips(1, FLIPS):
        flipped = bytearray(TEXT)
        flipped[place] ^= 1 << bit
        with pytest.raises(JournalError):
            read_chain(bytes(flipped), MIGRATION, mark=MARK)


@pytest.mark.no_cover
def test_a_flipped_bit_without_a_mark_can_only_hide_in_the_last_line() -> None:
    """A journal of an earlier version, which has no mark, still proves every line but its last."""
    last = len(TEXT) - len(LINES[-1])
    for place, bit in flips(2, FLIPS):
        flipped = bytearray(TEXT)
        flipped[place] ^= 1 << bit
        try:
            contents = read_chain(bytes(flipped), MIGRATION)
        except JournalError:
            continue
        assert place >= last - 1
        assert contents.entries[: len(ENTRIES) - 1] == ENTRIES[:-1]


@pytest.mark.no_cover
def test_cut_at_any_byte_an_acknowledged_journal_is_refused() -> None:
    """Any missing acknowledged line is detected, also if all lines are missing."""
    cuts = [0, *range(ENDS[-LAST_RECORDS - 1], len(TEXT))]
    for end in cuts:
        with pytest.raises(JournalDamagedError) as caught:
            read_chain(TEXT[:end], MIGRATION, mark=MARK)
        assert caught.value.line == TEXT.count(b"\n", 0, end) + 1


@pytest.mark.no_cover
def test_cut_at_any_byte_what_was_never_acknowledged_is_forgiven() -> None:
    """After a crash during a batch, the lines acknowledged before it are read."""
    acknowledged = len(LINES) - LAST_RECORDS
    before = JournalHead(acknowledged, chained(ENTRIES[:acknowledged], genesis(MIGRATION)).head)
    for end in range(ENDS[acknowledged - 1], len(TEXT)):
        contents = read_chain(TEXT[:end], MIGRATION, mark=before)

        whole = TEXT.count(b"\n", 0, end)
        assert contents.entries == ENTRIES[:whole]
        assert contents.torn == TEXT[contents.sound : end]


class TestTheMark:
    """The head file, which records how far the journal was acknowledged."""

    @pytest.fixture
    def written(self, run: Run, clock: VirtualClock) -> Run:
        """A run whose process wrote entries and exited cleanly."""
        lock = acquire_lock(run, clock, ME)
        journal = FileJournal.open(run, clock, lock)
        journal.write(OPENED, Noted("one"))
        journal.write(Noted("two"))
        journal.close()
        lock.release()
        return run

    def test_lines_that_an_old_copy_lacks_are_missed(self, written: Run, opening: Opening) -> None:
        """A journal restored from before the last acknowledged line is refused."""
        lines = written.journal.read_bytes().splitlines(keepends=True)
        written.journal.write_bytes(b"".join(lines[:-1]))

        with pytest.raises(JournalDamagedError, match="the last line is missing") as caught:
            opening()

        assert f"--take-over {written.holder}" in caught.value.advice_text
        assert str(written.plan) in caught.value.advice_text

    def test_a_vanished_journal_is_missed(self, written: Run, opening: Opening) -> None:
        """A run whose journal was removed does not start again from the beginning."""
        written.journal.unlink()

        with pytest.raises(JournalDamagedError, match="it is missing, with all its 3 lines"):
            opening()

    def test_an_altered_last_line_is_found(self, written: Run) -> None:
        """The mark proves the last line, which no other line proves."""
        text = written.journal.read_bytes()
        written.journal.write_bytes(text.replace(b'"two"', b'"six"'))

        with pytest.raises(JournalDamagedError, match="is not the acknowledged line"):
            read_journal(written)

    def test_a_journal_without_a_mark_is_read(self, written: Run, opening: Opening) -> None:
        """A journal of an earlier version has no mark; the next process creates one."""
        written.head.unlink()

        journal = opening()

        assert len(journal.entries) == 3
        assert not journal.lost
        assert written.head.exists()

    @pytest.mark.parametrize("text", [b"", b"garbage", b"000000000003 " + b"g" * 64 + b"\n"])
    def test_a_damaged_mark_is_told(self, written: Run, opening: Opening, text: bytes) -> None:
        """A damaged mark is refused: the operator decides whether to remove it."""
        written.head.write_bytes(text)

        with pytest.raises(JournalError, match=r"journal\.head is damaged") as caught:
            opening()

        assert caught.value.advice_text == (
            "if you know that the journal is complete, remove that file and run the same "
            "command again"
        )

    def test_an_older_mark_contradicts_nothing(self, written: Run, opening: Opening) -> None:
        """A power cut may leave an older mark, which proves less and is accepted."""
        older = written.head.read_bytes()
        first = opening()
        first.write(Noted("three"))
        written.head.write_bytes(older)

        assert len(read_journal(written).entries) == 4

    def test_a_mark_that_cannot_be_written_ends_the_writing(
        self, run: Run, opening: Opening
    ) -> None:
        """If the mark cannot be written, the write fails: an unproved line does not count."""

        class Unmarkable(SystemDisk):
            def overwrite(self, handle: int, text: bytes) -> None:
                raise OSError(5, "Input/output error")

        journal = opening(Unmarkable())

        with pytest.raises(JournalError, match="Input/output error"):
            journal.write(OPENED)

        assert journal.entries == ()
