"""Driver faults: faults in calls of drivers, and kills of the calling process.

They have random sources of their own, so that everything else that a seed draws stays the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from msgspec import Struct

from vpnmigrate.journal.record_base import DriverAnswered, DriverCalled
from vpnmigrate.journal.records import Record
from vpnmigrate.model.device_drivers import DriverCall, DriverResult
from vpnmigrate.rehearsal.simulation.seeded_random import SeededRandom
from vpnmigrate.sandbox.device_drivers import DriverFault, DriverFaultKind, SimulatedDrivers
from vpnmigrate.sandbox.driven_devices import DrivenDevices
from vpnmigrate.sandbox.faults import Killed

MOST_IN_A_ROW = 3
"""The maximum of consecutive faults at one device."""

MOST = 30
"""The maximum of faults in a trial: the gate opens only if the drivers of all devices answer."""


class DriverKillPoint(StrEnum):
    """A moment of one call of a driver, at which its process is killed."""

    TORN_INTENT = "in the middle of writing its intent"
    BEFORE_CALL = "after its intent"
    AT_WORK = "while it works, and it works on"
    WITH_HOST = "while it works, which ends before it acts"
    WITH_HOST_LATER = "while it works, which ends with what it has done"
    BEFORE_LINE = "after its answer, before its line"
    TORN_LINE = "in the middle of writing its line"


class DriverKill(Struct, frozen=True):
    """A kill at *moment* of the call with the number *call*, counted over all processes."""

    call: int
    moment: DriverKillPoint


@dataclass(frozen=True)
class DriverFaults:
    """Faults of the drivers in one trial."""

    seed: int = 0
    faulty: float = 0.0
    """Chance of a fault, per call."""
    kills: tuple[DriverKill, ...] = ()

    def __str__(self) -> str:
        kills = (f"killed at driver call {k.call}, {k.moment}" for k in self.kills)
        share = (f"{self.faulty:.0%} of the driver calls go wrong",) if self.faulty else ()
        return "; ".join((*kills, *share))


def drawn_driver_faults(seed: int) -> DriverFaults:
    """Return the driver faults of the trial of *seed*, for a plan with drivers."""
    random = SeededRandom(f"driver faults/{seed}")
    faulty = random.one((0.0, 0.2, 0.5, 0.8))
    calls = sorted({random.number(1, 14) for _ in range(random.one((0, 0, 1, 1, 2, 3)))})
    kills = tuple(DriverKill(call, random.one(tuple(DriverKillPoint))) for call in calls)
    return DriverFaults(seed, faulty, kills)


_DARK = tuple(timedelta(seconds=s) for s in (5, 40, 200, 420))
"""For how long a device stays out of reach: shorter than a call, than a timer, and longer."""


_IN_THE_CHANGE = (DriverFaultKind.CUT_SHORT, DriverFaultKind.WRONG, DriverFaultKind.RESTARTS)
_FIRST = tuple(kind for kind in DriverFaultKind if kind not in _IN_THE_CHANGE)


class DriverFaultInjector:
    """The faults and the kills of a trial's driver calls, over all its processes."""

    def __init__(self, faults: DriverFaults, killed: Callable[[], None]) -> None:
        """Apply *faults*; *killed* is called with each kill."""
        self._faults = faults
        self._killed = killed
        self._kills = list(faults.kills)
        self._intended = 0
        self._row: dict[str, int] = {}
        self.count = 0
        """How many calls have had a fault."""

    def fault(self, call: DriverCall) -> DriverFault | None:
        """Return the fault of *call*, which begins now; None if it has none."""
        random = SeededRandom(f"driver call/{self._faults.seed}/{self._intended}")
        row = self._row.get(call.gateway, 0)
        over = self.count >= MOST or row >= MOST_IN_A_ROW
        if over or not random.chance(self._faults.faulty):
            self._row[call.gateway] = 0
            return None
        self._row[call.gateway] = row + 1
        self.count += 1
        kind, dark = random.one(_FIRST), random.one(_DARK)
        later = SeededRandom(f"driver change/{self._faults.seed}/{self._intended}")
        return DriverFault(later.one(_IN_THE_CHANGE) if later.chance(0.4) else kind, dark)

    def intends(self, records: Sequence[Record]) -> bool:
        """Count an intent in *records*; return whether the process is killed in its line."""
        if not any(isinstance(record, DriverCalled) for record in records):
            return False
        self._intended += 1
        return self._is_due(DriverKillPoint.TORN_INTENT)

    def answers(self, records: Sequence[Record]) -> bool:
        """Return whether the process is killed while it writes the answer in *records*.

        Raises:
            Killed: The process is killed before it writes anything.
        """
        if not any(isinstance(record, DriverAnswered) for record in records):
            return False
        self.die(DriverKillPoint.BEFORE_LINE)
        return self._is_due(DriverKillPoint.TORN_LINE)

    def die(self, moment: DriverKillPoint) -> None:
        """Kill the process if that is due at *moment* of the latest call.

        Raises:
            Killed: It is.
        """
        if self._is_due(moment):
            raise Killed(str(moment))

    def _is_due(self, moment: DriverKillPoint) -> bool:
        """Return whether the next kill is due; one whose call is over is dropped."""
        self._kills = [kill for kill in self._kills if kill.call >= self._intended]
        if self._kills[:1] != [DriverKill(self._intended, moment)]:
            return False
        del self._kills[0]
        self._killed()
        return True


class ProcessDrivers:
    """The drivers of one process of a trial (``ports.DeviceDrivers``), which may be killed.

    *called* is called with each call before it begins.
    """

    def __init__(
        self,
        devices: DrivenDevices,
        faults: DriverFaultInjector,
        is_dead: Callable[[], bool],
        called: Callable[[DriverCall], None],
    ) -> None:
        self._devices = devices
        self._injector = faults
        self._is_dead = is_dead
        self._called = called
        self._drivers = SimulatedDrivers(devices, faults.fault)

    def begin(self, call: DriverCall) -> None:
        """Begin *call*, unless the process is killed before it."""
        self._injector.die(DriverKillPoint.BEFORE_CALL)
        self._called(call)
        self._drivers.begin(call)

    def ended(self) -> Sequence[tuple[DriverCall, DriverResult]]:
        """Return the calls that have ended, unless the process is killed while they work."""
        if self._drivers.are_working:
            self._injector.die(DriverKillPoint.AT_WORK)
            with self._killing_drivers():
                self._injector.die(DriverKillPoint.WITH_HOST)
                self._devices.attend()
                self._injector.die(DriverKillPoint.WITH_HOST_LATER)
        return self._drivers.ended()

    def finish(self) -> None:
        """Wait until every call has ended; a killed process waits for none.

        Raises:
            Killed: The process was killed.
        """
        if self._is_dead():
            raise Killed("before it could wait for its drivers")
        self._drivers.finish()

    @contextmanager
    def _killing_drivers(self) -> Iterator[None]:
        try:
            yield
        except Killed:
            self._drivers.die()
            raise
