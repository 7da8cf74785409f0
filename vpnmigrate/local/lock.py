"""Locks: one process per run, and one watchdog per run.

The kernel lock keeps honest processes apart.  It cannot tell a stopped process from a working one,
so an operator may take a run over by name.  From then on the former owner's nonce is no longer in
the owner file, and its journal writes nothing more (``journal``).

A file beside the lock names the process, and says what it has trouble with.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
from filelock import FileLock, Timeout

from vpnmigrate.commands import cli
from vpnmigrate.errors import LockedError, TakenOverError, VpnMigrateError
from vpnmigrate.local.private_files import FILE_MODE, open_to_append, write_whole
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.clock import Clock, moment, span

RUN_LOCK_WAIT: Final = timedelta(milliseconds=500)
"""Whoever asks whether a lock is held has a share of it for a moment."""

_LONGEST: Final = 4096
"""Bytes; an owner's names and numbers are a few hundred."""

_POLL: Final = 0.01
"""Seconds between two tries to get a lock."""


@dataclass(frozen=True)
class ProcessIdentity:
    """Who this process is."""

    user: str
    host: str
    process: int


class Owner(msgspec.Struct, frozen=True):
    """The process that works, or worked last, on a run."""

    user: str
    host: str
    process: int
    since: datetime
    nonce: str

    @property
    def name(self) -> str:
        """What ``--take-over`` asks for."""
        return holder_name(self.user, self.host, str(self.process))


@dataclass(frozen=True)
class _Signed:
    """An owner whose name is in the file behind *handle*, whatever becomes of that file's name."""

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
        """The owner before us, who did not release the run and may still be alive."""

    @property
    def note(self) -> str:
        """What the operator should know about how the run was come by; mostly nothing."""
        if self.displaced is None:
            return ""
        return f"went on in place of {self.displaced.name}, who did not leave the run in order"

    @property
    def ours(self) -> bool:
        """Whether nobody has taken the run over since."""
        found = _owner(self._run)
        return found is not None and found.nonce == self.owner.nonce

    def require_ours(self, now: datetime) -> None:
        """Refuse to go on if somebody has taken the run over.

        Raises:
            TakenOverError: With who has it, where, and for how long.
        """
        if self.ours:
            return
        found = _owner(self._run)
        by = "" if found is None else f" by {_described(found, now)}"
        raise TakenOverError(
            f"run {self._run.id} was taken over from this process{by}; this process stops here, "
            "and has sent nothing since",
            advice=cli("status", self._run.id),
        )

    def release(self) -> None:
        """Leave the run to others; harmless if it was taken over, or the disk is gone.

        The name is taken out of the very file that this process wrote: whoever takes the run over
        in this moment has written another one, which is not touched.
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
    """Take *run* for this process; *take_over* names the owner to displace.

    An owner of this host whose process has ended is displaced without being named.

    Raises:
        LockedError: Somebody else has it; the message says who, since when and how to go on.
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
            # Kernel locks do not reach across every shared disk, and not across copies.
            kernel.release()
            raise _elsewhere(before, clock.wall(), run)
        owner = Owner(me.user, me.host, me.process, clock.wall(), secrets.token_hex(16))
        signed = _sign(run, owner, kernel)
    except OSError as exc:
        raise VpnMigrateError(
            f"run {run.id} cannot be locked: {exc.filename or run.lock}: {exc.strerror}",
            advice="see to the disk and its permissions, and run the same command again",
        ) from exc
    return RunLock(run, kernel, signed, before)


def owner_at_work(run: Run, me: ProcessIdentity) -> Owner | None:
    """Return who works on *run* now, for whoever only looks; it keeps no lock.

    On this host the kernel's lock tells, and never a process number: after a reboot another
    process may have that.  None where the disk does not tell: whoever takes the run learns why.
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

    A share of the lock is taken and given back at once, so any number may ask at the same time.

    Raises:
        OSError: The disk does not tell.
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
    """Return whether *process* is stopped (SIGSTOP, a debugger), where the system tells (Linux)."""
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[:1] in (["T"], ["t"])


def _displace(before: Owner, now: datetime, run: Run) -> FileLock:
    """Get the kernel lock in spite of *before*, and of nobody who took its place meanwhile."""
    # The former owner keeps a lock on a file that has no name any more.
    run.lock.unlink(missing_ok=True)
    kernel = _kernel_lock(run)
    found = _owner(run)
    if kernel is not None and found in (None, before):
        return kernel
    if kernel is not None:
        kernel.release()
    raise _locked(found, now, run)


def _sign(run: Run, owner: Owner, kernel: FileLock) -> _Signed:
    try:
        write_whole(run.owner, msgspec.json.encode(owner) + b"\n")
        handle = os.open(run.owner, os.O_RDWR | os.O_NOFOLLOW)
        found = _read(os.pread(handle, _LONGEST, 0))
    except OSError:
        kernel.release()
        raise
    if found != owner:  # another one came in between, and has it now
        os.close(handle)
        kernel.release()
        raise _locked(found, owner.since, run)
    return _Signed(owner, handle)


def _kernel_lock(run: Run) -> FileLock | None:
    # Not bound to a thread: whoever ends the run releases it.
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
    """Return the owner that *text* names; an owner who left in order has taken the name out."""
    try:
        return msgspec.json.decode(text, type=Owner)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _locked(owner: Owner | None, now: datetime, run: Run) -> LockedError:
    if owner is None:
        return LockedError(
            f"another process has just begun to work on run {run.id}",
            advice=("try again in a moment; who has it:", cli("status", run.id)),
        )
    condition = "; it is stopped" if is_stopped(owner.process) else ""
    return LockedError(
        f"run {run.id} is being worked on by {_described(owner, now)}{condition}",
        advice=f"wait for it, or end process {owner.process}; "
        f"to go on in its place: --take-over {owner.name}",
        holder=owner.name,
    )


def _elsewhere(owner: Owner, now: datetime, run: Run) -> LockedError:
    return LockedError(
        f"run {run.id} was last worked on by {_described(owner, now)}, "
        "and from this host nobody can tell whether that process has ended",
        advice=f"make sure that it has; then go on in its place: --take-over {owner.name}",
        holder=owner.name,
    )


def _described(owner: Owner, now: datetime) -> str:
    since = f"since {moment(owner.since)} ({span(now - owner.since)})"
    return f"{owner.user} on {owner.host}, process {owner.process}, {since}"


def this_process(user: str, host: str) -> ProcessIdentity:
    """Return who this process is, run by *user* on *host*."""
    return ProcessIdentity(user, host, os.getpid())


def holder_name(user: str, host: str, nonce: str) -> str:
    """Name a holder; *nonce* is made once a run and kept in its directory.

    The same person on the same host with another run directory is another holder.
    """
    return "{}@{}/{}".format(*(_FOREIGN.sub("_", part) or "_" for part in (user, host, nonce)))


_FOREIGN = re.compile(r"[^\w.+-]|^-", re.ASCII)

WATCHDOG_LOCK_WAIT = timedelta(seconds=2)
"""Whoever asks whether the post is taken has a share of its lock for a moment."""


class Trouble(msgspec.Struct, frozen=True):
    """Why the last try of a watchdog to roll back failed, and when it tries again."""

    why: str
    again: datetime


class Post(msgspec.Struct, frozen=True):
    """The post of a watchdog, held by *process*."""

    process: int
    trouble: Trouble | None = None

    @property
    def stopped(self) -> bool:
        """Whether its process lives and does not run: it would not roll back in time."""
        return is_stopped(self.process)


@contextmanager
def hold_watchdog_lock(run: Run, process: int) -> Iterator[None]:
    """Keep the post of *run*'s watchdog, in the name of *process*.

    One that is stopped is displaced: the journal names the new one, and the old one leaves its
    post as soon as it runs again.

    Raises:
        LockedError: Another watchdog has it.
        OSError: The disk refuses.
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
    """Report whoever looks that the watchdog *process* has *trouble*; None for none.

    A disk that is full hides it, and nothing else: the watchdog goes on.
    """
    with suppress(OSError):
        write_whole(_name(run), msgspec.json.encode(Post(process, trouble)))


def post_of(run: Run) -> Post | None:
    """Return who holds the post of *run*'s watchdog on this machine, running or stopped.

    None for nobody, or where the disk does not tell: nobody relies on a watchdog that may not be.
    """
    try:
        return _named(run) if is_held(_post(run)) else None
    except OSError:
        return None


def watchdog_of(run: Run) -> int | None:
    """Return the process that is on watch over *run* on this machine; None for none.

    One that is stopped watches nothing.
    """
    post = post_of(run)
    return None if post is None or post.stopped else post.process


def log_of_watchdog(run: Run) -> int:
    """Open the private log that a watchdog writes instead of a terminal; give its descriptor.

    Raises:
        OSError: The disk refuses.
    """
    return open_to_append(run.path / "watchdog.log")


def _taken(run: Run) -> FileLock:
    lock = FileLock(_post(run), timeout=WATCHDOG_LOCK_WAIT.total_seconds(), mode=FILE_MODE)
    try:
        lock.acquire()
    except Timeout as exc:
        held = _named(run)
        if held is None or not held.stopped:
            raise LockedError(
                f"run {run.id} has a watchdog already", advice=cli("status", run.id)
            ) from exc
        # The stopped process keeps a lock on a file that has no name any more.
        _post(run).unlink(missing_ok=True)
        return _taken(run)
    return lock


def _named(run: Run) -> Post | None:
    try:
        return msgspec.json.decode(_name(run).read_bytes(), type=Post)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None  # it has just taken up its post, or just left it


def _post(run: Run) -> Path:
    return run.path / "watchdog.lock"


def _name(run: Run) -> Path:
    return run.path / "watchdog"
