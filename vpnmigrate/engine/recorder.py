"""Recorder: writes journal records, notifies the observer, and keeps the state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from vpnmigrate.engine.ports import Journal, Observer
from vpnmigrate.engine.sent_changes import SentChanges, SentIntents
from vpnmigrate.journal import RunState, resume_command
from vpnmigrate.journal.exit_code import leaves_traffic_down
from vpnmigrate.journal.records import (
    Adopted,
    Answered,
    ExternalChange,
    Failed,
    Held,
    Intended,
    Interrupted,
    Record,
)
from vpnmigrate.journal.replay import Replay
from vpnmigrate.journal.run_clock import gaps_in, latest
from vpnmigrate.journal.state import Intent
from vpnmigrate.journal.state_parts import Adoptions
from vpnmigrate.journal.transitions import intents_of
from vpnmigrate.model.changes import Creation
from vpnmigrate.model.changes.base import Performed
from vpnmigrate.model.ec2 import Role
from vpnmigrate.model.errors import (
    Exit,
    HeldError,
    InterruptedRunError,
    JournalError,
    RollbackRequestedError,
    StagedError,
    StepError,
    VpnMigrateError,
)
from vpnmigrate.model.errors.commands import Command
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.snapshot import Reading
from vpnmigrate.planning.ownership import Doubt, Evidence, ownership_of


class RunRecorder:
    """A journal with the state that follows from it; replay continues with each new record."""

    def __init__(
        self, journal: Journal, observer: Observer, surveyed: frozenset[str] = frozenset()
    ) -> None:
        """Read *journal*; *surveyed* are the resources that existed before the run."""
        self._surveyed = surveyed
        self._journal = journal
        self._observer = observer
        self._replayed = len(journal.entries)
        self._replay = Replay()
        self._replay.add(journal.entries)
        self._gaps = gaps_in(journal.entries)
        self._state: RunState | None = None
        """Made when it is asked for: nothing reads it between two calls of a batch."""
        self._sent: SentChanges | None = None
        self._intents: SentIntents | None = None
        self._changed: list[int] = []
        """The intents that were written or answered since ``_intents`` was brought up to date."""
        self._evidence: Evidence | None = None

    @property
    def cutover_is_open(self) -> bool:
        """Whether a cutover has started that no finished rollback has undone."""
        return self.state.cutover_open

    @property
    def state(self) -> RunState:
        """The state that follows from everything written so far."""
        if self._state is None:
            self._state = self._replay.state
        return self._state

    def resuming(self, plan: Plan) -> Command:
        """Return the command that resumes the run in its direction."""
        return resume_command(self.state, plan.migration, plan.old_connections)

    def write(self, *records: Record) -> None:
        """Make *records* durable, then show them to the observer.

        Raises:
            JournalError: They could not be made durable; no call may be sent to AWS after that.
        """
        if records:
            self._journal.write(*records)
            self._catch_up()

    def require_ours(self) -> None:
        """Check that the run is still this process's; may be called from any thread.

        Raises:
            JournalError: Another process took over the run, or that cannot be checked; no call may
                be sent to AWS.
        """
        self._journal.require_ours()

    def record_external_changes(self, *changes: str) -> None:
        """Record external changes, each once."""
        known = self.state.deviations.external_changes
        self.write(*(ExternalChange(what) for what in changes if what not in known))

    def fold_inbox(self) -> None:
        """Read the messages of other terminals into the journal."""
        self._journal.fold_inbox()
        self._catch_up()

    @property
    def sent(self) -> SentChanges:
        """The changes that were, or may have been, sent to AWS."""
        if self._sent is None:
            self._sent = SentChanges(self._sent_intents(), self.state.attempt_since)
        return self._sent

    def _sent_intents(self) -> SentIntents:
        intents = intents_of(self.state)
        if self._intents is None:
            self._intents = SentIntents(intents, self._gaps)
        else:
            for number in self._changed:
                place = intents.place_of(number)
                if place is not None:
                    self._intents.add(intents.at(place))
        self._changed.clear()
        return self._intents

    def latest(self, at: datetime) -> datetime:
        """Return the latest time at which a record written *at* may have been written."""
        return latest(at, self._gaps)

    def evidence(self) -> Evidence:
        """Return the evidence of which resources this run created."""
        if self._evidence is None:
            creating = self._sent_intents().creating
            self._evidence = _evidence(creating, self.state.adoptions, self._surveyed)
        return self._evidence

    def adopt(self, found: Mapping[Role, str]) -> None:
        """Record the resources that create calls with a lost answer have made."""
        self.write(*(Adopted(role, id_) for role, id_ in sorted(found.items())))

    def _catch_up(self) -> None:
        entries = self._journal.entries
        if len(entries) == self._replayed:
            return
        fresh = entries[self._replayed :]
        if gaps := gaps_in(entries[max(0, self._replayed - 1) :]):
            self._gaps += gaps
            self._sent = self._intents = None
        self._state = None
        before = self._replay.beside_intents
        self._replay.add(fresh)
        for entry in fresh:
            if isinstance(entry.record, Intended | Answered):
                self._sent = self._evidence = None
                self._changed.append(entry.record.intent)
        after = self._replay.beside_intents
        if after.attempt_since != before.attempt_since:
            self._sent = None
        known = before.adoptions.made, before.adoptions.refused
        if (after.adoptions.made, after.adoptions.refused) != known:
            self._evidence = None
        for entry in fresh:
            self._observer.on_entry(entry)
        self._replayed = len(entries)


@contextmanager
def record_failure(recorder: RunRecorder) -> Iterator[None]:
    """Record in the journal why the run stopped."""
    try:
        yield
    except JournalError:
        raise  # It cannot be written into the journal.
    except HeldError as error:
        staged = isinstance(error, StagedError)
        recorder.write(Held(error.message, recorder.state.step, staged))
        raise
    except InterruptedRunError as error:
        recorder.write(Interrupted(error.message))
        raise
    except RollbackRequestedError:
        raise  # The reason is in the journal already, and the rollback comes next.
    except VpnMigrateError as error:
        state = recorder.state
        step = error.step if isinstance(error, StepError) else state.step
        if isinstance(error, StepError) or state.direction is not None:
            stuck = leaves_traffic_down(error, state) or error.exit is Exit.STUCK
            recorder.write(Failed(error.message, step, stuck=stuck))
        raise


def evidence_of(state: RunState, surveyed: frozenset[str]) -> Evidence:
    """Return the evidence in a journal; it never concerns the *surveyed* resources.

    A doubt ends once a resource in its role is known: either the call was repeated because it had
    no effect, or the resource that it created was adopted.
    """
    return _evidence(state.intents, state.adoptions, surveyed)


def _evidence(
    intents: Iterable[Intent], adoptions: Adoptions, surveyed: frozenset[str]
) -> Evidence:
    made: defaultdict[Role, set[str]] = defaultdict(set)
    doubts: dict[Role, list[tuple[int, Doubt]]] = {}
    for intent in intents:
        change = intent.change
        if not isinstance(change, Creation) or intent.cancelled:
            continue
        match intent.outcome:
            # EC2 may answer with an existing resource instead of creating one.
            case Performed(made=str(id_)) if id_ not in surveyed and id_ not in intent.present:
                made[change.role].add(id_)
                doubts.pop(change.role, None)
            case Performed(made=str()):
                pass
            case _:
                doubt = Doubt(change, frozenset(intent.present))
                doubts.setdefault(change.role, []).append((intent.number, doubt))
    for adopted in adoptions.made:
        if adopted.id not in surveyed:
            made[adopted.role].add(adopted.id)
            known = doubts.get(adopted.role, [])
            doubts[adopted.role] = [each for each in known if each[0] > adopted.after]
    return Evidence(
        {role: frozenset(ids) for role, ids in made.items()},
        tuple(doubt for about in doubts.values() for _, doubt in about),
        frozenset(adoptions.refused),
    )


def built_by(state: RunState, plan: Plan, reading: Reading) -> Mapping[str, Role]:
    """Return the resources that the run of *plan* created, by id, before it is planned again."""
    evidence = evidence_of(state, plan.surveyed)
    made = {id_: role for role, ids in evidence.made.items() for id_ in ids}
    found = ownership_of(reading, plan, evidence).found
    return {**made, **{id_: role for role, id_ in found.items()}}
