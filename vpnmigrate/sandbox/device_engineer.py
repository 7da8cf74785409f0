"""Simulated device engineer: performs the device tasks of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from vpnmigrate.engine.ports import (
    Consent,
    DeadlineChoice,
    InterruptChoice,
    Interruption,
    OverdueCutover,
)
from vpnmigrate.model.changes import OperatorTask, RunTest
from vpnmigrate.model.ec2 import Role, Tag
from vpnmigrate.model.proposed_change import ProposedChange, StepChoice
from vpnmigrate.model.snapshot import Confirmation
from vpnmigrate.sandbox.state import Connection, WorldState
from vpnmigrate.sandbox.world import World

REACTION = timedelta(seconds=20)
"""Reaction time of an engineer who is prepared and logged in to the device; a guess."""

_ROLE = "connection/"


class DeviceEngineer:
    """Performs a run's device tasks on a world's devices (the port ``Operator``).

    *reaction* counts from the announcement of a task, or from the first request without one.
    New connections are those that a migration's create call made, old connections those that they
    replace; both are looked up when the task is done, so one engineer serves any number of
    attempts.
    """

    patient = True

    def __init__(self, world: World, reaction: timedelta = REACTION) -> None:
        self._world = world
        self._reaction = reaction
        self._known_since: dict[Confirmation, datetime] = {}
        self._old: set[str] = set()

    def announce(self, task: OperatorTask) -> None:
        """Record that a task will be requested soon."""
        self._known_since.setdefault(_confirmation(task), self._world.clock.now())

    def ask(self, task: OperatorTask) -> Confirmation | None:
        """Return the task's confirmation once the engineer has done it, or None before that."""
        self.announce(task)
        confirmation = _confirmation(task)
        if self._world.clock.now() < self._known_since[confirmation] + self._reaction:
            return None
        # The same task in a later attempt is a new task.
        del self._known_since[confirmation]
        self._do(confirmation)
        return confirmation

    def consents(self, to: Interruption) -> Consent | None:
        """Return that the operator consents."""
        del to
        return Consent.GIVEN

    def decide(self, overdue: OverdueCutover | None) -> DeadlineChoice | None:
        """Return None: the operator decides, not the device engineer."""
        del overdue
        return None

    def interrupted(self, choices: Sequence[InterruptChoice]) -> InterruptChoice | None:
        """Return None: the operator answers, not the device engineer."""
        del choices
        return None

    def choose(self, proposed: ProposedChange | None) -> StepChoice | None:
        """Return ``run`` at once: the engineer is not asked about calls."""
        return None if proposed is None else StepChoice.RUN

    def _do(self, confirmation: Confirmation) -> None:
        devices = self._world.devices
        old, new = self._connections()
        match confirmation:
            case Confirmation.DEVICES_CONFIGURED:
                _each(devices.configure, new)
            case Confirmation.NEW_TUNNELS_ENABLED:
                _each(devices.enable, new)
            case Confirmation.OLD_TUNNELS_DISABLED:
                _each(devices.disable, old)
            case Confirmation.TUNNELS_RETURNED:
                _each(devices.enable, old)
                _each(devices.disable, new)
            case Confirmation.TEST_PASSED:
                pass  # The sandbox has no host in a test VPC to test with.

    def owns(self, id_: str, role: Role) -> bool | None:
        """Return whether a migration's create call made *id_*."""
        del role
        with self._world.to_be_read() as state:
            return Tag.MIGRATION in state.born.get(id_, {})

    def _connections(self) -> tuple[list[str], list[str]]:
        listed = self._world.execute("ec2", "DescribeVpnConnections", {})["VpnConnections"]
        living = {c["VpnConnectionId"] for c in listed if c["State"] in {"pending", "available"}}
        with self._world.to_be_read() as state:
            replaces = {name: replaced(state.born.get(name, {})) for name in living}
        new = [name for name, old in replaces.items() if old]
        # A successor may be deleted outside the run, so the ids that were replaced are kept.
        self._old |= {old for old in replaces.values() if old}
        return sorted(self._old & living), sorted(new)


def _confirmation(task: OperatorTask) -> Confirmation:
    return Confirmation.TEST_PASSED if isinstance(task, RunTest) else task.confirmation


def replaced(born: Mapping[str, str]) -> str:
    """Return the connection that the tags *born* of a successor name, or an empty string."""
    role = born.get(Tag.ROLE, "")
    return role.removeprefix(_ROLE) if role.startswith(_ROLE) else ""


def _each(act: Callable[[str], None], connections: Iterable[str]) -> None:
    for connection in connections:
        act(connection)


class AutoEngineerWorld:
    """A world whose devices a simulated engineer operates, if *delay* is set.

    The engineer needs no thread: it acts before and after each call to the world.
    """

    def __init__(self, world: World, delay: timedelta | None = None) -> None:
        self.world = world
        self.account = world.account
        self.region = world.region
        self.clock = world.clock
        self.delay = delay
        """Reaction time of the simulated engineer; None for no engineer from then on."""

    def handles(self, service: str, action: str) -> bool:
        """Return whether the world answers *action*."""
        return self.world.handles(service, action)

    def execute(self, service: str, action: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Execute *action* and return its answer.

        Raises:
            ApiError: The error that AWS would return.
        """
        self.attend()
        try:
            return self.world.execute(service, action, params)
        finally:
            self.attend()

    def attend(self) -> None:
        """Perform the device tasks of step 10, in either direction, as far as they are due.

        When a gateway has been attached for the delay, enable the tunnels of its connections;
        after twice the delay, disable those from the same customer gateway to an unattached
        gateway.
        """
        if self.delay is None:
            return
        with self.world.alone() as state:
            joined = _joined(state)
            relieved = set()
            for connection, since in joined:
                if state.now - since >= self.delay:
                    self.world.devices.enable(connection.id)
                if state.now - since >= 2 * self.delay:
                    relieved.add(connection.customer_gateway)
            kept = {connection.id for connection, _ in joined}
            for connection in list(state.connections.values()):
                if connection.id not in kept and connection.customer_gateway in relieved:
                    self.world.devices.disable(connection.id)


def _joined(state: WorldState) -> list[tuple[Connection, datetime]]:
    """Return the connections whose gateway is attached, each with the time of the attachment."""
    since = {g.id: g.attached_since(state.now) for g in state.gateways.values()}
    return [
        (connection, moment)
        for connection in state.connections.values()
        if state.life(connection) == "available"
        and (moment := since.get(connection.gateway or "")) is not None
    ]
