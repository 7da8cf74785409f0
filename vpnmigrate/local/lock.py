"""Locks: one process per run, and one watchdog per run.

The kernel lock excludes other processes.  It does not distinguish a suspended process from a
running one, so an operator may take a run over by the owner's name.  From then on the former
owner's nonce is no longer in the owner file, and its journal refuses to write (``journal_file``).

A file next to the watchdog's lock names its process, and the reason if its last rollback failed.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from vpnmigrate.local.private_files import FILE_MODE, open_to_append, write_whole
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.clock import Clock, moment, span
from vpnmigrate.model.errors import LockedError, TakenOverError, VpnMigrateError
from vpnmigrate.model.errors.commands import cli

if TYPE_CHECKING:
    from filelock import FileLock

RUN_LOCK_WAIT: Final = timedelta(milliseconds=500)
"""A status check holds a shared lock briefly, so a conflict is reported only after this time."""

_LONGEST: Final = 4096
"""Bytes that are read of an owner file, which has a few hundred."""

_POLL: Final = 0.01
"""Seconds between two attempts to get a lock."""


class ProcessIdentity(Struct, frozen=True):
    """User, host and number of a process."""

    user: str
    host: str
    process: int


class Owner(msgspec.Struct, frozen=True):
    """The process that works on a run, or worked on it last."""

    user: str
    host: str
    process: int
    since: datetime
    nonce: str

    @property
    def name(self) -> str:
        """The name that ``--take-over`` expects."""
        return holder_name(self.user, self.host, str(self.process))


class _Signed(Struct, frozen=True):
    """An owner, and the open file that names it, even if that file is replaced later."""

    owner: Owner
    handle: int


class RunLock:
    """The right to write a run's journal, from ``acquire_lock`` until ``release``."""

    def __init__(
        self, run: Run, kernel: FileLock, signed: _Signed, displaced: Owner | None
    ) -> None:
        self._run = run
        self._kernel = kernel
        self._signature = signed.handle
        self.owner = signed.owner
        self.displaced = displaced
        """The previous owner, which did not release the run and may still be alive."""

    @property
    def note(self) -> str:
        """Message to show if the run was taken over from a previous owner; otherwise empty."""
        if self.displaced is None:
            return ""
        return f"took over from {self.displaced.name}, which did not exit cleanly"

    @property
    def ours(self) -> bool:
        """Whether no other process has taken the run over."""
        found = _owner(self._run)
        return found is not None and found.nonce == self.owner.nonce

    def require_ours(self, now: datetime) -> None:
        """Check that no other process has taken the run over.

        Raises:
            TakenOverError: Another process has; the message names it, its host and the time.
        """
        if self.ours:
            return
        found = _owner(self._run)
        by = "" if found is None else f" by {_described(found, now)}"
        raise TakenOverError(
            f"run {self._run.id} was taken over from this process{by}; this process stops, "
            "and has sent nothing since",
            advice=cli("status", self._run.id),
        )

    def release(self) -> None:
        """Release the run; does nothing if it was taken over, or the disk is gone.

        The name is removed only from the file that this process wrote.  A process that takes the
        run over at the same moment has written another file, which stays unchanged.
        """
        with suppress(OSError):
            os.ftruncate(self._signature, 0)
        with suppress(OSError):
            os.close(self._signature)
        with suppress(OSError):
            self._kernel.release()


def acquire_lock(
    run: Run, clock: Clock, me: ProcessIdentity, take_over: str | None = None
) -> RunLock:
    """Lock *run* for this process; *take_over* names the owner to displace.

    An owner on this host whose process has ended is displaced without being named.

    Raises:
        LockedError: Another process has the run; the message names it, the time and the command to
            take over.
        RefusedError: The run's directory is not private.
    """
    run.require_private()
    try:
        kernel = _kernel_lock(run)
        before = _owner(run)
        if kernel is None:
            if before is None or before.name != take_over:
                raise _locked(before, clock.wall(), run)
            kernel = _displace(before, clock.wall(), run)
        elif before is not None and before.host != me.host and before.name != take_over:
            # Kernel locks do not work on every network file system, nor between two copies.
            kernel.release()
            raise _elsewhere(before, clock.wall(), run)
        owner = Owner(me.user, me.host, me.process, clock.wall(), secrets.token_hex(16))
        signed = _sign(run, owner, kernel)
    except OSError as exc:
        raise VpnMigrateError(
            f"run {run.id} cannot be locked: {exc.filename or run.lock}: {exc.strerror}",
            advice="check free space and permissions, and run the same command again",
        ) from exc
    return RunLock(run, kernel, signed, before)


def owner_at_work(run: Run, me: ProcessIdentity) -> Owner | None:
    """Return the process that works on *run* now, without locking the run.

    On this host the kernel lock decides, not the process number, which another process may have
    after a reboot.  None if the disk cannot be read: ``acquire_lock`` reports the reason.
    """
    try:
        owner = _owner(run)
        if owner is None or owner.host != me.host:
            return owner
        return owner if is_held(run.lock) else None
    except OSError:
        return None


def is_held(path: Path) -> bool:
    """Return whether a process of this host holds the kernel lock on *path*.

    A shared lock is taken and released at once, so several processes may check at the same time.

    Raises:
        OSError: The lock file cannot be opened.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def is_stopped(process: int) -> bool:
    """Return whether *process* is suspended (SIGSTOP, a debugger); False on other than Linux."""
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[:1] in (["T"], ["t"])


def _displace(before: Owner, now: datetime, run: Run) -> FileLock:
    """Return the kernel lock, taken from *before*; not from a process that replaced it since."""
    # The former owner keeps its lock on a file that no longer has a name.
    run.lock.unlink(missing_ok=True)
    kernel = _kernel_lock(run)
    found = _owner(run)
    if kernel is not None and found in (None, before):
        return kernel
    if kernel is not None:
        kernel.release()
    raise _locked(found, now, run)


def _sign(run: Run, owner: Owner, kernel: FileLock) -> _Signed:
    with ExitStack() as undo:
        undo.callback(kernel.release)
        write_whole(run.owner, msgspec.json.encode(owner) + b"\n")
        handle = os.open(run.owner, os.O_RDWR | os.O_NOFOLLOW)
        undo.callback(os.close, handle)
        found = _read(os.pread(handle, _LONGEST, 0))
        if found != owner:  # Another process wrote its name in between, and has the run now.
            raise _locked(found, owner.since, run)
        undo.pop_all()
    return _Signed(owner, handle)


def _kernel_lock(run: Run) -> FileLock | None:
    from filelock import FileLock, Timeout

    # Not bound to a thread: any thread may release it.
    lock = FileLock(
        run.lock,
        timeout=RUN_LOCK_WAIT.total_seconds(),
        mode=FILE_MODE,
        thread_local=False,
        poll_interval=_POLL,
    )
    try:
        lock.acquire()
    except Timeout:
        return None
    return lock


def _owner(run: Run) -> Owner | None:
    try:
        return _read(run.owner.read_bytes())
    except FileNotFoundError:
        return None


def _read(text: bytes) -> Owner | None:
    """Return the owner that *text* names; an owner that exited cleanly has removed its name."""
    try:
        return msgspec.json.decode(text, type=Owner)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _locked(owner: Owner | None, now: datetime, run: Run) -> LockedError:
    if owner is None:
        return LockedError(
            f"run {run.id} was just locked by another process",
            advice=("try again in a moment; to see which process has it:", cli("status", run.id)),
        )
    condition = "; it is suspended" if is_stopped(owner.process) else ""
    return LockedError(
        f"run {run.id} is locked by {_described(owner, now)}{condition}",
        advice=f"wait for it, or end process {owner.process}; "
        f"to take over: --take-over {owner.name}",
        holder=owner.name,
    )


def _elsewhere(owner: Owner, now: datetime, run: Run) -> LockedError:
    return LockedError(
        f"run {run.id} was last locked by {_described(owner, now)}; "
        "from this host it is unknown whether that process has ended",
        advice=f"make sure that it has ended, then take over: --take-over {owner.name}",
        holder=owner.name,
    )


def _described(owner: Owner, now: datetime) -> str:
    since = f"since {moment(owner.since)} ({span(now - owner.since)})"
    return f"{owner.user} on {owner.host}, process {owner.process}, {since}"


def this_process(user: str, host: str) -> ProcessIdentity:
    """Return the identity of this process, run by *user* on *host*."""
    return ProcessIdentity(user, host, os.getpid())


def holder_name(user: str, host: str, nonce: str) -> str:
    """Return the name of a holder; *nonce* is created once per run and kept in its directory.

    The same user on the same host with another run directory is another holder.
    """
    return "{}@{}/{}".format(*(_FOREIGN.sub("_", part) or "_" for part in (user, host, nonce)))


_FOREIGN = re.compile(r"[^\w.+-]|^-", re.ASCII)

WATCHDOG_LOCK_WAIT = timedelta(seconds=2)
"""A status check holds a shared lock briefly, so a conflict is reported only after this time."""


class Trouble(msgspec.Struct, frozen=True):
    """Why a watchdog's last rollback attempt failed, and when it tries again."""

    why: str
    again: datetime


class Post(msgspec.Struct, frozen=True):
    """The watchdog of a run: *process*, and its trouble if its last attempt failed."""

    process: int
    trouble: Trouble | None = None

    @property
    def stopped(self) -> bool:
        """Whether its process is suspended, so that it would not roll back in time."""
        return is_stopped(self.process)


@contextmanager
def hold_watchdog_lock(run: Run, process: int) -> Iterator[None]:
    """Hold the watchdog lock of *run* inside the context, in the name of *process*.

    A suspended watchdog is displaced: the journal names the new one, and the old one exits as soon
    as it runs again.

    Raises:
        LockedError: Another watchdog has the lock.
        OSError: The disk fails.
    """
    lock = _taken(run)
    try:
        write_whole(_name(run), msgspec.json.encode(Post(process)))
        yield
    finally:
        with suppress(OSError):
            if (held := _named(run)) is not None and held.process == process:
                _name(run).unlink(missing_ok=True)
        lock.release()


def note_trouble(run: Run, process: int, trouble: Trouble | None) -> None:
    """Write, for status checks, that the watchdog *process* has *trouble*; None for none.

    On a full disk it is not shown, but the watchdog continues.
    """
    with suppress(OSError):
        write_whole(_name(run), msgspec.json.encode(Post(process, trouble)))


def post_of(run: Run) -> Post | None:
    """Return the watchdog of *run* on this machine, running or suspended.

    None if there is none, or if the disk cannot be read: an uncertain watchdog counts as none.
    """
    try:
        return _named(run) if is_held(_post(run)) else None
    except OSError:
        return None


def watchdog_of(run: Run) -> int | None:
    """Return the process that watches *run* on this machine; None for none.

    A suspended process does not count.
    """
    post = post_of(run)
    return None if post is None or post.stopped else post.process


def log_of_watchdog(run: Run) -> int:
    """Open the private log of *run*'s watchdog, and return its descriptor.

    Raises:
        OSError: The disk fails.
    """
    return open_to_append(run.path / "watchdog.log")


def _taken(run: Run) -> FileLock:
    from filelock import FileLock, Timeout

    lock = FileLock(_post(run), timeout=WATCHDOG_LOCK_WAIT.total_seconds(), mode=FILE_MODE)
    try:
        lock.acquire()
    except Timeout as exc:
        held = _named(run)
        if held is None or not held.stopped:
            raise LockedError(
                f"run {run.id} has a watchdog already", advice=cli("status", run.id)
            ) from exc
        # The suspended process keeps its lock on a file that no longer has a name.
        _post(run).unlink(missing_ok=True)
        return _taken(run)
    return lock


def _named(run: Run) -> Post | None:
    try:
        return msgspec.json.decode(_name(run).read_bytes(), type=Post)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None  # The watchdog is just starting, or has just exited.


def _post(run: Run) -> Path:
    return run.path / "watchdog.lock"


def _name(run: Run) -> Path:
    return run.path / "watchdog"
