"""Site engineers: they do a run's device tasks at the devices that no driver serves."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta

from vpnmigrate.model.changes import AskOperator, OperatorTask
from vpnmigrate.model.decisions import DeviceDriver
from vpnmigrate.model.device_drivers import GOALS, DriverCall
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.snapshot import Confirmation
from vpnmigrate.sandbox.device_engineer import REACTION, DeviceEngineer, replaced
from vpnmigrate.sandbox.driven_devices import DrivenDevices


class SiteEngineers(DeviceEngineer):
    """An engineer for each device without a driver, and for one whose driver has given up.

    They confirm a task once it is done at their devices: *left_to_people* returns which these are.
    """

    def __init__(
        self,
        devices: DrivenDevices,
        left_to_people: Callable[[AskOperator], Collection[str]],
        reaction: timedelta = REACTION,
    ) -> None:
        super().__init__(devices.world, reaction)
        self._devices = devices
        self._left_to_people = left_to_people
        self._asked: dict[tuple[Confirmation, str], datetime] = {}
        self._done: dict[Confirmation, set[str]] = {}

    def announce(self, task: OperatorTask) -> None:
        """Record that a task will be requested soon, at the devices without a driver."""
        super().announce(task)
        if isinstance(task, AskOperator) and task.confirmation in GOALS:
            for old in self._left_to_people(task):
                self._asked.setdefault((task.confirmation, old), self._world.clock.now())

    def ask(self, task: OperatorTask) -> Confirmation | None:
        """Return the task's confirmation once it is done at their devices, or None before that."""
        if not isinstance(task, AskOperator) or task.confirmation not in GOALS:
            return super().ask(task)
        self._devices.attend()
        confirmation, now = task.confirmation, self._world.clock.now()
        sites, done = self._left_to_people(task), self._done.setdefault(confirmation, set())
        new = self._successors()
        for old in sorted(set(sites) - done):
            if now >= self._asked.setdefault((confirmation, old), now) + self._reaction:
                self._devices.by_hand(_work(confirmation, old, new.get(old, "")))
                del self._asked[confirmation, old]
                done.add(old)
        if set(sites) - done:
            return None
        done.clear()
        return confirmation

    def _successors(self) -> Mapping[str, str]:
        """Return the new connection that replaces each old one."""
        with self._world.to_be_read() as state:
            living = [id_ for id_, each in state.connections.items() if _lives(state.life(each))]
            named = {id_: replaced(state.born.get(id_, {})) for id_ in living}
        return {old: id_ for id_, old in named.items() if old}


def _lives(life: str) -> bool:
    return life in {"pending", "available"}


def _work(confirmation: Confirmation, old: str, new: str) -> DriverCall:
    """Return what an engineer does at the device of *old*, as the call of a driver that would."""
    disables = confirmation is Confirmation.OLD_TUNNELS_DISABLED
    return DriverCall(
        DeviceDriver(), GOALS[confirmation].verb, "", VpnConnectionId(old), new, disables
    )
