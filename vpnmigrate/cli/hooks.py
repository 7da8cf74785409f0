"""The hooks of a run: those that are asked, and those that are told beside it.

A hook that is told something runs in a thread of its own.  Nothing waits for it while the run is
under way, and at the end of the process it has what is left of its time.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from queue import Empty, SimpleQueue

import msgspec

from vpnmigrate.cli.bounded import Bounds, Ended, run_bounded
from vpnmigrate.engine.ports import Journal, Judged
from vpnmigrate.errors import JournalError
from vpnmigrate.hooks import moment_of, telling
from vpnmigrate.journal import replay
from vpnmigrate.journal.records import Entry, HookRan, Record
from vpnmigrate.logs import RunLog
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.decisions import HookMoment
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.progress import Sighting
from vpnmigrate.model.redaction import Redaction
from vpnmigrate.program_files import changed
from vpnmigrate.rundir import Run

AT_ONCE = 8
"""Hooks under way at once; of one more only a note is made.  Moments are minutes apart, mostly."""


class CommandHooks:
    """Runs the commands that *plan* names; it is an ``Observer``, and ``ports.Hooks``.

    Results wait until ``ended`` is asked for them: one thread writes the journal.
    """

    def __init__(
        self,
        run: Run,
        plan: Plan,
        entries: Sequence[Entry],
        clock: Clock,
        log: RunLog,
        redaction: Redaction | None = None,
    ) -> None:
        self._redaction = redaction or Redaction()
        self._of = run
        self._plan = plan
        self._state = replay(entries)
        self._clock = clock
        self._log = log
        self._results: SimpleQueue[tuple[HookRan, str]] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._stop = threading.Event()

    def ask(self, moment: HookMoment) -> Judged | None:
        """Run the hook of *moment*, as ``ports.Hooks`` says."""
        command = self._plan.decisions.hooks.get(moment)
        if command is None:
            return None
        told = telling(self._plan, moment, self._state, None, self._clock.now())
        ended = self._bounded(command, told)
        self._results.put(_result(moment, command, 0, ended))
        return Judged(command[0], ended.exit, ended.fault)

    def changed(self) -> str:
        """Say which of the plan's programs is not the one that was planned; empty for none."""
        return changed(self._plan.decisions, self._plan.programs)

    def saw(self, entry: Entry) -> None:
        """Run the hook of the moment that *entry* marks, beside the run."""
        self._state = replay((entry,), self._state)
        moment = moment_of(entry.record)
        command = None if moment is None else self._plan.decisions.hooks.get(moment)
        if moment is None or command is None:
            return
        told = telling(self._plan, moment, self._state, entry, self._clock.now())
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        # Not a daemon: its program is never left behind, and it has a limit.
        thread = threading.Thread(
            target=self._run, args=(moment, command, entry.seq, told), name=f"hook {moment}"
        )
        fault = f"was not run: {AT_ONCE} are under way" if self._crowded else _fault_of(thread)
        if fault:
            unrun = Ended(None, fault, timedelta(0), "")
            self._results.put(_result(moment, command, entry.seq, unrun))
        else:
            self._threads.append(thread)

    def waits(self, step: int, why: str, waited: timedelta, limit: timedelta) -> None:
        """Take no notice: no moment is a wait."""

    def sees(self, sighting: Sighting) -> None:
        """Nothing: a look is no moment either."""

    def ended(self) -> Sequence[Record]:
        """Give what came of hooks since this was asked last, and log what they printed."""
        records: list[Record] = []
        with suppress(Empty):
            while True:
                record, output = self._results.get_nowait()
                self._log.printed(record.moment.value, record.program, output)
                records.append(record)
        return records

    def finish(self) -> None:
        """Let hooks have the rest of their time; an operator who interrupts does not wait."""
        try:
            for thread in self._threads:
                thread.join()
        except KeyboardInterrupt:
            self._stop.set()
            for thread in self._threads:
                thread.join()

    @property
    def _crowded(self) -> bool:
        return len(self._threads) >= AT_ONCE

    def _run(self, moment: HookMoment, command: Sequence[str], about: int, told: bytes) -> None:
        self._results.put(_result(moment, command, about, self._bounded(command, told)))

    def _bounded(self, command: Sequence[str], told: bytes) -> Ended:
        bounds = Bounds(self._plan.decisions.waits.hook, self._stop)
        cut = self._redaction.value(msgspec.json.decode(told))
        told = msgspec.json.encode(cut) + b"\n"
        return run_bounded(command, told, bounds, self._of, self._plan.programs)


class HookedJournal:
    """A run's journal that also takes down what hooks came to, where it hears other terminals."""

    def __init__(self, journal: Journal, hooks: CommandHooks) -> None:
        self._journal = journal
        self._hooks = hooks

    @property
    def entries(self) -> Sequence[Entry]:
        """Everything written so far."""
        return self._journal.entries

    def write(self, *records: Record) -> None:
        """Append *records*."""
        self._journal.write(*records)

    def require_ours(self) -> None:
        """Return at once if the run is still this process's."""
        self._journal.require_ours()

    def fold_inbox(self) -> None:
        """Write down what other terminals and hooks have to say."""
        self._journal.fold_inbox()
        ended = self._hooks.ended()
        if ended:
            self._journal.write(*ended)


class attended:  # noqa: N801  reads as a phrase after "with"
    """Let no hook outlive the process, and take down what each came to."""

    def __init__(self, hooks: CommandHooks, journal: Journal) -> None:
        self._hooks = hooks
        self._journal = journal

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._hooks.finish()
        ended = self._hooks.ended()
        try:
            if ended:
                self._journal.write(*ended)
        except JournalError:
            # Why the run stopped is told first; the log has what the hooks came to.
            if error is None:
                raise


def _fault_of(thread: threading.Thread) -> str:
    """Start *thread*, and say why it could not be."""
    try:
        thread.start()
    except RuntimeError as error:  # the host has none left
        return f"was not run: {error}"
    return ""


def _result(
    moment: HookMoment, command: Sequence[str], about: int, ended: Ended
) -> tuple[HookRan, str]:
    return HookRan(moment, command[0], ended.took, about, ended.fault), ended.output
