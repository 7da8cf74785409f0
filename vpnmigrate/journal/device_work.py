"""Device work: how confirmations and calls of device drivers change the state of a run."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from vpnmigrate.journal.outage import with_facts
from vpnmigrate.journal.record_base import DeviceConfirmed, DeviceRecord, DriverAnswered
from vpnmigrate.journal.records import OperatorConfirmed
from vpnmigrate.journal.state import RunState
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.snapshot import Confirmation


def with_device_work(
    state: RunState, record: OperatorConfirmed | DeviceRecord, at: datetime
) -> RunState:
    """Return *state* after a confirmation, or a record of a driver."""
    match record:
        case OperatorConfirmed(word=word):
            # A call without an answer may still change its device.
            drivers = state.drivers.confirmed(word, state.drivers.answered)
            return _confirmed(replace(state, drivers=drivers), word, at)
        case DeviceConfirmed(word=word, connection=connection, of=of):
            state = replace(state, drivers=state.drivers.confirmed(word, (connection,)))
            return _done_at(state, word, connection, of, at)
        case DriverAnswered(word=word, connection=connection, of=of, reached=reached):
            state = replace(state, drivers=state.drivers.after(record))
            if word is None or not reached:
                return state
            return _done_at(state, word, connection, of, at)
        case called_or_given_up:
            return replace(state, drivers=state.drivers.after(called_or_given_up))


def _done_at(
    state: RunState,
    word: Confirmation,
    connection: VpnConnectionId,
    of: tuple[VpnConnectionId, ...],
    at: datetime,
) -> RunState:
    """Return *state* with the task done at one device; the last of them gives the confirmation."""
    devices = state.journal_facts.devices
    done = devices.get(word, frozenset()) | {connection}
    state = with_facts(state, devices={**devices, word: done})
    return _confirmed(state, word, at) if done >= set(of) else state


def _confirmed(state: RunState, word: Confirmation, at: datetime) -> RunState:
    return with_facts(state, confirmations={**state.journal_facts.confirmations, word: at})
