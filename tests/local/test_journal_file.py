"""The journal file: writes are durable when they return, or fail."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from tests.local.conftest import ME, Opening
from tests.support.journals import OPENED, Story
from vpnmigrate.engine.ports import Journal
from vpnmigrate.journal.memory import MemoryJournal
from vpnmigrate.journal.records import Noted
from vpnmigrate.local.journal_file import FileJournal, SystemDisk, read_journal
from vpnmigrate.local.lock import Owner, acquire_lock
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.errors import JournalDamagedError, JournalError

STORY = Story().staged().records


class WatchedDisk(SystemDisk):
    """A real disk that records its calls, in order."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def append(self, handle: int, text: bytes) -> int:
        lines = text.count(b"\n")
        self.calls.append(f"append {lines}")
        return super().append(handle, text)

    def sync(self, handle: int) -> None:
        self.calls.append("sync")
        super().sync(handle)


class FailingDisk(SystemDisk):
    """A disk that fails to append or to sync from the *good*-th write on."""

    def __init__(self, *, good: int, code: int, at: str) -> None:
        self._left = good
        self._code = code
        self._at = at

    def append(self, handle: int, text: bytes) -> int:
        self._left -= 1
        if self._left < 0 and self._at == "append":
            raise OSError(self._code, os.strerror(self._code))
        if self._left < 0 and self._at == "half":
            return super().append(handle, text[: len(text) // 2])
        return super().append(handle, text)

    def sync(self, handle: int) -> None:
        if self._left < 0 and self._at == "sync":
            raise OSError(self._code, os.strerror(self._code))
        super().sync(handle)


class MeddlingDisk(SystemDisk):
    """A disk that runs a function once at *moment*, as if this process were suspended then."""

    def __init__(self, happening: Callable[[], None], moment: str = "") -> None:
        self.moment = moment
        self._happening = happening

    def append(self, handle: int, text: bytes) -> int:
        self._happen("before append")
        written = super().append(handle, text)
        self._happen("after append")
        return written

    def sync(self, handle: int) -> None:
        super().sync(handle)
        self._happen("after sync")

    def _happen(self, moment: str) -> None:
        if moment == self.moment:
            self.moment = ""
            self._happening()


class TestWriting:
    """Guarantees of ``write``."""

    def test_entries_are_numbered_and_timed(
        self, journal: FileJournal, clock: VirtualClock
    ) -> None:
        """Every record becomes an entry with the next number and the current time."""
        journal.write(*STORY[:2])
        journal.write(STORY[2])

        assert [entry.seq for entry in journal.entries] == [1, 2, 3]
        assert {entry.at for entry in journal.entries} == {clock.now()}
        assert [entry.record for entry in journal.entries] == STORY[:3]

    def test_several_records_are_one_append_and_one_sync(self, opening: Opening) -> None:
        """A batch of intents is durable as a whole before the first call can be sent."""
        disk = WatchedDisk()
        journal = opening(disk)

        journal.write(*STORY[:3])
        journal.write(STORY[3])

        assert disk.calls == ["append 3", "sync", "append 1", "sync"]

    def test_nothing_is_an_entry_before_it_is_durable(self, opening: Opening) -> None:
        """Until the disk has synced, the entry is not part of the journal."""
        seen: list[int] = []
        journal = opening(MeddlingDisk(lambda: seen.append(len(journal.entries)), "after append"))

        journal.write(OPENED)

        assert seen == [0]
        assert len(journal.entries) == 1

    def test_the_next_process_reads_what_was_written(self, run: Run, journal: FileJournal) -> None:
        """Other processes can read everything written while the run continues."""
        journal.write(*STORY)

        assert read_journal(run).entries == journal.entries

    def test_a_later_process_goes_on_with_the_chain(self, run: Run, clock: VirtualClock) -> None:
        """A second process appends to the first one's chain."""
        for record in STORY[:3]:
            lock = acquire_lock(run, clock, ME)
            journal = FileJournal.open(run, clock, lock)
            journal.write(record)
            journal.close()
            lock.release()

        assert [entry.record for entry in read_journal(run).entries] == STORY[:3]

    def test_files_are_private(self, run: Run, journal: FileJournal) -> None:
        """Only the owner can read the journal."""
        journal.write(OPENED)

        modes = {
            path.name: stat.S_IMODE(path.stat().st_mode) for path in [run.path, *run.path.iterdir()]
        }

        assert all(mode & 0o077 == 0 for mode in modes.values()), modes
        assert modes["journal.jsonl"] == 0o600
        assert modes[run.id] == 0o700

    def test_a_journal_is_not_written_through_a_link(self, run: Run, opening: Opening) -> None:
        """A journal that is a link is refused, whatever its target."""
        run.journal.symlink_to(run.path / "elsewhere")

        with pytest.raises(JournalError):
            opening()

        assert not (run.path / "elsewhere").exists()


class TestRefusing:
    """Errors of the disk."""

    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
    @pytest.mark.parametrize("at", ["append", "sync", "half"])
    def test_a_failed_write_is_an_error_and_the_last(
        self, run: Run, opening: Opening, code: int, at: str
    ) -> None:
        """A failed write is reported with advice, and nothing more is written after it."""
        journal = opening(FailingDisk(good=1, code=code, at=at))
        journal.write(OPENED)

        with pytest.raises(JournalError) as caught:
            journal.write(Noted("lost"))
        size = run.journal.stat().st_size
        with pytest.raises(JournalError) as again:
            journal.write(Noted("never tried"))

        assert str(run.journal) in caught.value.message
        assert caught.value.advice_text == (
            "check free space and permissions, then run the same command again: it resumes"
        )
        assert again.value is caught.value
        assert [entry.record for entry in journal.entries] == [OPENED]
        assert run.journal.stat().st_size == size

    def test_a_half_written_line_is_put_aside_by_the_next(
        self, run: Run, opening: Opening, clock: VirtualClock
    ) -> None:
        """After a full disk, the next process finds the valid lines, and a copy of the torn one."""
        full = FileJournal.open(
            run,
            clock,
            first := acquire_lock(run, clock, ME),
            FailingDisk(good=1, code=errno.ENOSPC, at="half"),
        )
        full.write(OPENED)
        with pytest.raises(JournalError, match=r"disk full\? Only \d+ of \d+ bytes"):
            full.write(Noted("half of this"))
        full.close()
        first.release()

        journal = opening()
        journal.write(Noted("whole"))

        torn = run.path / "journal.torn-1"
        assert str(torn) in journal.notice
        assert torn.read_bytes().startswith(b'{"v":2,"seq":2')
        assert [e.record for e in read_journal(run).entries] == [OPENED, Noted("whole")]

    def test_torn_lines_do_not_replace_each_other(
        self, run: Run, clock: VirtualClock, opening: Opening
    ) -> None:
        """A second torn line is kept in another file."""
        for text in (b"one", b"two"):
            lock = acquire_lock(run, clock, ME)
            FileJournal.open(run, clock, lock).close()
            lock.release()
            with run.journal.open("ab") as file:
                file.write(text)
        last = opening()

        assert (run.path / "journal.torn-1").read_bytes() == b"one"
        assert (run.path / "journal.torn-2").read_bytes() == b"two"
        assert last.entries == ()

    def test_a_damaged_journal_is_not_opened(
        self, run: Run, clock: VirtualClock, opening: Opening
    ) -> None:
        """A journal with damage in the middle is neither used nor repaired."""
        lock = acquire_lock(run, clock, ME)
        writer = FileJournal.open(run, clock, lock)
        writer.write(*STORY)
        writer.close()
        lock.release()
        damaged = run.journal.read_bytes().replace(b"alice", b"mallo", 1)
        run.journal.write_bytes(damaged)

        with pytest.raises(
            JournalDamagedError, match=r"journal\.jsonl is damaged at line 1"
        ) as caught:
            opening()

        assert caught.value.line == 1
        assert run.journal.read_bytes() == damaged

    def test_an_unreadable_journal_is_an_error(self, run: Run) -> None:
        """A journal that cannot be read does not count as empty."""
        run.journal.mkdir()

        with pytest.raises(JournalError, match="Is a directory"):
            read_journal(run)


class TestTakenOver:
    """A process that was suspended at any point, and whose run was taken over."""

    @pytest.mark.parametrize("moment", ["before append", "after append", "after sync"])
    def test_it_never_believes_its_write(
        self, run: Run, opening: Opening, clock: VirtualClock, moment: str
    ) -> None:
        """Its write fails, and the new owner's chain stays intact."""
        later: list[FileJournal] = []

        def take_over() -> None:
            later.append(opening(take_over=f"{ME.user}@{ME.host}/{ME.process}"))
            later[0].write(Noted("by the new owner"))

        disk = MeddlingDisk(take_over)
        old = opening(disk)
        old.write(OPENED)
        disk.moment = moment

        with pytest.raises(JournalError, match="taken over"):
            old.write(Noted("by the former owner"))
        with pytest.raises(JournalError):
            old.write(Noted("and again"))
        later[0].write(Noted("still the owner"))

        records = [entry.record for entry in read_journal(run).entries]
        assert records[0] == OPENED
        assert records[-2:] == [Noted("by the new owner"), Noted("still the owner")]
        assert Noted("and again") not in records

    def test_it_writes_nothing_once_it_knows(self, run: Run, opening: Opening) -> None:
        """A process whose nonce is gone does not write to the file."""
        old = opening()
        old.write(OPENED)
        new = opening(take_over=f"{ME.user}@{ME.host}/{ME.process}")
        before = run.journal.read_bytes()

        with pytest.raises(JournalError, match="taken over"):
            old.write(Noted("late"))

        assert run.journal.read_bytes() == before
        assert new.entries[0].record == OPENED

    def test_a_vanished_run_is_noticed(self, run: Run, journal: FileJournal) -> None:
        """A journal whose file was removed or replaced is not written any more."""
        journal.write(OPENED)
        run.journal.rename(run.path / "moved")
        run.journal.write_bytes((run.path / "moved").read_bytes())

        with pytest.raises(JournalError):
            journal.write(Noted("into nowhere"))


def test_memory_and_file_keep_the_same_entries(journal: FileJournal, clock: VirtualClock) -> None:
    """The journal of a rehearsal has the same interface as a real one, without its chain."""
    kept: list[Journal] = [journal, MemoryJournal(clock)]
    for each in kept:
        each.write(*STORY[:2])
        each.write()
        each.write(STORY[2])
        each.fold_inbox()

    assert [replace(each, prev="") for each in kept[0].entries] == [*kept[1].entries]
    assert MemoryJournal(clock, kept[0].entries).entries == kept[0].entries


def test_an_owner_is_named_as_take_over_wants_it(clock: VirtualClock) -> None:
    """The operator can type the owner's name as the refusal prints it."""
    assert Owner("alice", "laptop", 7, clock.now(), "n").name == "alice@laptop/7"
