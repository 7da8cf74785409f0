"""One look at AWS, turned into what a step may work from."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vpnmigrate.belief import CONSISTENCY_DELAY, foreign, trusted
from vpnmigrate.clock import Clock
from vpnmigrate.errors import AwsUnreadableError
from vpnmigrate.facts import UNKNOWN
from vpnmigrate.journeys import way_of
from vpnmigrate.logbook import Logbook
from vpnmigrate.plan import Plan
from vpnmigrate.ports import Ec2
from vpnmigrate.records import Direction
from vpnmigrate.snapshot import Snapshot, Told, Way, snapshot_of
from vpnmigrate.steps.base import NotYet


@dataclass(frozen=True)
class Claimant:
    """Who runs this: the holder for the claim tag, and whom they were told to outrank."""

    holder: str
    outranks: str = ""


@dataclass(frozen=True)
class Look:
    """A believed snapshot, the way that holds in it, and what the journal adds."""

    now: Snapshot
    way: Way
    told: Told

    @property
    def certain(self) -> bool:
        """Whether every fact that was read may be believed."""
        return UNKNOWN not in self.now.facts.values()


class Looker:
    """Looks at AWS for a run.

    *blind* says that an earlier process worked without leaving us its journal: then nothing is
    believed before one consistency delay has passed since this one started.
    """

    def __init__(
        self,
        plan: Plan,
        ec2: Ec2,
        logbook: Logbook,
        claimant: Claimant,
        clock: Clock,
        *,
        blind: bool,
    ) -> None:
        self._plan = plan
        self._ec2 = ec2
        self._logbook = logbook
        self._claimant = claimant
        self.blind = blind
        self._sighted_at = clock.now() + CONSISTENCY_DELAY if blind else None

    def look(self) -> Look | NotYet:
        """Look once; NotYet says why nothing of this look can be used.

        Raises:
            AwsError: No later look will do better.
        """
        try:
            reading = self._ec2.look(self._plan)
        except AwsUnreadableError as error:
            return NotYet(f"AWS cannot be read: {error.message}")
        if self._sighted_at is not None and reading.begun < self._sighted_at:
            return NotYet("without a journal, what AWS shows is believed only after a while")
        book = self._logbook
        now = trusted(snapshot_of(reading, self._plan.migration, book.made()), book.intents())
        now = replace(now, foreign=foreign(now, book.attempt_intents()))
        direction = book.state.direction or Direction.FORWARD
        return Look(now, way_of(direction, self._plan, now), self.told())

    def forgo_claim(self) -> None:
        """Go on without the claim tag."""
        self._claimant = Claimant("")

    def told(self) -> Told:
        """Give what the journal adds to a look."""
        return replace(
            self._logbook.state.told,
            holder=self._claimant.holder,
            outranks=self._claimant.outranks,
        )
