"""Execution: an intent is recorded, then the change is sent, then its outcome."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from vpnmigrate.commands import cli
from vpnmigrate.engine.context import RunContext
from vpnmigrate.engine.ports import Attendance
from vpnmigrate.errors import StepError
from vpnmigrate.journal.records import Answered, Intended
from vpnmigrate.model.changes import AwsChange, Creation, OperatorTask
from vpnmigrate.model.changes.base import CallTags, Later, Outcome
from vpnmigrate.model.plan import Direction
from vpnmigrate.planning.ownership import forbidden

FRESH = timedelta(seconds=30)
"""Older intents are not sent: belief counts the consistency delay of a call in doubt from its
intent.  A process that slept on the way to its call looks again first, and so does a batch whose
calls are answered slowly; a quarter of that delay leaves belief most of it."""

PATIENCE = timedelta(hours=1)
"""How long a change may be put off in that way, since each new look writes a fresh intent."""


@dataclass(frozen=True)
class ChangeResult:
    """A change with what became of it."""

    change: AwsChange
    outcome: Outcome


class ChangeExecutor:
    """Sends batches of independent changes, each exactly once, with its intent written first.

    *calls* says how many are under way at once and for how long; *attended*, who attends to the
    run meanwhile.
    """

    def __init__(self, context: RunContext, attended: Attendance) -> None:
        self._ec2 = context.ec2
        self._recorder = context.recorder
        self._clock = context.clock
        self._plan = context.plan
        self._calls = context.calls
        self._attended = attended

    def execute(
        self, step: int, changes: Sequence[AwsChange], present: Sequence[str] = ()
    ) -> Sequence[ChangeResult]:
        """Perform *changes* together and return what became of each, in the order answers came.

        *present* are resources that a creation among them cannot have made.

        Raises:
            StepError: One of them would alter what is not this run's to alter; nothing was sent.
            JournalError: The intents could not be made durable, and nothing was sent; or the run
                was taken over meanwhile, and what was not under way by then was not sent.
        """
        self._require_permitted(step, changes)
        first = self.intend(step, changes, present)
        plan, attempt = self._plan, self._recorder.state.attempt
        mark = CallTags(plan.migration, attempt, step, plan.decisions.change)
        done: list[ChangeResult] = []
        intended = self._recorder.state.intents[-1].at
        for index, outcome in self._send(changes, mark, intended):
            self._recorder.write(Answered(first + index, outcome))
            done.append(ChangeResult(changes[index], outcome))
        return done

    def intend(
        self, step: int, changes: Iterable[AwsChange | OperatorTask], present: Sequence[str] = ()
    ) -> int:
        """Write the intents of *changes* in one sync and give the first one's number."""
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
        """Refuse to delete, attach or detach what this run may not touch, whatever asked for it.

        Raises:
            StepError: A step has asked for it: a defect, and nothing has been sent.
        """
        state = self._recorder.state
        finalizes = state.direction is Direction.FINALIZE
        for change in changes:
            why = forbidden(change, self._plan, self._recorder.evidence(), finalizes=finalizes)
            if why:
                raise StepError(
                    f"not sent: {change}: {why}",
                    step=step,
                    outage=state.outage_open,
                    advice=("report it with:", cli("report", self._plan.migration)),
                )

    def _send(
        self, changes: Sequence[AwsChange], mark: CallTags, intended: datetime
    ) -> Iterable[tuple[int, Outcome]]:
        works = [partial(self._send_one, change, mark, intended) for change in changes]
        return self._calls.send(works, self._attended)

    def _send_one(self, change: AwsChange, mark: CallTags, intended: datetime) -> Outcome:
        """Send *change* from this very thread, which may have been stopped since the intents."""
        self._recorder.require_ours()
        age = self._clock.now() - intended
        if age > FRESH:
            why = f"not sent: that it would be was written down {age.total_seconds():.0f} s ago"
            return Later(why, PATIENCE)
        return self._ec2.perform(change, mark)
