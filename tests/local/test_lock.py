"""Lock of a run: other processes are refused, with the owner and how to take over."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.builders import a_run
from vpnmigrate.journal.records import Noted
from vpnmigrate.local.journal_file import FileJournal, read_journal
from vpnmigrate.local.lock import (
    ProcessIdentity,
    RunLock,
    acquire_lock,
    is_held,
    owner_at_work,
    this_process,
)
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.clock import SteadyClock, VirtualClock
from vpnmigrate.model.errors import LockedError, VpnMigrateError

ROOT = Path(__file__).parents[2]
ALICE = ProcessIdentity("alice", "laptop", os.getpid())
BOB = ProcessIdentity("bob", "laptop", os.getpid())
ELSEWHERE = ProcessIdentity("carol", "desk", 1)

OTHER_PROCESS = """
import sys
from pathlib import Path
from vpnmigrate.model.clock import SteadyClock
from vpnmigrate.model.errors import VpnMigrateError
from vpnmigrate.local.journal_file import FileJournal
from vpnmigrate.local.lock import this_process, acquire_lock
from vpnmigrate.journal.records import Noted
from vpnmigrate.local.run_directory import Run

run, clock = Run(Path(sys.argv[1])), SteadyClock()
try:
    lock = acquire_lock(run, clock, this_process("dave", "laptop"))
    journal = FileJournal.open(run, clock, lock)
    for order in sys.stdin:
        journal.write(Noted(order.strip()))
        print("written", flush=True)
except VpnMigrateError as error:
    print(type(error).__name__, error.message, flush=True)
"""

Start = Callable[[], "subprocess.Popen[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run that was just started."""
    return a_run(tmp_path / "runs")


@pytest.fixture
def clock() -> VirtualClock:
    """The clock of this process."""
    return VirtualClock()


@pytest.fixture
def start(run: Run) -> Iterator[Start]:
    """Start other processes that journal a note for every line they receive."""
    with ExitStack() as stack:

        def start_() -> subprocess.Popen[str]:
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", OTHER_PROCESS, str(run.path)],
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(process.kill)
            return process

        yield start_


def send(process: subprocess.Popen[str], order: str) -> None:
    """Send *order* to a process."""
    assert process.stdin is not None
    process.stdin.write(order + "\n")
    process.stdin.flush()


def reply(process: subprocess.Popen[str]) -> str:
    """Return the next line that a process prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


class TestHolding:
    """Ordinary use."""

    def test_a_second_taker_is_told_who_and_since_when(self, run: Run, clock: VirtualClock) -> None:
        """A refusal names user, host, process and age, and both options."""
        first = acquire_lock(run, clock, ALICE)
        clock.sleep(timedelta(minutes=95))

        with pytest.raises(LockedError) as caught:
            acquire_lock(run, clock, BOB)

        name = f"alice@laptop/{os.getpid()}"
        assert caught.value.message == (
            f"run {run.id} is locked by alice on laptop, process {os.getpid()}, "
            "since 2026-01-17 02:00:00Z (1 h 35 min)"
        )
        assert "wait" in caught.value.advice_text
        assert f"--take-over {name}" in caught.value.advice_text
        assert first.ours
        first.release()

    def test_a_released_run_is_free(self, run: Run, clock: VirtualClock) -> None:
        """After a clean exit there is no message about the previous owner."""
        acquire_lock(run, clock, ALICE).release()

        second = acquire_lock(run, clock, BOB)

        assert second.displaced is None
        assert second.note == ""
        second.release()
        assert owner_at_work(run, BOB) is None

    def test_only_a_named_owner_is_displaced(self, run: Run, clock: VirtualClock) -> None:
        """A take-over needs the name of the current owner, not of an earlier one."""
        first = acquire_lock(run, clock, ALICE)

        with pytest.raises(LockedError):
            acquire_lock(run, clock, BOB, take_over="alice@laptop/1")

        assert first.ours
        first.release()

    def test_a_displaced_owner_knows(self, run: Run, clock: VirtualClock) -> None:
        """After a take-over the run belongs to the new owner, whatever the old one does."""
        first = acquire_lock(run, clock, ALICE)

        second = acquire_lock(run, clock, BOB, take_over=first.owner.name)
        first.release()

        assert not first.ours
        assert second.ours
        assert second.displaced == first.owner
        assert first.owner.name in second.note
        with pytest.raises(LockedError, match="bob on laptop"):
            acquire_lock(run, clock, ALICE)
        second.release()

    def test_lock_and_owner_are_private(self, run: Run, clock: VirtualClock) -> None:
        """Only the owner can read the files of the lock."""
        lock = acquire_lock(run, clock, ALICE)

        modes = [stat.S_IMODE(path.stat().st_mode) for path in (run.lock, run.owner)]

        assert modes == [0o600, 0o600]
        lock.release()

    def test_an_owner_that_is_just_beginning_has_no_name_yet(
        self, run: Run, clock: VirtualClock
    ) -> None:
        """Between the kernel lock and the owner file the advice is to try again."""
        lock = acquire_lock(run, clock, ALICE)
        run.owner.unlink()

        with pytest.raises(LockedError, match="just locked") as caught:
            acquire_lock(run, clock, BOB)

        assert "again" in caught.value.advice_text
        lock.release()

    def test_a_garbled_owner_file_stops_nobody(self, run: Run, clock: VirtualClock) -> None:
        """An invalid owner file names no owner; the kernel lock decides."""
        run.owner.write_bytes(b"\xff{")

        lock = acquire_lock(run, clock, ALICE)

        assert lock.ours
        lock.release()

    def test_what_is_no_run_cannot_be_locked(self, tmp_path: Path, clock: VirtualClock) -> None:
        """A missing directory is not created; the message has the system's reason."""
        with pytest.raises(VpnMigrateError, match="No such file"):
            acquire_lock(Run(tmp_path / "nowhere"), clock, ALICE)

        assert not (tmp_path / "nowhere").exists()


class TestElsewhere:
    """Owners on other hosts, whose processes are not visible here."""

    @pytest.fixture
    def left(self, run: Run, clock: VirtualClock) -> Run:
        """A run whose process on another host did not exit cleanly."""
        lock = acquire_lock(run, clock, ELSEWHERE)
        text = run.owner.read_bytes()
        lock.release()
        run.owner.write_bytes(text)
        return run

    def test_they_are_not_displaced_unnamed(self, left: Run, clock: VirtualClock) -> None:
        """A run last owned on another host is refused without --take-over."""
        with pytest.raises(LockedError, match="carol on desk") as caught:
            acquire_lock(left, clock, ALICE)

        assert "--take-over carol@desk/1" in caught.value.advice_text

    def test_they_are_displaced_by_name(self, left: Run, clock: VirtualClock) -> None:
        """With --take-over, an owner on another host is displaced."""
        with pytest.raises(LockedError):
            acquire_lock(left, clock, ALICE)

        lock = acquire_lock(left, clock, ALICE, take_over="carol@desk/1")

        assert lock.displaced is not None
        assert lock.displaced.host == "desk"
        lock.release()


class TestLooking:
    """``owner_at_work``, for commands that only read."""

    def test_a_living_owner_is_told(self, run: Run, clock: VirtualClock) -> None:
        """While the process lives, it is the owner at work; afterwards there is none."""
        lock = acquire_lock(run, clock, ALICE)

        assert owner_at_work(run, BOB) == lock.owner
        lock.release()
        assert owner_at_work(run, BOB) is None

    def test_a_dead_owner_is_not(self, run: Run, start: Start) -> None:
        """A killed process is not at work, although its file still names it."""
        other = start()
        send(other, "one")
        assert reply(other) == "written"
        other.kill()
        other.wait()

        assert run.owner.exists()
        assert owner_at_work(run, this_process("alice", "laptop")) is None

    def test_a_number_that_another_process_bears_now_is_not_the_owner(
        self, run: Run, clock: VirtualClock
    ) -> None:
        """After a reboot another process may have its number, but none holds the kernel lock."""
        lock = acquire_lock(run, clock, ALICE)
        owner = run.owner.read_bytes()
        lock.release()
        run.owner.write_bytes(owner)

        assert owner_at_work(run, BOB) is None

    def test_who_looks_keeps_nobody_from_working(self, run: Run, clock: VirtualClock) -> None:
        """Frequent status checks do not prevent a process from locking the run."""
        acquire_lock(run, clock, ALICE).release()
        over = threading.Event()

        def observation() -> None:
            while not over.is_set():
                is_held(run.lock)

        lookers = [threading.Thread(target=observation) for _ in range(2)]
        for state_reader in lookers:
            state_reader.start()
        try:
            for _ in range(20):
                acquire_lock(run, clock, ALICE).release()
        finally:
            over.set()
            for state_reader in lookers:
                state_reader.join()

    def test_a_lock_that_is_no_file_is_held_by_nobody(self, run: Run, clock: VirtualClock) -> None:
        """A lock file that is a link is not followed."""
        lock = acquire_lock(run, clock, ALICE)
        run.lock.unlink()
        run.lock.symlink_to("/dev/null")

        assert owner_at_work(run, BOB) is None
        lock.release()

    def test_an_owner_elsewhere_is_told(self, run: Run, clock: VirtualClock) -> None:
        """A process on another host counts as at work, because its end cannot be detected."""
        lock = acquire_lock(run, clock, ELSEWHERE)

        assert owner_at_work(run, ALICE) == lock.owner
        lock.release()


class TestRealProcesses:
    """Locks between real processes."""

    def test_a_second_process_is_refused(self, run: Run, start: Start) -> None:
        """While one process has the run, another one is refused and writes nothing."""
        first = start()
        send(first, "one")
        assert reply(first) == "written"

        second = start()

        assert reply(second).startswith(f"LockedError run {run.id} is locked by dave")
        assert [e.record for e in read_journal(run).entries] == [Noted("one")]

    def test_a_killed_process_leaves_the_run_to_the_next(self, run: Run, start: Start) -> None:
        """A dead owner is displaced without --take-over."""
        first = start()
        send(first, "one")
        assert reply(first) == "written"
        first.kill()
        first.wait()

        lock = acquire_lock(run, SteadyClock(), this_process("alice", "laptop"))

        assert lock.displaced is not None
        assert lock.displaced.process == first.pid
        assert "did not exit cleanly" in lock.note
        lock.release()

    def test_a_stopped_process_cannot_write_after_a_take_over(self, run: Run, start: Start) -> None:
        """A holder that resumes after a take-over journals nothing more."""
        first = start()
        send(first, "one")
        assert reply(first) == "written"
        first.send_signal(signal.SIGSTOP)
        os.waitpid(first.pid, os.WUNTRACED)
        me, clock = this_process("alice", "laptop"), SteadyClock()
        with pytest.raises(LockedError) as caught:
            acquire_lock(run, clock, me)

        lock: RunLock = acquire_lock(run, clock, me, take_over=f"dave@laptop/{first.pid}")
        journal = FileJournal.open(run, clock, lock)
        journal.write(Noted("in its place"))
        send(first, "late")
        first.send_signal(signal.SIGCONT)
        said = reply(first)
        journal.write(Noted("still here"))

        assert said.startswith(f"TakenOverError run {run.id} was taken over")
        assert f"by alice on laptop, process {os.getpid()}, since" in said
        if Path("/proc/self/stat").exists():
            assert "it is suspended" in caught.value.message
        assert [e.record for e in read_journal(run).entries] == [
            Noted("one"),
            Noted("in its place"),
            Noted("still here"),
        ]
        journal.close()
        lock.release()
