"""Residue control: leaves out changes that AWS does not make, and records what is left.

A refused change of one route table must not stop the others, the swap or the tunnels, and a refused
deletion must not stop the rest of a clean-up (docs/decisions/0035-isolated-refusals.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from vpnmigrate.engine.context import RunContext
from vpnmigrate.engine.execute import ChangeResult
from vpnmigrate.engine.observe import Observation, StateReader
from vpnmigrate.journal import RunState
from vpnmigrate.journal.records import ResidueLeft
from vpnmigrate.model.changes import AwsChange
from vpnmigrate.model.changes.base import InDoubt, Performed, Refused
from vpnmigrate.model.facts import UNKNOWN, Goal
from vpnmigrate.model.residue import ResidualChange
from vpnmigrate.steps.base import (
    DesiredFact,
    NotYet,
    Residual,
    Step,
    StepInput,
    Verdict,
    missing,
)
from vpnmigrate.steps.residue import removal_residue, residue
from vpnmigrate.steps.s09_restore_routing import RestoreRouting
from vpnmigrate.steps.s10_switch_tunnels import SwitchTunnels
from vpnmigrate.steps.traffic import destinations

LAST_TRY_COUNTS = timedelta(seconds=10)
"""A run ends with a change that was refused at most this long ago: the longest backoff."""
MOST_LAST_TRIES = 3
"""Then the run ends: each one costs a reading, and the same command tries again."""


class ResidueControl:
    """Decides which goals a run leaves out, and keeps the journal's residue current."""

    def __init__(self, context: RunContext, state_reader: StateReader) -> None:
        self._recorder = context.recorder
        self._state_reader = state_reader
        self._clock = context.clock
        self._why: dict[Goal, str] = {}
        self._since: dict[Goal, datetime] = {}
        """When each goal left out was first refused."""
        self._temporary: set[Goal] = set()
        """The goals whose latest refusal may pass."""
        self._direction = context.recorder.state.direction
        """The direction in which the goals were left out."""
        self._seen: Observation | None = None
        self._over = False
        """Whether the limit of the step has passed: what is left out then stays so."""
        self._last_tries: tuple[datetime, ...] = ()
        self._removals: dict[Goal, DesiredFact] = {}
        """The removals that were left out, as last listed."""
        self._foreign: tuple[ResidualChange, ...] = ()
        """Deletions of resources that may not be this run's."""
        self._listed: tuple[Step, Observation, Mapping[Goal, DesiredFact]] | None = None
        """The optional parts of the step and observation whose answers are being sorted out."""

    def begin_step(self) -> None:
        """Clear the observation and the limit of the previous step, and another direction's goals.

        A rollback that follows in the same process has goals of its own.
        """
        self._seen = self._listed = None
        self._over = False
        self._last_tries = ()
        direction = self._recorder.state.direction
        if direction is not self._direction:
            self._direction = direction
            self._why.clear()
            self._since.clear()
            self._temporary.clear()
            self._removals.clear()
            self._foreign = ()
            self._state_reader.include_all_goals()

    def see(self, observation: Observation) -> None:
        """Keep *observation* as the latest one of this step."""
        self._seen = observation

    def sort_out(
        self,
        step: Step,
        done: ChangeResult,
        observation: Observation,
        *,
        given_up: bool,
        outage: bool,
    ) -> bool:
        """Isolate the goal of *done* if AWS does not make it; return whether the step continues.

        A change that AWS has, or may have, made is waited for again.
        """
        performed = isinstance(done.outcome, Performed)
        if performed and not self._state_reader.left_out:
            return False  # No goal is left out, so none is waited for again.
        want = self._optional_part(step, observation, done.change)
        if want is None:
            return False
        if performed or (isinstance(done.outcome, InDoubt) and not given_up):
            if not self._over:
                self._state_reader.include_goal(want.goal)
                self._why.pop(want.goal, None)
            return False
        if isinstance(done.outcome, Refused) and done.outcome.definite:
            self._temporary.discard(want.goal)
        else:
            self._temporary.add(want.goal)
        if not (given_up and _continues_without(step, outage=outage)):
            return False
        self._leave_out(step, [want], done.why_not_made)
        return True

    def leave_out_rest(self, step: Step, why: str, *, outage: bool) -> bool:
        """Isolate what *step* still lacks at its limit; return whether it lacks anything."""
        if self._seen is None or self._over or not _continues_without(step, outage=outage):
            return False
        self._over = True
        lacking = tuple(step.optional_parts(self._seen.input))
        left_out = self._state_reader.left_out
        rest = [want for want in lacking if not want.is_left_out(left_out)]
        self._leave_out(step, rest, f"it did not take effect in time: {why}")
        # What was left out since the last verdict is new to the step as well.
        return bool(lacking)

    def may_still_be_made(self) -> bool:
        """Return whether AWS may still make what is left: it was refused, but not definitely.

        It has the limit of step 9, from its first refusal.  Destinations that have no path yet,
        although their change is made, have the same limit.
        """
        if self._seen is None or self._over:
            return False
        now, view = self._clock.now(), self._seen.input
        left = {want.goal for want in residue(view)}
        goals = left & self._temporary
        if destinations(view).residual:
            goals |= self._state_reader.left_out - left
        return any(now - self._since.get(goal, now) < RestoreRouting.limit for goal in goals)

    def last_try(self) -> tuple[Sequence[AwsChange], Observation] | None:
        """Return the changes left out, to be sent once more before the end; None if none is."""
        now, tries = self._clock.now(), self._last_tries
        if self._seen is None or len(tries) >= MOST_LAST_TRIES:
            return None
        if tries and now - tries[-1] < LAST_TRY_COUNTS:
            return None
        self._last_tries = (*tries, now)
        # A change in doubt is repeated: the changes of tables have no further effect then.
        view = self._seen.acting
        changes = [c for c in missing(residue(view), view.now) if isinstance(c, AwsChange)]
        return (changes, self._seen) if changes else None

    def leave(self, deletions: Sequence[AwsChange]) -> None:
        """Keep *deletions* that a clean-up has to leave to the operator, each once."""
        news = (ResidualChange(c, "it may not be this run's: find out first") for c in deletions)
        self._foreign = tuple(dict.fromkeys((*self._foreign, *news)))

    def record_removals(self) -> None:
        """Write the residue of a clean-up, or of finalize, into the journal, if it has changed."""
        if self._seen is None:
            return
        facts = self._state_reader.journal_facts()
        view = self._seen.with_facts(facts).input
        listed = removal_residue(view)
        self._removals.update((want.goal, want) for want in listed)
        left = (*self._changes((*listed, *self._unlisted(listed, view))), *self._foreign)
        if left != self._recorder.state.residue.changes:
            self._recorder.write(ResidueLeft(left))

    def _unlisted(self, listed: Sequence[DesiredFact], view: StepInput) -> Iterator[DesiredFact]:
        """Yield the removals left out that are not *listed*, because a reading may be stale."""
        left_out, known = self._state_reader.left_out, {want.goal for want in listed}
        for goal, want in self._removals.items():
            stale = goal not in known and view.now.value(goal.fact) is UNKNOWN
            if stale and want.is_left_out(left_out):
                yield want

    def record(self) -> None:
        """Write the residue of a cutover into the journal, if it has changed."""
        state = self._recorder.state
        if self._seen is None or not (
            self._state_reader.left_out or state.residue.changes or state.residue.unreached
        ):
            return
        facts = self._state_reader.journal_facts()
        view = self._seen.with_facts(facts).input
        left = self._changes(residue(view))
        unreached = tuple(map(str, destinations(view).residual))
        if (left, unreached) != (state.residue.changes, state.residue.unreached):
            self._recorder.write(ResidueLeft(left, unreached))

    def _changes(self, wants: Iterable[DesiredFact]) -> tuple[ResidualChange, ...]:
        return tuple(
            ResidualChange(want.change, self._why.get(want.goal) or _waits_for(want))
            for want in wants
            if isinstance(want.change, AwsChange)
        )

    def _leave_out(self, step: Step, wants: Iterable[DesiredFact], why: str) -> None:
        for want in wants:
            if step.removes:
                self._removals[want.goal] = want
            self._why.setdefault(want.goal, why)
            self._since.setdefault(want.goal, self._clock.now())
            self._state_reader.leave_out(want.goal)

    def _optional_part(
        self, step: Step, observation: Observation, change: AwsChange
    ) -> DesiredFact | None:
        """Return the optional part of *change*: listed once for all answers of an observation."""
        listed = self._listed
        if listed is None or listed[0] is not step or listed[1] is not observation:
            wants: dict[Goal, DesiredFact] = {}
            for want in step.optional_parts(observation.input):
                wants.setdefault(want.goal, want)
            listed = self._listed = step, observation, wants
        return listed[2].get(change.goal)


def _continues_without(step: Step, *, outage: bool) -> bool:
    """Return whether a run continues without a change of *step* that AWS does not make.

    It does so while traffic is down, after traffic was interrupted, and where it only removes what
    is no longer needed.  Before that, a run whose first calls AWS does not carry out ends without
    an outage.
    """
    return outage or step.removes or isinstance(step, RestoreRouting | SwitchTunnels)


def _waits_for(want: DesiredFact) -> str:
    return f"it has to follow another change, for {want.name}"


def wait_reason(verdict: Verdict, state: RunState) -> str:
    """Return what a step waits for after *verdict*; empty if it may be the last one."""
    match verdict:
        case NotYet(why):
            return why
        case Residual() if state.residue.is_left:
            return f"the rest is done; {state.residue.first}"
        case _:
            return ""


def leaves_residue(step: Step, verdict: Verdict) -> bool:
    """Return whether the cutover would end with *verdict* although changes are missing."""
    return isinstance(verdict, Residual) and isinstance(step, SwitchTunnels)
