"""Which refusals a run bears, and for how long."""

from __future__ import annotations

from datetime import datetime, timedelta

from vpnmigrate.belief import CONSISTENCY_DELAY
from vpnmigrate.changes import AwsChange, PlaceClaim, RemoveClaim
from vpnmigrate.clock import Clock
from vpnmigrate.errors import ChangeRefusedError
from vpnmigrate.facts import Fact
from vpnmigrate.logbook import Logbook
from vpnmigrate.looking import Looker
from vpnmigrate.outcomes import InDoubt, Later, Performed, Refused
from vpnmigrate.performing import Done
from vpnmigrate.plan import Phase
from vpnmigrate.records import Direction, Noted
from vpnmigrate.steps.base import Step


class Patience:
    """Remembers since when AWS has put a change off, and knows when that is too long."""

    def __init__(self, logbook: Logbook, looker: Looker, clock: Clock) -> None:
        self._logbook = logbook
        self._looker = looker
        self._clock = clock
        # Each reason has its own limit, and so its own beginning.
        self._put_off: dict[Fact, dict[timedelta, datetime]] = {}
        self._gone_since: dict[AwsChange, datetime] = {}

    def judge(self, step: Step, done: Done, *, outage: bool) -> ChangeRefusedError | None:
        """Give the error that *done* has to end *step* with, or nothing if the run can bear it."""
        match done.outcome:
            case Performed() | InDoubt():
                self._put_off.pop(done.change.fact, None)
                return None
            case Later(limit=limit) if self._is_in_no_hurry(done.change, limit):
                return None
            case Later(why=why) | Refused(message=why) if self._can_do_without(done.change):
                self._logbook.write(Noted(f"AWS would not {done.change}: {why}"))
                self._looker.forgo_claim()
                return None
            case Later(why=why, limit=limit):
                if self._may_still_pass(done.change, limit):
                    return None
                text = f"AWS has put off for {limit} to {done.change}: {why}"
                return ChangeRefusedError(text, step=step.number, outage=outage)
            case Refused(code=code, message=message, advice=advice) as refused:
                self._put_off.pop(done.change.fact, None)
                if self._may_be_gone(step, done.change, refused):
                    return None
                text = f"AWS refused to {done.change}: {code}: {message}"
                return ChangeRefusedError(text, step=step.number, outage=outage, advice=advice)

    def _can_do_without(self, change: AwsChange) -> bool:
        """Tell whether the way back goes on all the same: it must not fail for want of a tag."""
        back = self._logbook.state.direction is Direction.BACK
        return back and isinstance(change, PlaceClaim | RemoveClaim)

    def _is_in_no_hurry(self, change: AwsChange, limit: timedelta) -> bool:
        """Tell whether to ask once more to take our claim off: traffic flows, and it would stay."""
        return isinstance(change, RemoveClaim) and self._may_still_pass(change, limit)

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
