"""Hooks: the operator's programs, their input and their results.

A notification hook runs in its own thread.  The run does not wait for it; when the process ends,
the hook may use the rest of its time limit.

Hooks are part of the plan's decisions, so the plan's fingerprint covers which command runs when.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

import msgspec

from vpnmigrate.engine.ports import HookResult, Journal, Observer
from vpnmigrate.journal import RunState, replay
from vpnmigrate.journal.records import (
    Acceptable,
    Accepted,
    DeadlineSet,
    DirectionTaken,
    Entry,
    Failed,
    Finished,
    Forced,
    GatesSeen,
    Held,
    HookRan,
    Intended,
    Interrupted,
    OutageBegan,
    OutageEnded,
    Record,
    StepSettled,
    TrafficVerified,
)
from vpnmigrate.local.logs import RunLog
from vpnmigrate.local.program_files import changed
from vpnmigrate.local.program_threads import ProgramThreads
from vpnmigrate.local.run_directory import Run
from vpnmigrate.local.subprocess_limits import ProcessLimits, ProcessResult, run_bounded
from vpnmigrate.model.changes import AskOperator
from vpnmigrate.model.clock import Clock
from vpnmigrate.model.clock import moment as moment_text
from vpnmigrate.model.decisions import HookMoment
from vpnmigrate.model.errors import JournalError
from vpnmigrate.model.gates import closed_results
from vpnmigrate.model.plan import Direction, Plan
from vpnmigrate.model.progress import Sighting, Unreadable
from vpnmigrate.model.redaction import Redaction

DEADLINE_NOTICE = timedelta(minutes=10)
"""How long before the back-out deadline its hook runs."""

AT_ONCE = 8
"""Hooks that may run at once; a further one is only journalled.  Most moments are minutes apart."""


class CommandHooks:
    """Runner of the commands that *plan* names; an ``Observer``, and ``ports.Hooks``.

    The results of notifications are kept until ``ended`` collects them, because one thread writes
    the journal.
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
        self._deadline = _untold_deadline(entries)
        self._clock = clock
        self._log = log
        self._threads = ProgramThreads[tuple[HookRan, str]]()

    def ask(self, moment: HookMoment) -> HookResult | None:
        """Run the hook of *moment*, as ``ports.Hooks`` says."""
        command = self._plan.decisions.hooks.get(moment)
        if command is None:
            return None
        document = hook_input(self._plan, moment, self._state, None, self._clock.now())
        ended = self._bounded(command, document)
        self._log.printed(moment.value, command[0], ended.output)
        return HookResult(command[0], ended.exit, ended.fault, ended.took)

    def changed(self) -> str:
        """Return which of the plan's programs has changed since planning, or an empty string."""
        return changed(self._plan.decisions, self._plan.programs)

    def on_entry(self, entry: Entry) -> None:
        """Run the hook of the moment that *entry* marks, in parallel with the run."""
        self._state = replay((entry,), self._state)
        if isinstance(entry.record, DeadlineSet):
            self._deadline = entry
        if (moment := hook_moment(entry.record)) is not None:
            self._notify(moment, entry)
        self._notify_of_deadline()

    def _notify_of_deadline(self) -> None:
        """Run the hook of a deadline that is near, once, while traffic is not verified."""
        entry = self._deadline
        if entry is None or not isinstance(entry.record, DeadlineSet):
            return
        state = self._state
        if state.deadline is None or state.journal_facts.verified is not None:
            self._deadline = None
        elif self._clock.wall() >= entry.record.at - DEADLINE_NOTICE:
            self._deadline = None
            self._notify(HookMoment.DEADLINE_NEAR, entry)

    def _notify(self, moment: HookMoment, entry: Entry) -> None:
        command = self._plan.decisions.hooks.get(moment)
        if command is None:
            return
        document = hook_input(self._plan, moment, self._state, entry, self._clock.now())

        def run() -> tuple[HookRan, str]:
            return _result(moment, command, entry.seq, self._bounded(command, document))

        if self._threads.running >= AT_ONCE:
            fault = f"was not run: {AT_ONCE} are running"
        else:
            fault = self._threads.start(f"hook {moment}", run)
        if fault:
            unrun = ProcessResult(None, fault, timedelta(0), "")
            self._threads.keep(_result(moment, command, entry.seq, unrun))

    def on_wait(self, step: int, why: str, waited: timedelta, limit: timedelta) -> None:
        """Run the hook of the deadline, if it is near."""
        self._notify_of_deadline()

    def on_view(self, sighting: Sighting) -> None:
        """Run the hook of the deadline, if it is near."""
        self._notify_of_deadline()

    def on_reading(self, unreadable: Unreadable | None) -> None:
        """Do nothing: no hook runs for it."""

    def ended(self) -> Sequence[Record]:
        """Return the results of hooks since the last call, and log what they printed."""
        records: list[Record] = []
        for record, output in self._threads.ended():
            self._log.printed(record.moment.value, record.program, output)
            records.append(record)
        return records

    def finish(self) -> None:
        """Wait for the hooks within their time limits; an interrupt stops them at once."""
        self._threads.finish()

    def _bounded(self, command: Sequence[str], data: bytes) -> ProcessResult:
        bounds = ProcessLimits(self._plan.decisions.waits.hook, self._threads.stop)
        cut = self._redaction.value(msgspec.json.decode(data))
        data = msgspec.json.encode(cut) + b"\n"
        return run_bounded(command, data, bounds, self._of, self._plan.programs)


def _untold_deadline(entries: Sequence[Entry]) -> Entry | None:
    """Return the entry of the last deadline, unless its hook has run in an earlier process."""
    found: Entry | None = None
    for entry in entries:
        match entry.record:
            case DeadlineSet():
                found = entry
            case HookRan(moment=HookMoment.DEADLINE_NEAR, about=about):
                if found is not None and about == found.seq:
                    found = None
            case _:
                pass  # Sets no deadline.
    return found


class HookedJournal:
    """A run's journal that also records the results of hooks whenever it reads the inbox."""

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
        """Journal the messages of other terminals and the results of hooks."""
        self._journal.fold_inbox()
        ended = self._hooks.ended()
        if ended:
            self._journal.write(*ended)


@contextmanager
def supervise_hooks(hooks: CommandHooks, journal: Journal, observer: Observer) -> Iterator[None]:
    """Wait for every hook before the process ends; journal the result of each, and show it."""
    try:
        yield
    except BaseException:
        # Why the run stopped is reported first; the log has the results of the hooks.
        with suppress(JournalError):
            _finish(hooks, journal, observer)
        raise
    _finish(hooks, journal, observer)


def _finish(hooks: CommandHooks, journal: Journal, observer: Observer) -> None:
    hooks.finish()
    if ended := hooks.ended():
        known = len(journal.entries)
        journal.write(*ended)
        for entry in journal.entries[known:]:
            observer.on_entry(entry)


def _result(
    moment: HookMoment, command: Sequence[str], about: int, ended: ProcessResult
) -> tuple[HookRan, str]:
    return HookRan(moment, command[0], ended.took, about, ended.fault), ended.output


SCHEMA = "vpnmigrate/hook/1"

ASKED = frozenset({HookMoment.BEFORE_CUTOVER, HookMoment.BEFORE_FINALIZE})
"""Moments at which the run waits for the hook, and continues only if it exits 0."""

ABOUT: dict[HookMoment, str] = {
    HookMoment.BEFORE_CUTOVER: "May the cutover begin?  One of its gates, evaluated each time.",
    HookMoment.BEFORE_FINALIZE: "May the old connections be deleted?  One of finalize's gates.",
    HookMoment.STARTED: "A migration or its finalize was started, or resumed by another process.",
    HookMoment.GATE_FAILED: "A gate is closed; `why` names each, with what was observed.",
    HookMoment.DEADLINE_NEAR: "Ten minutes or less until the back-out deadline, not verified yet.",
    HookMoment.OUTAGE_BEGAN: "The first call that interrupts traffic is about to be sent.",
    HookMoment.OUTAGE_ENDED: "Traffic flows again, and is stable.",
    HookMoment.STEP_SETTLED: "A step's goal holds: the step is done.",
    HookMoment.NEEDS_PERSON: "A task for a person, or a state that they may accept.",
    HookMoment.VERIFIED: "The joining side was verified to carry traffic.",
    HookMoment.FORCED: "An operator forced a gate, or accepted fewer tunnels.",
    HookMoment.HELD: "The run is held, at a gate or for a person.",
    HookMoment.INTERRUPTED: "An operator's signal stopped the run; it can be resumed.",
    HookMoment.FAILED: "The run failed; `stuck` says whether traffic is down.",
    HookMoment.ROLLBACK_STARTED: "A rollback was started.",
    HookMoment.ROLLED_BACK: "The rollback is finished; `why` says what is not as before.",
    HookMoment.FINISHED: "The migration is done up to step 10.",
    HookMoment.FINALIZED: "The old connections are deleted.",
}
"""Every moment, in the order in which a run may reach it."""

_ARRIVED = {
    Direction.FORWARD: HookMoment.FINISHED,
    Direction.ROLLBACK: HookMoment.ROLLED_BACK,
    Direction.FINALIZE: HookMoment.FINALIZED,
}


class HookInput(msgspec.Struct, frozen=True):
    """The document that a hook reads on standard input.  Fields are only ever added."""

    run: str
    plan: str
    """Fingerprint of the plan in force."""
    change: str
    """The change board's number, or empty."""
    moment: HookMoment
    at: datetime
    seq: int
    """Number of the journal entry that it is about; hooks may finish in another order."""
    account: str
    region: str
    vpc: str
    old_gateway: str
    attempt: int
    direction: str
    step: int
    """AWS's number of the step that started last; 0 before the first."""
    title: str
    traffic: str
    """``old``, ``new``, ``none`` or ``unknown``."""
    outage_since: datetime | None
    outage_seconds: float
    """Length of the current outage so far, or of the last one."""
    stuck: bool
    why: str
    """The details of the moment: a task, a reason or a force; may be empty."""
    schema: str = SCHEMA


_MOMENTS: dict[type, HookMoment] = {
    OutageBegan: HookMoment.OUTAGE_BEGAN,
    OutageEnded: HookMoment.OUTAGE_ENDED,
    StepSettled: HookMoment.STEP_SETTLED,
    TrafficVerified: HookMoment.VERIFIED,
    Forced: HookMoment.FORCED,
    Accepted: HookMoment.FORCED,
    Held: HookMoment.HELD,
    Interrupted: HookMoment.INTERRUPTED,
    Failed: HookMoment.FAILED,
}
"""Records that always mark the same moment."""


def hook_moment(record: Record) -> HookMoment | None:
    """Return the moment that *record* marks, if any; no record marks the two gate hooks."""
    match record:
        case Intended(change=AskOperator()) | Acceptable(what=(_, *_)):
            return HookMoment.NEEDS_PERSON
        case DirectionTaken(direction=direction):
            back = direction is Direction.ROLLBACK
            return HookMoment.ROLLBACK_STARTED if back else HookMoment.STARTED
        case GatesSeen(gates=results) if closed_results(results):
            return HookMoment.GATE_FAILED
        case Finished(direction=direction):
            return _ARRIVED[direction]
        case _:
            return _MOMENTS.get(type(record))


def hook_input(
    plan: Plan, moment: HookMoment, state: RunState, entry: Entry | None, at: datetime
) -> bytes:
    """Return the input of a hook at *moment*, after *entry* if one marks it.

    *state* is the run's, including *entry*.  Neither contains a key.
    """
    record = None if entry is None else entry.record
    document = HookInput(
        run=plan.migration,
        plan=plan.fingerprint,
        change=plan.decisions.change,
        moment=moment,
        at=at,
        seq=0 if entry is None else entry.seq,
        account=plan.account,
        region=plan.region,
        vpc=plan.vpc,
        old_gateway=plan.old_gateway,
        attempt=state.attempt,
        direction="" if state.direction is None else state.direction.value,
        step=state.step,
        title=state.title,
        traffic=state.known_traffic.value,
        outage_since=state.outage.since,
        outage_seconds=_seconds(state, at),
        stuck=isinstance(record, Failed) and record.stuck,
        why=_why(record),
    )
    return msgspec.json.encode(document) + b"\n"


def _seconds(state: RunState, at: datetime) -> float:
    lasted = state.outage.duration(at)
    return 0.0 if lasted is None else round(lasted.total_seconds(), 3)


def _why(record: Record | None) -> str:
    match record:
        case Intended(change=change):
            return str(change)
        case Acceptable(what=what):
            return "; ".join(each.text for each in what)
        case Forced(gate=gate, reason=reason):
            return f"{gate}: {reason}"
        case Accepted(what=what, reason=reason):
            return f"{what.text}: {reason}"
        case GatesSeen(gates=results):
            return "; ".join(map(str, closed_results(results)))
        case DeadlineSet(at=at):
            return f"roll back unless traffic is verified by {moment_text(at)}"
        case Held(why=why) | Interrupted(why=why) | Failed(why=why):
            return why
        case Finished(differs=differs):
            return "; ".join(differs)
        case _:
            return ""
