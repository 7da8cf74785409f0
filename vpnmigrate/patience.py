"""Which refusals a run bears, and for how long."""

from __future__ import annotations

from datetime import datetime, timedelta

from vpnmigrate.belief import CONSISTENCY_DELAY
from vpnmigrate.changes import AwsChange, PlaceClaim, RemoveClaim
from vpnmigrate.clock import Clock
from vpnmigrate.errors import ChangeRefusedError, DidNotSettleError, StepError
from vpnmigrate.facts import Fact
from vpnmigrate.logbook import Logbook
from vpnmigrate.looking import Looker
from vpnmigrate.outcomes import InDoubt, Later, Performed, Refused
from vpnmigrate.performing import Done
from vpnmigrate.plan import Phase
from vpnmigrate.records import Direction, Noted
from vpnmigrate.steps.base import Step
from vpnmigrate.times import span

UNHEARD_LIMIT = timedelta(minutes=15)
"""For a call that is sent again and again, and never answered: as long as for throttling."""


class Patience:
    """Remembers since when AWS has put a change off, and knows when that is too long."""

    def __init__(self, logbook: Logbook, looker: Looker, clock: Clock) -> None:
        self._logbook = logbook
        self._looker = looker
        self._clock = clock
        # Each reason has its own limit, and so its own beginning.
        self._put_off: dict[Fact, dict[timedelta, datetime]] = {}
        self._gone_since: dict[AwsChange, datetime] = {}
        self._unheard: dict[AwsChange, datetime] = {}
        self._dispensable: dict[AwsChange, datetime] = {}

    def judge(self, step: Step, done: Done, *, outage: bool) -> StepError | None:
        """Give the error that *done* has to end *step* with, or nothing if the run can bear it."""
        match done.outcome:
            case Performed():
                self._put_off.pop(done.change.fact, None)
                self._unheard.pop(done.change, None)
                self._dispensable.pop(done.change, None)
                return None
            case Later(why) | Refused(message=why) | InDoubt(why) if self._can_do_without(done):
                self._logbook.write(Noted(f"AWS would not {done.change}: {why}"))
                self._looker.forgo_claim()
                return None
            case InDoubt(why):
                self._put_off.pop(done.change.fact, None)
                since = self._unheard.setdefault(done.change, self._clock.now())
                if self._clock.now() - since < UNHEARD_LIMIT:
                    return None
                text = f"for {span(UNHEARD_LIMIT)} no answer has come to {done.change}: {why}"
                return DidNotSettleError(text, step=step.number, outage=outage)
            case Later(why=why, limit=limit, request_id=answer):
                if answer:
                    self._unheard.pop(done.change, None)
                if self._may_still_pass(done.change, limit):
                    return None
                text = f"AWS has put off for {span(limit)} to {done.change}: {why}"
                return ChangeRefusedError(text, step=step.number, outage=outage)
            case Refused(code=code, message=message, advice=advice) as refused:
                self._put_off.pop(done.change.fact, None)
                if self._may_be_gone(step, done.change, refused):
                    return None
                text = f"AWS refused to {done.change}: {code}: {message}"
                return ChangeRefusedError(text, step=step.number, outage=outage, advice=advice)

    def _can_do_without(self, done: Done) -> bool:
        """Tell whether the way back goes on all the same: it must not fail for want of a tag.

        To take the claim off it tries a little longer, because traffic flows by then.
        """
        change, back = done.change, self._logbook.state.direction is Direction.BACK
        if not back or not isinstance(change, PlaceClaim | RemoveClaim):
            return False
        if isinstance(change, PlaceClaim) or isinstance(done.outcome, Refused):
            return True
        since = self._dispensable.setdefault(change, self._clock.now())
        return self._clock.now() - since >= 2 * CONSISTENCY_DELAY

    def _may_still_pass(self, change: AwsChange, limit: timedelta) -> bool:
        since = self._put_off.setdefault(change.fact, {}).setdefault(limit, self._clock.now())
        return self._clock.now() - since < limit

    def _may_be_gone(self, step: Step, change: AwsChange, refused: Refused) -> bool:
        """Tell whether others may have deleted what a describe still shows (domain.md 12.2).

        It gets one consistency delay to vanish from the describe, too.
        """
        gone = refused.code.endswith(".NotFound") or "no route defined" in refused.message.lower()
        if step.phase is Phase.PREPARE or not gone:
            return False
        since = self._gone_since.setdefault(change, self._clock.now())
        return self._clock.now() - since < CONSISTENCY_DELAY
