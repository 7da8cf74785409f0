"""Retry policy: which AWS errors are retried, and for how long.

During an outage a run sends every call again that AWS has not refused for good, until the step's
own limit; so it does while it cleans up.  Otherwise only what is known to pass is sent again, and
for as long as that is known to take (docs/decisions/0031-refusals-by-phase.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from vpnmigrate.engine.execute import ChangeResult
from vpnmigrate.engine.observe import StateReader
from vpnmigrate.engine.recorder import RunRecorder
from vpnmigrate.errors import ChangeRefusedError, DidNotSettleError, StepError
from vpnmigrate.journal.records import Noted
from vpnmigrate.model.changes import AwsChange, PlaceClaim, RemoveClaim
from vpnmigrate.model.changes.base import InDoubt, Later, Performed, Refused
from vpnmigrate.model.clock import Timer, span
from vpnmigrate.model.consistency import CONSISTENCY_DELAY
from vpnmigrate.model.facts import Fact
from vpnmigrate.model.plan import Direction, Phase
from vpnmigrate.steps.base import Step

UNHEARD_LIMIT = timedelta(minutes=15)
"""For a call that is sent again and again, and never answered: as long as for throttling."""

AT_ONCE = 3
"""Refusals of one change after which it is sent again at the next look: most pass by then, and
each second of a wait is a second of the outage."""
LONGEST_BACKOFF = timedelta(seconds=10)
"""Between two tries of one change; as often as a run looks while traffic flows."""
CLAIM_REMOVAL_LIMIT = 4 * CONSISTENCY_DELAY
"""For the claim of a rollback, since traffic flows by then: below the limit of step 1, which would
end the rollback with an error."""


def backoff(refusals: int) -> timedelta:
    """Return how long a change waits for its next try after so many refusals in a row."""
    if refusals <= AT_ONCE:
        return timedelta(0)
    doublings = min(refusals - AT_ONCE, 4)
    return min(timedelta(seconds=2**doublings), LONGEST_BACKOFF)


class RetryPolicy:
    """Remembers since when AWS has put a change off, and knows when that is too long."""

    def __init__(self, recorder: RunRecorder, state_reader: StateReader, clock: Timer) -> None:
        self._recorder = recorder
        self._state_reader = state_reader
        self._clock = clock
        # Each reason has its own limit, and so its own beginning.
        self._put_off: dict[Fact, dict[timedelta, datetime]] = {}
        self._gone_since: dict[AwsChange, datetime] = {}
        self._unheard: dict[AwsChange, datetime] = {}
        self._dispensable: dict[AwsChange, datetime] = {}
        self._refusals: dict[AwsChange, int] = {}
        self._next_try: dict[AwsChange, datetime] = {}

    def due(self, changes: Iterable[AwsChange]) -> Sequence[AwsChange]:
        """Return those of *changes* that are not backing off now."""
        now = self._clock.now()
        return [change for change in changes if self._next_try.get(change, now) <= now]

    def decide(self, step: Step, done: ChangeResult, *, outage: bool) -> StepError | None:
        """Return the error that ends *step* after *done*, or None if the call is to be repeated."""
        self._back_off(done)
        # A look ends what cannot succeed any more, and the step's limit everything else.
        endures = outage or step.cleaning
        match done.outcome:
            case Performed():
                self._put_off.pop(done.change.fact, None)
                self._unheard.pop(done.change, None)
                self._dispensable.pop(done.change, None)
                return None
            case Later(why) | Refused(message=why) | InDoubt(why) if self._can_do_without(done):
                self._recorder.write(Noted(f"AWS would not {done.change}: {why}"))
                self._state_reader.skip_claim()
                return None
            case InDoubt(why):
                self._put_off.pop(done.change.fact, None)
                since = self._unheard.setdefault(done.change, self._clock.now())
                if endures or self._clock.now() - since < UNHEARD_LIMIT:
                    return None
                text = f"for {span(UNHEARD_LIMIT)} no answer has come to {done.change}: {why}"
                return DidNotSettleError(text, step=step.number, outage=outage)
            case Later(why=why, limit=limit, request_id=answer):
                if answer:
                    self._unheard.pop(done.change, None)
                if endures or self._may_still_pass(done.change, limit):
                    return None
                text = f"AWS has put off for {span(limit)} to {done.change}: {why}"
                return ChangeRefusedError(text, step=step.number, outage=outage)
            case Refused(code=code, message=message, advice=advice) as refused:
                self._put_off.pop(done.change.fact, None)
                if endures and not refused.definite:
                    return None
                if self._may_be_gone(step, done.change, refused):
                    return None
                text = f"AWS refused to {done.change}: {code}: {message}"
                return ChangeRefusedError(text, step=step.number, outage=outage, advice=advice)

    def _back_off(self, done: ChangeResult) -> None:
        """Note when the change of *done* may be sent again."""
        if isinstance(done.outcome, Later | Refused):
            refusals = self._refusals.get(done.change, 0) + 1
            self._refusals[done.change] = refusals
            self._next_try[done.change] = self._clock.now() + backoff(refusals)
        else:
            self._refusals.pop(done.change, None)
            self._next_try.pop(done.change, None)

    def _can_do_without(self, done: ChangeResult) -> bool:
        """Return whether a rollback continues without *done*: a tag must not make it fail.

        Removing the claim is tried for longer, because traffic flows by then.
        """
        change, back = done.change, self._recorder.state.direction is Direction.ROLLBACK
        if not back or not isinstance(change, PlaceClaim | RemoveClaim):
            return False
        if isinstance(change, PlaceClaim) or isinstance(done.outcome, Refused):
            return True
        since = self._dispensable.setdefault(change, self._clock.now())
        return self._clock.now() - since >= CLAIM_REMOVAL_LIMIT

    def _may_still_pass(self, change: AwsChange, limit: timedelta) -> bool:
        since = self._put_off.setdefault(change.fact, {}).setdefault(limit, self._clock.now())
        return self._clock.now() - since < limit

    def _may_be_gone(self, step: Step, change: AwsChange, refused: Refused) -> bool:
        """Return whether others may have deleted what a describe still shows (domain.md 12.2).

        It gets one consistency delay to vanish from the describe, too.
        """
        gone = refused.code.endswith(".NotFound") or "no route defined" in refused.message.lower()
        if step.phase is Phase.PREPARE or not gone:
            return False
        since = self._gone_since.setdefault(change, self._clock.now())
        return self._clock.now() - since < CONSISTENCY_DELAY
