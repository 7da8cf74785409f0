"""Retry policy: which AWS errors are retried, how long, and the time to renew credentials.

During an outage and during clean-up, a run retries every call that AWS has not definitely refused,
until the step's own limit.  Otherwise it retries only errors that are known to pass, for as long as
they are known to take (docs/decisions/0031-refusals-by-phase.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from vpnmigrate.engine.execute import ChangeResult
from vpnmigrate.engine.observe import StateReader
from vpnmigrate.engine.pause import ActiveClock
from vpnmigrate.engine.ports import CREDENTIALS_LIMIT
from vpnmigrate.engine.recorder import RunRecorder
from vpnmigrate.journal.records import Noted
from vpnmigrate.journal.state import ExpiredCredentials
from vpnmigrate.model.changes import AwsChange, PlaceClaim
from vpnmigrate.model.changes.base import InDoubt, Later, Performed, Refused
from vpnmigrate.model.clock import Clock, Timer, span
from vpnmigrate.model.consistency import CONSISTENCY_DELAY
from vpnmigrate.model.errors import ChangeRefusedError, DidNotSettleError, StepError
from vpnmigrate.model.errors.commands import Advice
from vpnmigrate.model.facts import Fact
from vpnmigrate.model.plan import Direction, Phase
from vpnmigrate.steps.base import Step

UNHEARD_LIMIT = timedelta(minutes=15)
"""Limit for a call that is retried and never answered; the same as for throttling."""

AT_ONCE = 3
"""How many refusals of one change are retried at the next observation: most errors pass by then,
and each second of waiting extends the outage."""
LONGEST_BACKOFF = timedelta(seconds=10)
"""Between two tries of one change; the same as the observation interval while traffic flows."""


def backoff(refusals: int) -> timedelta:
    """Return how long a change waits for its next try after *refusals* in a row."""
    if refusals <= AT_ONCE:
        return timedelta(0)
    doublings = min(refusals - AT_ONCE, 4)
    return min(timedelta(seconds=2**doublings), LONGEST_BACKOFF)


PERSISTENT = 6
"""After so many refusals in a row a run continues without an optional change; with the backoff
between them, these take about ten seconds."""


class RetryPolicy:
    """Records since when each change has been retried, and decides when to give up."""

    def __init__(self, recorder: RunRecorder, state_reader: StateReader, clock: Timer) -> None:
        self._recorder = recorder
        self._state_reader = state_reader
        self._clock = clock
        # Each reason has its own limit, and therefore its own start.
        self._delayed_since: dict[Fact, dict[timedelta, datetime]] = {}
        self._gone_since: dict[AwsChange, datetime] = {}
        self._unanswered_since: dict[AwsChange, datetime] = {}
        self._refusals: dict[AwsChange, int] = {}
        self._next_try: dict[AwsChange, datetime] = {}
        self._accepted: dict[AwsChange, datetime] = {}
        """When AWS first carried out each change that it had refused before."""

    def due(self, changes: Iterable[AwsChange]) -> Sequence[AwsChange]:
        """Return those of *changes* that are not backing off now."""
        now = self._clock.now()
        return [change for change in changes if self._next_try.get(change, now) <= now]

    def is_repeated_at_once(self, done: ChangeResult) -> bool:
        """Return whether the change failed so few times that it is repeated without a pause.

        A throttled one waits for a token instead (``request_buckets``).
        """
        return not _is_throttled(done) and 0 < self._refusals.get(done.change, 0) <= AT_ONCE

    def is_refused_too_often(self, change: AwsChange) -> bool:
        """Return whether AWS has refused *change* so often that the run continues without it."""
        return self._refusals.get(change, 0) >= PERSISTENT

    def refused_for(self, began: datetime) -> timedelta:
        """Return how long after *began* AWS carried out the last change that it had refused.

        A step's limit does not include this time, because a change that AWS accepts late takes as
        long as any other.  Each change counts once, so the limit is reached.
        """
        return max(timedelta(0), max(self._accepted.values(), default=began) - began)

    def decide(self, step: Step, done: ChangeResult, *, outage: bool) -> StepError | None:
        """Return the error that ends *step* after *done*, or None if the call may be retried."""
        self._back_off(done)
        # An observation ends a retry that cannot succeed any more; the step's limit ends the rest.
        # Without the journal of an earlier process, traffic may be down in any step.
        until_step_limit = outage or step.cleaning or self._state_reader.journal_lost
        match done.outcome:
            case Performed():
                self._delayed_since.pop(done.change.fact, None)
                self._unanswered_since.pop(done.change, None)
                return None
            case Later(why) | Refused(message=why) | InDoubt(why) if self._can_do_without(done):
                self._recorder.write(
                    Noted(f"AWS did not {done.change}; the rollback continues without it: {why}")
                )
                self._state_reader.leave_out_claim()
                return None
            case InDoubt(why):
                self._delayed_since.pop(done.change.fact, None)
                since = self._unanswered_since.setdefault(done.change, self._clock.now())
                if until_step_limit or self._clock.now() - since < UNHEARD_LIMIT:
                    return None
                text = f"AWS has not answered for {span(UNHEARD_LIMIT)}: {done.change}: {why}"
                return DidNotSettleError(text, step=step.number, outage=outage)
            case Later(why=why, limit=limit, request_id=answer):
                if answer:
                    self._unanswered_since.pop(done.change, None)
                if until_step_limit or self._may_still_be_temporary(done.change, limit):
                    return None
                text = f"not possible after {span(limit)} of retries: {done.change}: {why}"
                return ChangeRefusedError(text, step=step.number, outage=outage)
            case Refused(code=code, message=message, advice=advice) as refused:
                self._delayed_since.pop(done.change.fact, None)
                if until_step_limit and not refused.definite:
                    return None
                if self._may_be_gone(step, done.change, refused):
                    return None
                text = f"AWS refused to {done.change}: {code}: {message}"
                return ChangeRefusedError(text, step=step.number, outage=outage, advice=advice)

    def _back_off(self, done: ChangeResult) -> None:
        """Record when the change of *done* may be sent again.

        A change that was not sent has not failed, and waits for the next observation only.
        """
        if isinstance(done.outcome, Later) and not done.outcome.sent:
            return
        if isinstance(done.outcome, Later | Refused | InDoubt):
            refusals = self._refusals.get(done.change, 0) + 1
            self._refusals[done.change] = refusals
            # The request bucket of a throttled one decides when it is sent again.
            pause = timedelta(0) if _is_throttled(done) else backoff(refusals)
            self._next_try[done.change] = self._clock.now() + pause
        else:
            if self._refusals.pop(done.change, 0) and isinstance(done.outcome, Performed):
                self._accepted.setdefault(done.change, self._clock.now())
            self._next_try.pop(done.change, None)

    def _can_do_without(self, done: ChangeResult) -> bool:
        """Return whether a rollback continues without *done*: a tag must not delay it."""
        rolls_back = self._recorder.state.direction is Direction.ROLLBACK
        return rolls_back and isinstance(done.change, PlaceClaim)

    def _may_still_be_temporary(self, change: AwsChange, limit: timedelta) -> bool:
        since = self._delayed_since.setdefault(change.fact, {}).setdefault(limit, self._clock.now())
        return self._clock.now() - since < limit

    def _may_be_gone(self, step: Step, change: AwsChange, refused: Refused) -> bool:
        """Return whether a resource that a describe still shows may be deleted (domain.md 12.2).

        It has one consistency delay to disappear from the describe as well; meanwhile the step may
        create it again.
        """
        gone = refused.code.endswith(".NotFound") or refused.missing
        if step.phase is Phase.PREPARE or not gone:
            return False
        since = self._gone_since.setdefault(change, self._clock.now())
        return self._clock.now() - since < CONSISTENCY_DELAY


def _is_throttled(done: ChangeResult) -> bool:
    return isinstance(done.outcome, Later) and done.outcome.throttled


class CredentialTime:
    """The time that expired credentials add to the limit of a step."""

    def __init__(self, recorder: RunRecorder, clock: Clock, time: ActiveClock) -> None:
        self._recorder = recorder
        self._clock = clock
        self._time = time
        self._seen: ExpiredCredentials | None = None

    def observed(self) -> None:
        """Leave out of all limits the time since they expired, once AWS accepts them again."""
        before, self._seen = self._seen, self._recorder.state.expired
        if before is not None and self._seen is None:
            self._time.exclude_since(before.since)

    @property
    def left(self) -> bool:
        """Whether they are expired, and the operator still has time to renew them."""
        expired = self._recorder.state.expired
        return expired is not None and self._clock.now() - expired.since < CREDENTIALS_LIMIT

    def exceeded(self, limit: timedelta) -> tuple[str, Advice]:
        """Return the *limit* of a step that has passed, for a message, and how to renew them."""
        expired = self._recorder.state.expired
        if expired is None:
            return span(limit), ""
        waited = f"the credentials were not renewed for {span(CREDENTIALS_LIMIT)}"
        return f"{span(limit)}, and {waited}", expired.renew
