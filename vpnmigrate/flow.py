"""Since when traffic flows: seen once is not enough, it has to hold."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from vpnmigrate.journal.records import (
    Acceptable,
    Degraded,
    Flapped,
    Noted,
    OutageEnded,
    Record,
    TrafficVerified,
)
from vpnmigrate.logbook import Logbook
from vpnmigrate.looking import Look, Looker
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.snapshot import Green, Word
from vpnmigrate.probing import Probing
from vpnmigrate.steps.traffic import (
    acceptable,
    degraded,
    destinations,
    holds,
    seen_again,
    shortfalls,
)


class Flow:
    """Watches, look by look, whether the joining side lacks anything, and ends the outage."""

    def __init__(self, plan: Plan, logbook: Logbook, looker: Looker, probing: Probing) -> None:
        self._plan = plan
        self._logbook = logbook
        self._looker = looker
        self._probing = probing
        self._green: Green | None = None
        self._held = False
        self._disabled = False
        self._short: frozenset[VpnConnectionId] = frozenset()
        self._short_since: datetime | None = None

    def forget(self) -> None:
        """Begin to count afresh."""
        self._green = None
        self._held = False
        self._short = frozenset()

    def watch(self, look: Look) -> Look:
        """Take *look* into account, and give it with what the journal says after that."""
        self._begin_again_after_old_tunnels(look)
        told = replace(look.told, green=self._green, unanswered=self._probing.unanswered())
        lacking = shortfalls(self._plan, look.way, look.now, told)
        self._green = seen_again(self._plan, look.way, look.now, told, lacking=bool(lacking))
        look = replace(look, told=replace(told, green=self._green))
        verified = look.told.verified is not None
        self._offer(look)
        if lacking:
            if self._held and verified:
                self._logbook.write(Flapped(lacking[0]))
            self._held = False
            return look
        if not holds(self._plan, look.way, look.now, look.told):
            return look
        self._held = True
        self._logbook.write(*(() if verified else self._verified(look)), *self._tunnels(look))
        unanswered = look.told.unanswered
        return replace(
            look, told=replace(self._looker.told(), green=self._green, unanswered=unanswered)
        )

    def _offer(self, look: Look) -> None:
        """Write down what somebody may accept, once that has been all that is lacking for a while.

        As long as green would have to hold: the second tunnel may come up right after the first.
        """
        found = acceptable(self._plan, look.way, look.now, look.told)
        short = frozenset(each.replaces for each in found)
        if short != self._short or self._short_since is None:
            self._short, self._short_since = short, look.now.begun
        offered = frozenset(each.replaces for each in self._logbook.state.acceptable)
        held = look.now.begun - self._short_since >= self._plan.decisions.waits.steady
        if short != offered and (held or not short):
            self._logbook.write(Acceptable(found))

    def _begin_again_after_old_tunnels(self, look: Look) -> None:
        """Ask for green anew once the old tunnels are off: a person may have hit the wrong ones."""
        disabled = Word.OLD_TUNNELS_DISABLED in look.told.words
        if disabled and not self._disabled:
            self.forget()
        self._disabled = disabled

    def _verified(self, look: Look) -> tuple[Record, ...]:
        green, state = self._green, self._logbook.state
        if green is None or green.since is None:
            message = "green that holds has a beginning"
            raise AssertionError(message)
        since = green.since
        elsewhere = destinations(self._plan, look.way, look.now, look.told).altered
        notes = [Noted(str(row)) for row in elsewhere]
        if not (state.outage_open and state.outage_since is not None):
            return (TrafficVerified(since), *notes)
        ended = OutageEnded(since, since - state.outage_since, state.outage_earlier)
        return (TrafficVerified(since), ended, *notes)

    def _tunnels(self, look: Look) -> tuple[Record, ...]:
        few = degraded(self._plan, look.way, look.now, look.told)
        return () if few == self._logbook.state.degraded else (Degraded(few),)
