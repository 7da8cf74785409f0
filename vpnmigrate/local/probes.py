"""Probe sender: one thread per probe."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta

from msgspec.structs import replace

from vpnmigrate.local.child_processes import OPERATOR_PROGRAM, inherited_by, working_directory
from vpnmigrate.local.program_files import PLANNED, Checked, checked, contents_of
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.probes import Aim, CommandProbe, ConnectProbe, ProbeStats, counted, probe_from

PACE = timedelta(seconds=1)
"""Time between the starts of two attempts, as long as each is answered in time."""
LIMIT = timedelta(seconds=2)
"""An attempt that takes longer counts as lost: TCP repeats a SYN after one second (RFC 6298)."""


class Prober:
    """Sender of the probes of *run*, and of *extra* ones, until ``end``.

    A probe stops when one of its files changes: after planning for a probe of the plan, whose files
    are *programs*, or after its start for a probe of the command line.

    *attempt* makes one attempt and returns whether it was answered; it must return soon.
    """

    def __init__(
        self,
        clock: Clock,
        run: Run,
        programs: Mapping[str, str],
        extra: Sequence[str] = (),
        attempt: Callable[[Aim], bool] | None = None,
    ) -> None:
        self._clock = clock
        self._extra = tuple(extra)
        self._senders = _Senders(run)
        self._programs = programs
        self._attempt = attempt or self._senders.attempt
        self._lock = threading.Lock()
        self._tallies: dict[str, ProbeStats] = {}
        self._over = threading.Event()

    def begin(self, known: Iterable[ProbeStats]) -> None:
        """Start the probes of *known*, continuing their counts, and the extra ones.

        It may be called again after ``end``: a rollback may follow a cutover in one process.
        """
        if self._over.is_set():
            self._over = threading.Event()
            self._tallies = {}
        given = {stats.probe: stats for stats in known}
        extra = {text: ProbeStats(text) for text in self._extra}
        for text, stats in {**extra, **given}.items():
            if text in self._tallies:
                continue
            self._tallies[text] = stats
            # A daemon: an attempt that hangs in the resolver must not keep the process alive.
            threading.Thread(
                target=self._send,
                args=(text, probe_from(text), self._over),
                name=f"probe {text}",
                daemon=True,
            ).start()

    def stats(self) -> tuple[ProbeStats, ...]:
        """Return the current statistics of each probe."""
        with self._lock:
            return tuple(self._tallies.values())

    def forget_counts(self) -> None:
        """Reset the counts: attempts so far only served to find out which probes work."""
        with self._lock:
            for text, stats in self._tallies.items():
                self._tallies[text] = ProbeStats(text, works=stats.works, since=stats.since)

    def end(self) -> None:
        """Send no more probes, and end the running ones."""
        self._over.set()
        self._senders.end()

    def _send(self, text: str, aim: Aim, over: threading.Event) -> None:
        files = Checked()
        programs, since = self._programs, PLANNED
        if isinstance(aim, CommandProbe) and aim.words[0] not in programs:
            programs, since = contents_of(aim.words), "when this probe was started"
        while not over.is_set():
            if isinstance(aim, CommandProbe) and aim.words[0] in programs:
                if not files.signatures or files.replaced:
                    files = checked(aim.words, programs, since)
                if files.fault:
                    with self._lock:
                        self._tallies[text] = replace(self._tallies[text], halted=files.fault)
                    return
            begun = self._clock.now()
            answered = self._attempt(aim)
            if over.is_set():
                return  # The attempt was cut short, so it proves nothing.
            with self._lock:
                self._tallies[text] = counted(self._tallies[text], begun, answered=answered)
            left = PACE - (self._clock.now() - begun)
            over.wait(max(0.0, left.total_seconds()))


class _Senders:
    """Sender of single attempts, which keeps track of the running programs."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._addresses: dict[ConnectProbe, Sequence[tuple[str, int]]] = {}

    def attempt(self, aim: Aim) -> bool:
        match aim:
            case ConnectProbe():
                return self._connects(aim)
            case CommandProbe():
                return self._succeeds(aim)

    def end(self) -> None:
        with self._lock:
            for process in self._running:
                _kill(process)

    def _connects(self, aim: ConnectProbe) -> bool:
        # Resolved once, because the path to the name server may be interrupted by the cutover.
        try:
            if aim not in self._addresses:
                found = socket.getaddrinfo(aim.host, aim.port, type=socket.SOCK_STREAM)
                self._addresses[aim] = [(str(row[4][0]), aim.port) for row in found]
            address = self._addresses[aim][0]
            socket.create_connection(address, timeout=LIMIT.total_seconds()).close()
        except OSError:
            return False
        return True

    def _succeeds(self, aim: CommandProbe) -> bool:
        try:
            directory = working_directory(self._run)
            process = subprocess.Popen(  # noqa: S603  the operator's own command, without a shell
                aim.words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=directory,
                env=inherited_by(OPERATOR_PROGRAM, directory),
                # A Ctrl-C at the terminal is for the run, and must not count as a lost probe.
                start_new_session=True,
            )
        except OSError:
            return False
        with self._lock:
            self._running.add(process)
        try:
            return process.wait(LIMIT.total_seconds()) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            with self._lock:
                _kill(process)
                self._running.discard(process)
            process.wait()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a probe's program and everything it started, unless it has ended already."""
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
