"""Driver invariants: what must hold for calls of drivers, and for devices at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vpnmigrate.journal.record_base import DriverAnswered, DriverCalled
from vpnmigrate.journal.records import Entry
from vpnmigrate.journal.state import RunState
from vpnmigrate.model.decisions import OldTunnels
from vpnmigrate.model.device_drivers import DriverCall, DriverOutcome, DriverVerb, TunnelsState
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.plan import Direction, Plan
from vpnmigrate.sandbox.driven_devices import DrivenDevices


class DriverChecker:
    """Checks the calls of drivers, the journal of them, and *devices* at the end."""

    def __init__(self, plan: Plan, devices: DrivenDevices) -> None:
        self._plan = plan
        self._devices = devices
        self._begun: set[VpnConnectionId] = set()
        """The devices of calls of the present process."""
        self.has_undone = False
        """Whether a device has undone a change by itself, or has restarted, and traffic was down
        since then."""

    def begin_process(self) -> None:
        """Start to count the calls of another process."""
        self._begun.clear()

    def check_call(self, call: DriverCall, run: RunState) -> Iterator[str]:
        """Yield what is wrong with *call*, which is about to begin."""
        self._begun.add(call.connection)
        known = run.drivers.calls.get(call.connection)
        if known is None or known.outcome is not None or known.verb is not call.verb:
            yield f"{call.verb} at the device of {call.connection} begins without an intent"

    def check_undo(self, old: VpnConnectionId, run: RunState) -> Iterator[str]:
        """Yield that the device of *old* undoes a change which the run takes for lasting."""
        self.has_undone = True
        call = run.drivers.calls.get(old)
        if call is not None and not call.open:
            yield f"the device of {old} undoes a change that the run takes for lasting"

    def note_restart(self, old: str) -> None:
        """Note that the tunnels of the device of *old* go down, whatever the run does."""
        del old
        self.has_undone = True

    def is_down(self, *, down: bool) -> bool:
        """Return whether traffic has been *down* since a device has undone a change."""
        self.has_undone &= down
        return self.has_undone

    def check_end(self, run: RunState) -> Iterator[str]:
        """Yield what is wrong when a process ends that was not killed."""
        for begun in sorted(self._begun):
            call = run.drivers.calls.get(begun)
            if call is None or call.outcome is None:
                yield f"the outcome of a call at the device of {begun} is not in the journal"
        if not run.finished:
            return
        for old, device in self._devices.devices.items():
            lasts = device.commit is None
            if run.direction is Direction.ROLLBACK and device.commit is not None:
                lasts = device.commit.before.old is TunnelsState.ENABLED
            if not lasts:
                yield f"the run is done, and the device of {old} waits for a confirmation"

    def check_devices(self, run: RunState) -> Iterator[str]:
        """Yield which devices are not as a finished run has to leave them, an hour later."""
        forward = run.direction is not Direction.ROLLBACK
        disables = self._plan.decisions.old_tunnels is OldTunnels.DISABLE
        for old, device in self._devices.devices.items():
            if device.repeated_loads:
                yield f"tunnels were loaded twice at the device of {old}"
            if not run.finished or run.residue.is_left:
                continue
            state = device.state
            if (forward and state.new is not TunnelsState.ENABLED) or (
                state.old is TunnelsState.ENABLED
            ) is (forward and disables):
                yield f"the run is done, and the device of {old} has {state}"


def blind_repetitions(entries: Sequence[Entry]) -> Iterator[str]:
    """Yield each change that was made although the effect of the call before was not known."""
    unknown: set[VpnConnectionId] = set()
    changing: set[VpnConnectionId] = set()
    for entry in entries:
        match entry.record:
            case DriverCalled(connection=old, verb=verb):
                if verb is DriverVerb.STATUS:
                    changing.discard(old)
                    continue
                if old in unknown:
                    yield f"line {entry.seq}: {verb} without a look at the device of {old}"
                changing.add(old)
                unknown.add(old)
            case DriverAnswered(connection=old, result=result):
                if result.outcome is DriverOutcome.DONE or (
                    old in changing and result.outcome is DriverOutcome.FAILED
                ):
                    unknown.discard(old)
            case _:
                pass
