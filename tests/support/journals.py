"""Journals as a run would write them, built record by record."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from tests.support.builders import (
    BOTH,
    MAIN,
    MIGRATION,
    NEW,
    NEW_VPN,
    NOON,
    OLD,
    OLD_VPN,
    PREFIX,
    VPC,
)
from vpnmigrate.journal.records import (
    Answered,
    BaselineTaken,
    DirectionTaken,
    Entry,
    Finished,
    Intended,
    Opened,
    OutageBegan,
    OutageEnded,
    Record,
    StepBegun,
    StepSettled,
    TrafficVerified,
)
from vpnmigrate.model.changes import (
    ArchiveConfiguration,
    AskOperator,
    AttachVpnGateway,
    Change,
    CreateVpnGateway,
    DeleteVpnConnection,
    DetachVpnGateway,
    DisablePropagation,
    EnablePropagation,
)
from vpnmigrate.model.changes.base import Outcome, Performed
from vpnmigrate.model.plan import GATEWAY_ROLE, Direction
from vpnmigrate.model.snapshot import Confirmation

OPENED = Opened(MIGRATION, "f" * 64, "laptop", "alice", 4242, "0.1.0")
SECOND = timedelta(seconds=1)

CREATE = CreateVpnGateway(GATEWAY_ROLE)
ARCHIVE = ArchiveConfiguration(NEW_VPN, OLD_VPN)
STOP = DisablePropagation(MAIN, OLD)
LEAVE = DetachVpnGateway(OLD, VPC)
JOIN = AttachVpnGateway(NEW, VPC)
RESTORE = EnablePropagation(MAIN, NEW)
DELETE = DeleteVpnConnection(OLD_VPN, OLD_VPN)


def entries(*records: Record, start: datetime = NOON) -> tuple[Entry, ...]:
    """Return a journal of *records*, one per second."""
    return tuple(
        Entry(number, start + (number - 1) * SECOND, record)
        for number, record in enumerate(records, start=1)
    )


def ask(step: int, word: Confirmation) -> AskOperator:
    """Return an operator task at a device."""
    return AskOperator(step, word, f"see to step {step}")


class Story:
    """Builder of a run's journal, which numbers intents as a run does."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._intents = 0

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The journal so far."""
        return entries(*self.records)

    def then(self, *records: Record) -> Story:
        """Append *records*."""
        self.records += records
        return self

    def opened(self) -> Story:
        """Append the start of a process."""
        return self.then(OPENED)

    def set_out(
        self, direction: Direction = Direction.FORWARD, attempt: int = 1, *, keep_new: bool = False
    ) -> Story:
        """Append the start of a direction."""
        return self.then(DirectionTaken(direction, attempt, keep_new))

    def begun(self, number: int, *, cleaning: bool = False) -> Story:
        """Append the begin of a step."""
        return self.then(StepBegun(number, f"Step {number}", cleaning))

    def intended(self, step: int, change: Change) -> Story:
        """Append the intent of a change, without an answer."""
        self._intents += 1
        return self.then(Intended(self._intents, step, change))

    def answered(self, outcome: Outcome | None = None) -> Story:
        """Append the outcome of the last intent."""
        return self.then(Answered(self._intents, outcome or Performed("req-1")))

    def settled(self, number: int, *, cleaning: bool = False) -> Story:
        """Append the end of a step."""
        return self.then(StepSettled(number, cleaning))

    def step(self, number: int, *changes: Change, cleaning: bool = False) -> Story:
        """Append a whole step that makes *changes*."""
        self.begun(number, cleaning=cleaning)
        for change in changes:
            self.intended(number, change).answered()
        return self.settled(number, cleaning=cleaning)

    def steps(self, numbers: Iterable[int], *, cleaning: bool = False) -> Story:
        """Append steps without changes."""
        for number in numbers:
            self.step(number, cleaning=cleaning)
        return self

    def staged(self) -> Story:
        """Append a start forward and steps 1 to 6."""
        self.opened().set_out().step(1).step(2, CREATE).step(3).begun(4).intended(4, ARCHIVE)
        self.answered(Performed(files={NEW_VPN: "a" * 64})).settled(4)
        return self.steps((5, 6))

    def cut(self) -> Story:
        """Append the outage: from the baseline to the end of step 9."""
        self.then(BaselineTaken(NOON, {OLD_VPN: 2}, {MAIN: (PREFIX,), BOTH: (PREFIX,)}))
        self.begun(7).then(OutageBegan(NOON)).intended(7, STOP).answered().settled(7)
        return self.step(8, LEAVE, JOIN).step(9, RESTORE)

    def flowing(self) -> Story:
        """Append verified traffic."""
        since = NOON + timedelta(seconds=100)
        return self.then(TrafficVerified(since), OutageEnded(since, timedelta(seconds=100)))

    def migrated(self) -> Story:
        """Append a whole migration forward."""
        self.staged().cut().begun(10).flowing().settled(10)
        return self.then(Finished(Direction.FORWARD))

    def returned(self, *, keep_new: bool = False) -> Story:
        """Append a whole rollback of a migrated run."""
        self.opened().set_out(Direction.ROLLBACK, keep_new=keep_new).step(1)
        self.begun(7).then(OutageBegan(NOON)).settled(7).steps((8, 9)).begun(10).flowing()
        self.settled(10).steps((6, 3, 2, 1), cleaning=True)
        return self.then(Finished(Direction.ROLLBACK))

    def finalized(self) -> Story:
        """Append finalize of a migrated run."""
        self.opened().set_out(Direction.FINALIZE).step(1).step(11, DELETE)
        return self.then(Finished(Direction.FINALIZE))
