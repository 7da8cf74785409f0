"""Execution: an intent is recorded, then the change is sent, then its outcome.

A change passes from here through ``Calls.send`` (``aws.call_threads``) to ``Account.perform``
(``aws.account``), which makes the boto3 call.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from vpnmigrate.engine.context import RunContext
from vpnmigrate.engine.ports import NewWaitCheck
from vpnmigrate.engine.request_buckets import RequestBuckets
from vpnmigrate.journal.records import Answered, Intended
from vpnmigrate.model.changes import AwsChange, Creation, OperatorTask
from vpnmigrate.model.changes.base import (
    CallTags,
    InDoubt,
    Later,
    Outcome,
    Performed,
    Refused,
)
from vpnmigrate.model.errors import StepError
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.model.plan import Direction, Plan
from vpnmigrate.planning.ownership import forbidden

FRESH = timedelta(seconds=30)
"""A call whose intent is older is not sent: the consistency delay of a call in doubt counts from
its intent.  A process that was suspended before its call observes again first, and so does a batch
whose calls are answered slowly.  A quarter of the delay leaves most of it for the observations."""

MOST_TOGETHER = 50
"""Changes whose intents are written together: AWS takes as many at once (domain.md 5), so all are
sent long before their intents are stale."""
STALE_INTENT_LIMIT = timedelta(hours=1)
"""How long a change may be delayed in that way; each new observation writes a fresh intent."""


@dataclass(frozen=True)
class ChangeResult:
    """A change with its outcome."""

    change: AwsChange
    outcome: Outcome

    @property
    def why_not_made(self) -> str:
        """Why AWS has not carried out the change; empty if it has."""
        match self.outcome:
            case Later(why=why) | InDoubt(why=why):
                return why
            case Refused(code=code, message=message):
                return f"{code}: {message}"
            case Performed():
                return ""


def not_sent_while_throttled(change: AwsChange) -> ChangeResult:
    """Return the result of a change that is not sent, because AWS throttles its operation."""
    why = f"not sent: AWS throttles {change.call}"
    return ChangeResult(change, Later(why, STALE_INTENT_LIMIT, sent=False))


def call_tags(plan: Plan, attempt: int, step: int) -> CallTags:
    """Return the tags of the calls of *step* in an attempt."""
    return CallTags(plan.migration, attempt, step, plan.decisions.change)


class ChangeExecutor:
    """Sends batches of independent changes, each exactly once, after recording its intent.

    *calls* limits how many are in flight and for how long; *new_wait_check* checks orders and
    signals meanwhile.
    """

    def __init__(self, context: RunContext, new_wait_check: NewWaitCheck) -> None:
        self._ec2 = context.ec2
        self._recorder = context.recorder
        self._clock = context.clock
        self._plan = context.plan
        self._calls = context.calls
        self._new_wait_check = new_wait_check
        self._buckets = RequestBuckets(context.clock)

    @property
    def buckets(self) -> RequestBuckets:
        """What is known of AWS's request buckets."""
        return self._buckets

    def execute(
        self, step: int, changes: Sequence[AwsChange], present: Sequence[str] = ()
    ) -> Sequence[ChangeResult]:
        """Perform *changes* and return the outcomes in the order of the answers.

        Many are sent in several batches, each after its intents.  *present* are resources that
        existed before, so that no creation among *changes* made them.

        Raises:
            StepError: One of them would alter a resource that this run may not alter; none was
                sent.
            JournalError: The intents of a batch could not be made durable, and it was not sent; or
                another process took over the run, and the calls not yet in flight were not sent.
        """
        self._require_permitted(step, changes)
        begun = self._clock.now()
        done: list[ChangeResult] = []
        for start in range(0, len(changes), MOST_TOGETHER):
            done += self._execute(step, changes[start : start + MOST_TOGETHER], present, begun)
        return done

    def _execute(
        self, step: int, changes: Sequence[AwsChange], present: Sequence[str], begun: datetime
    ) -> Sequence[ChangeResult]:
        first = self.intend(step, changes, present)
        tags = call_tags(self._plan, self._recorder.state.attempt, step)
        done: list[ChangeResult] = []
        intended = self._recorder.state.intents[-1].at
        for index, outcome in self._send(changes, tags, intended, begun):
            self._buckets.count(changes[index], outcome)
            self._recorder.write(Answered(first + index, outcome))
            done.append(ChangeResult(changes[index], outcome))
        return done

    def intend(
        self, step: int, changes: Iterable[AwsChange | OperatorTask], present: Sequence[str] = ()
    ) -> int:
        """Write the intents of *changes* in one sync and return the number of the first."""
        first = len(self._recorder.state.intents) + 1
        self._recorder.write(
            *(
                Intended(
                    first + i, step, change, tuple(present) if isinstance(change, Creation) else ()
                )
                for i, change in enumerate(changes)
            )
        )
        return first

    def _require_permitted(self, step: int, changes: Sequence[AwsChange]) -> None:
        """Refuse to delete, attach or detach a resource that this run may not touch.

        Raises:
            StepError: A step requested it, which is a defect; nothing was sent.
        """
        state = self._recorder.state
        finalizes = state.direction is Direction.FINALIZE
        for change in changes:
            why = forbidden(change, self._plan, self._recorder.evidence(), finalizes=finalizes)
            if why:
                raise StepError(
                    f"not sent: {change}: {why}",
                    step=step,
                    outage=state.outage.open,
                    advice=("report this defect:", cli("report", self._plan.migration)),
                )

    def _send(
        self, changes: Sequence[AwsChange], tags: CallTags, intended: datetime, begun: datetime
    ) -> Iterable[tuple[int, Outcome]]:
        works = [partial(self._send_one, change, tags, intended, begun) for change in changes]
        return self._calls.send(works, self._new_wait_check)

    def _send_one(
        self, change: AwsChange, tags: CallTags, intended: datetime, begun: datetime
    ) -> Outcome:
        """Send *change* in this thread, which may have been suspended since the intents.

        Once AWS throttles an operation, no more of its calls are sent of those *begun* together.
        """
        self._recorder.require_ours()
        age = self._clock.now() - intended
        if age > FRESH:
            why = f"not sent: its intent was recorded {age.total_seconds():.0f} s ago"
            return Later(why, STALE_INTENT_LIMIT, sent=False)
        if self._buckets.is_empty_since(begun, change.call):
            return not_sent_while_throttled(change).outcome
        return self._ec2.perform(change, tags)  # LimitedEc2 adds nothing: Calls has the limit.
