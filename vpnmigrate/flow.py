"""Since when traffic flows: seen once is not enough, it has to hold steady."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from vpnmigrate.logbook import Logbook
from vpnmigrate.looking import Look, Looker
from vpnmigrate.plan import Plan
from vpnmigrate.records import OutageEnded, TrafficVerified
from vpnmigrate.steps.traffic import shortfalls


class Flow:
    """Watches, look by look, whether the joining side lacks anything, and ends the outage."""

    def __init__(self, plan: Plan, logbook: Logbook, looker: Looker) -> None:
        self._plan = plan
        self._logbook = logbook
        self._looker = looker
        self._since: datetime | None = None

    def forget(self) -> None:
        """Begin to count afresh."""
        self._since = None

    def watch(self, look: Look) -> Look:
        """Take *look* into account, and give it with what the journal says after that."""
        if look.told.verified is not None:
            return look
        if shortfalls(self._plan, look.way, look.now, look.told):
            self._since = None
            return look
        since = self._since = self._since or look.now.begun
        if look.now.begun - since < self._plan.decisions.waits.steady:
            return look
        state = self._logbook.state
        if state.outage_open and state.outage_since is not None:
            ended = OutageEnded(since, since - state.outage_since, state.outage_earlier)
            self._logbook.write(TrafficVerified(since), ended)
        else:
            self._logbook.write(TrafficVerified(since))
        return replace(look, told=self._looker.told())
