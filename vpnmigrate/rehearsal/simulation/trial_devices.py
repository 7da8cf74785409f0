"""Trial devices: drivers and engineers at the devices of a trial, and checks of drivers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import timedelta

from vpnmigrate.engine.ports import DeviceDrivers
from vpnmigrate.journal.chain import read_chain
from vpnmigrate.journal.device_work import open_sites
from vpnmigrate.journal.records import GatesSeen
from vpnmigrate.journal.state import RunState
from vpnmigrate.model.device_drivers import DriverCall
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.errors import HeldError, VpnMigrateError
from vpnmigrate.model.gates import Gate
from vpnmigrate.model.plan import Plan
from vpnmigrate.rehearsal.simulation.driver_faults import ProcessDrivers
from vpnmigrate.rehearsal.simulation.driver_invariants import DriverChecker, blind_repetitions
from vpnmigrate.rehearsal.simulation.schedule import FaultInjector
from vpnmigrate.sandbox.device_engineer import DeviceEngineer
from vpnmigrate.sandbox.driven_devices import DrivenDevices
from vpnmigrate.sandbox.site_engineers import SiteEngineers
from vpnmigrate.sandbox.world import World


class TrialDevices:
    """The devices of *plan* in a trial's *world*; without drivers, an engineer does every task.

    *run* returns the state of the run, and *note* is called with what is wrong.
    """

    def __init__(
        self,
        plan: Plan,
        world: World,
        injector: FaultInjector,
        run: Callable[[], RunState],
        note: Callable[[Iterable[str]], None],
    ) -> None:
        self._plan = plan
        self._world = world
        self._injector = injector
        self._run = run
        self._note = note
        self._driven = plan.is_driven
        self._devices = DrivenDevices(world, plan.old_connections, self._undone, self._restarted)
        self._checker = DriverChecker(plan, self._devices)
        self._closed: frozenset[Gate] = frozenset()

    def engineer(self, reaction: timedelta) -> DeviceEngineer:
        """Return the engineer of a new process, or those of the devices that drivers leave."""
        if not self._driven:
            return DeviceEngineer(self._world, reaction)
        return SiteEngineers(
            self._devices, lambda task: open_sites(self._plan, self._run(), task).people, reaction
        )

    def drivers(self) -> DeviceDrivers | None:
        """Return the drivers of a new process; what earlier ones have begun works on."""
        self._closed, self._injector.is_dead = frozenset(), False
        if not self._driven:
            return None
        self._devices.attend()
        self._checker.begin_process()
        return ProcessDrivers(
            self._devices, self._injector.drivers, lambda: self._injector.is_dead, self._called
        )

    def attend(self) -> None:
        """Carry out what is due at the devices."""
        if self._driven:
            self._devices.attend()

    def see_gates(self, seen: GatesSeen) -> None:
        """Keep which gates are closed in the present process."""
        self._closed = frozenset(each.gate for each in seen.gates if not each.lets_through)

    def have_held(self, error: VpnMigrateError) -> bool:
        """Return whether a process has ended with *error* because a driver did not answer."""
        return isinstance(error, HeldError) and Gate.DRIVERS in self._closed

    def are_down(self, unreached: Callable[[], Collection[object]]) -> bool:
        """Return whether paths are *unreached* because a device has undone a change by itself."""
        return self._checker.has_undone and self._checker.is_down(down=bool(unreached()))

    def check_end(self) -> None:
        """Check the devices after a process that was not killed."""
        if self._driven:
            self._note(self._checker.check_end(self._run()))

    def check_later(self, journal: bytes | None, *, done: bool) -> bool:
        """Check the devices long after a run; return whether its traffic has to be checked too.

        *journal* is None if it was lost; *done* says whether the run has ended without an error.
        """
        self.attend()
        if not self._driven:
            return False
        if journal is not None:
            self._note(blind_repetitions(read_chain(journal, self._plan.migration).entries))
        if done:
            self._note(self._checker.check_devices(self._run()))
        return done and not self._run().residue.is_left

    def _undone(self, old: str) -> None:
        self._note(self._checker.check_undo(VpnConnectionId(old), self._run()))

    def _restarted(self, old: str) -> None:
        self._checker.note_restart(old)

    def _called(self, call: DriverCall) -> None:
        self._note(self._checker.check_call(call, self._run()))
