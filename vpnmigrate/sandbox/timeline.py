"""States that are a function of time: nothing in the sandbox counts polls or runs a thread."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
"""Since when a loaded resource is what it is, unless its scenario says otherwise."""

UNBORN = "unborn"
"""Before the first entry: the resource is not there yet, and no call shows it."""
GONE = "gone"
"""After its lingering: the resource is not there any more, and no call shows it."""


@dataclass
class Timeline:
    """Moments, each with the state that begins then; the last one that has come holds."""

    moments: list[tuple[datetime, str]] = field(default_factory=list)

    def at(self, now: datetime) -> str:
        """Give the state at *now*."""
        for since, state in reversed(self.moments):
            if since <= now:
                return state
        return UNBORN

    def since(self, now: datetime) -> datetime:
        """Give the moment at which the state of *now* began."""
        for since, _ in reversed(self.moments):
            if since <= now:
                return since
        return LONG_AGO

    def then(self, now: datetime, *stages: tuple[timedelta, str]) -> None:
        """Forget what was to come after *now*, and go through *stages*.

        Each stage's time is counted from the one before, the first from *now*.
        """
        self.moments = [entry for entry in self.moments if entry[0] <= now]
        moment = now
        for after, state in stages:
            moment += after
            self.moments.append((moment, state))

    def reaches(self, state: str) -> datetime | None:
        """Give the moment at which *state* begins for the last time, past or to come."""
        for since, each in reversed(self.moments):
            if each == state:
                return since
        return None

    def is_there(self, now: datetime) -> bool:
        """Tell whether a call may still show the resource."""
        return self.at(now) not in {UNBORN, GONE}


def always(state: str, since: datetime = LONG_AGO) -> Timeline:
    """Give the timeline of something that simply is in *state*."""
    return Timeline([(since, state)])
