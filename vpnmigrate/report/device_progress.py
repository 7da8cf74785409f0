"""Device progress: tasks done at each device, by engineers and by drivers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

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
from vpnmigrate.model.clock import moment, span
from vpnmigrate.model.device_drivers import DriverOutcome, DriverResult
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.plan import Plan
from vpnmigrate.report.inventory import device_of, site_name
from vpnmigrate.report.text import safe


class DeviceProgress(Struct, frozen=True):
    """The device behind an old connection, and whether the open task is done there."""

    connection: VpnConnectionId
    site: str
    """The name of the connection or of its device; the id if neither has one."""
    done: bool
    gave_up: str = ""
    """Why the driver of the device left the task to an engineer; empty if it did not."""


def device_progress(
    state: RunState,
    plan: Plan,
    unread: frozenset[VpnConnectionId] = frozenset(),
) -> tuple[DeviceProgress, ...]:
    """Return the devices of the open task; none if no task at a device is open.

    *unread* are connections in messages that no process has read yet.
    """
    task = state.task
    if not isinstance(task, AskOperator):
        return ()
    done = state.devices_done | unread
    given_up = {
        old: record.why
        for old, record in state.drivers.given_up.items()
        if record.confirmation is task.confirmation and old not in done
    }
    return tuple(
        DeviceProgress(
            each.id,
            safe(site_name(each, device_of(each, plan.before))),
            each.id in done,
            safe(given_up.get(each.id, "")),
        )
        for each in plan.before.living
        if each.id in task.only or not task.only
    )


def site_of(connection: VpnConnectionId, plan: Plan) -> str:
    """Return the site behind *connection*, with its id."""
    found = next((each for each in plan.before.living if each.id == connection), None)
    if found is None:
        return connection
    return f"{safe(site_name(found, device_of(found, plan.before)))} ({connection})"


def devices_text(devices: Iterable[DeviceProgress]) -> str:
    """Return where the task is done, where it is open, and where a driver gave up.

    It is empty if no device was reported, and no driver has given up.
    """
    listed = list(devices)
    if not any(device.done or device.gave_up for device in listed):
        return ""
    return ", ".join(map(_device_text, listed))


def _device_text(device: DeviceProgress) -> str:
    why = f" (its driver gave up: {device.gave_up})" if device.gave_up else ""
    return f"{device.site} {'done' if device.done else 'OPEN'}{why}"


def tunnels_left_text(left: Iterable[VpnConnectionId]) -> str:
    """Return at which devices new tunnels may be enabled after a rollback; empty for none."""
    devices = ", ".join(left)
    what = "new tunnels may still be enabled; the block back-out or remove-new ends that"
    return f"at the device of {devices}: {what}" if devices else ""


def devices_json(devices: Iterable[DeviceProgress]) -> list[dict[str, Any]]:
    """Return the same as JSON values."""
    return [
        {
            "connection": each.connection,
            "site": each.site,
            "done": each.done,
            "driver_gave_up": each.gave_up,
        }
        for each in devices
    ]


def device_work_line(record: OperatorConfirmed | DeviceRecord) -> str:
    """Return the line about a confirmation at a device, or about a call of its driver."""
    match record:
        case OperatorConfirmed(confirmation=done, who=who):
            return f"{who} confirmed: {done.value}"
        case DeviceConfirmed(confirmation=done, connection=connection, who=who):
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
    if result.pending_until is not None:
        line = f"{line}, NOT CONFIRMED until {moment(result.pending_until)}"
    return f"{line}: {result.message}" if result.message else line
