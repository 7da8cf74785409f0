"""Device work: how confirmations and calls of device drivers change the state of a run."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from vpnmigrate.journal.outage import with_facts
from vpnmigrate.journal.record_base import DeviceConfirmed, DeviceRecord, DriverAnswered
from vpnmigrate.journal.records import OperatorConfirmed
from vpnmigrate.journal.state import RunState, RunStatus
from vpnmigrate.model.changes import AskOperator
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.snapshot import Confirmation


def with_device_work(
    state: RunState, record: OperatorConfirmed | DeviceRecord, at: datetime
) -> RunState:
    """Return *state* after a confirmation, or a record of a driver."""
    match record:
        case OperatorConfirmed(confirmation=confirmation):
            # A call without an answer may still change its device.
            drivers = state.drivers.confirmed(confirmation, state.drivers.answered)
            return _confirmed(replace(state, drivers=drivers), confirmation, at)
        case DeviceConfirmed(confirmation=confirmation, connection=connection, of=of):
            state = replace(state, drivers=state.drivers.confirmed(confirmation, (connection,)))
            return _done_at(state, confirmation, connection, of, at)
        case DriverAnswered(
            confirmation=confirmation, connection=connection, of=of, reached=reached
        ):
            state = replace(state, drivers=state.drivers.after(record))
            if confirmation is None or not reached:
                return state
            return _done_at(state, confirmation, connection, of, at)
        case called_or_given_up:
            return replace(state, drivers=state.drivers.after(called_or_given_up))


def _done_at(
    state: RunState,
    confirmation: Confirmation,
    connection: VpnConnectionId,
    of: tuple[VpnConnectionId, ...],
    at: datetime,
) -> RunState:
    """Return *state* with the task done at one device; the last of them gives the confirmation."""
    devices = state.journal_facts.devices
    done = devices.get(confirmation, frozenset()) | {connection}
    state = with_facts(state, devices={**devices, confirmation: done})
    return _confirmed(state, confirmation, at) if done >= set(of) else state


def _confirmed(state: RunState, confirmation: Confirmation, at: datetime) -> RunState:
    return with_facts(state, confirmations={**state.journal_facts.confirmations, confirmation: at})


class OpenSites(Struct, frozen=True):
    """The devices at which a task is not done, by old connection."""

    people: frozenset[VpnConnectionId]
    """Those that wait for an engineer."""
    drivers: frozenset[VpnConnectionId]


def open_sites(plan: Plan, state: RunState, task: AskOperator) -> OpenSites:
    """Return where *task* is not done, as far as *state* shows."""
    done = state.journal_facts.devices.get(task.confirmation, frozenset())
    left = frozenset(task.only) or frozenset(plan.old_connections) - done
    gave_up = {
        old
        for old, each in state.drivers.given_up.items()
        if each.confirmation is task.confirmation
    }
    people = {old for old in left if old in gave_up or not plan.driver_of(old).automatic}
    return OpenSites(frozenset(people), left - people)


def new_tunnels_left(plan: Plan, state: RunState) -> tuple[VpnConnectionId, ...]:
    """Return the old connections at whose devices a finished rollback may have left new tunnels on.

    Traffic that AWS shows ends a rollback, whether or not people have confirmed their part of it.
    """
    if state.status is not RunStatus.ROLLED_BACK:
        return ()
    facts, returned = state.journal_facts, Confirmation.TUNNELS_RETURNED
    if not facts.tunnels_switched or returned in facts.confirmations:
        return ()
    done = facts.devices.get(returned, frozenset())
    return tuple(old for old in plan.old_connections if old not in done)


def confirmed_sites(plan: Plan, state: RunState, task: AskOperator) -> tuple[VpnConnectionId, ...]:
    """Return the devices to which a person's confirmation of *task* applies; empty for all.

    A driver at work reports for its own device.
    """
    sites = open_sites(plan, state, task)
    mine = tuple(old for old in plan.old_connections if old in sites.people)
    return mine if sites.drivers else ()
