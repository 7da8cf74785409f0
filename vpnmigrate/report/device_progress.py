"""Device progress: what is done at which device, by engineers and by drivers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from vpnmigrate.journal import RunState
from vpnmigrate.journal.record_base import (
    DeviceConfirmed,
    DeviceRecord,
    DriverAnswered,
    DriverCalled,
    DriverGaveUp,
)
from vpnmigrate.journal.records import OperatorConfirmed
from vpnmigrate.model.changes import AskOperator
from vpnmigrate.model.clock import span
from vpnmigrate.model.device_drivers import DriverOutcome, DriverResult
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.plan import Plan
from vpnmigrate.report.inventory import device_of, site_name
from vpnmigrate.report.text import safe


@dataclass(frozen=True)
class DeviceProgress:
    """The device behind an old connection, and whether the open task is done there."""

    connection: VpnConnectionId
    site: str
    """The name of the connection or of its device; the id if neither has one."""
    done: bool


def device_progress(
    state: RunState,
    plan: Plan,
    unread: frozenset[VpnConnectionId] = frozenset(),
) -> tuple[DeviceProgress, ...]:
    """Return the devices of the open task; none if no task at a device is open.

    *unread* are connections in messages that no process has read yet.
    """
    if not isinstance(state.task, AskOperator):
        return ()
    done = state.devices_done | unread
    return tuple(
        DeviceProgress(
            each.id, safe(site_name(each, device_of(each, plan.before))), each.id in done
        )
        for each in plan.before.living
    )


def site_of(connection: VpnConnectionId, plan: Plan) -> str:
    """Return the site behind *connection*, with its id."""
    found = next((each for each in plan.before.living if each.id == connection), None)
    if found is None:
        return connection
    return f"{safe(site_name(found, device_of(found, plan.before)))} ({connection})"


def devices_text(devices: Iterable[DeviceProgress]) -> str:
    """Return where the task is done and where it is open; empty if no device was reported."""
    listed = list(devices)
    if not any(device.done for device in listed):
        return ""
    return ", ".join(f"{each.site} {'done' if each.done else 'OPEN'}" for each in listed)


def devices_json(devices: Iterable[DeviceProgress]) -> list[dict[str, Any]]:
    """Return the same as JSON values."""
    return [
        {"connection": each.connection, "site": each.site, "done": each.done} for each in devices
    ]


def device_work_line(record: OperatorConfirmed | DeviceRecord) -> str:
    """Return who confirmed what, for which device; or what a driver was asked and answered."""
    match record:
        case OperatorConfirmed(word=done, who=who):
            return f"{who} confirmed: {done.value}"
        case DeviceConfirmed(word=done, connection=connection, who=who):
            return f"{who} confirmed for {connection}: {done.value}"
        case DriverCalled(connection=connection, verb=verb, driver=driver):
            return f"device of {connection}: {verb} by {driver}"
        case DriverAnswered(connection=connection, result=result):
            return f"device of {connection}: {driver_result_line(result)}"
        case DriverGaveUp(connection=connection, why=why):
            return f"device of {connection}: AN ENGINEER IS NEEDED, the driver gave up: {why}"


def driver_result_line(result: DriverResult) -> str:
    """Return the outcome, the state of the device and the message of a call."""
    word = result.outcome.value
    if result.outcome is DriverOutcome.UNCERTAIN:
        word = "NOT CERTAIN"
    line = f"{word} after {span(result.took)}, {result.state}"
    return f"{line}: {result.message}" if result.message else line
