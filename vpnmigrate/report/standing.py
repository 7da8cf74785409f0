"""Where a run stands, as every view of it needs to know."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from vpnmigrate.model import VpnConnectionId
from vpnmigrate.plan import Phase
from vpnmigrate.records import Direction
from vpnmigrate.replay import RunState, next_command
from vpnmigrate.states import RunStatus

FIRST_OF_CUTOVER = 7
RETIRING = 11


@dataclass(frozen=True)
class Standing:
    """A run's state with what the journal cannot tell: its name, the time, and who is at work."""

    run: str
    fingerprint: str
    """Of the plan in force."""
    state: RunState
    connections: tuple[VpnConnectionId, ...]
    """The old connections, which finalize has to name."""
    now: datetime
    folder: str
    """The run's directory; device files lie in its ``vault``."""
    alive: bool
    """Whether a process has the run in hand."""

    @property
    def phase(self) -> Phase:
        """What the step begun last may do to traffic."""
        if self.state.cleaning:
            return Phase.CLEAN_UP
        if self.state.step < FIRST_OF_CUTOVER:
            return Phase.PREPARE
        return Phase.RETIRE if self.state.step >= RETIRING else Phase.CUTOVER

    @property
    def outage(self) -> timedelta:
        """How long the last outage was, or has been so far."""
        return self.state.outage(self.now) or timedelta(0)

    @property
    def stopped(self) -> str:
        """Why nobody works on it although it is not at an end; empty where that is as it should."""
        state = self.state
        if self.alive or state.finished or state.direction is None:
            return ""
        return state.held or state.error or "its process is no longer there"

    @property
    def device_files(self) -> str:
        """Where the device engineer finds configurations and sheets; empty before step 4."""
        return f"{self.folder}/vault" if self.state.told.files else ""

    @property
    def next(self) -> str:
        """The command that goes on from here; empty where nothing is left to do."""
        return next_command(self.state, self.run, self.connections, alive=self.alive)

    @property
    def way_back(self) -> str:
        """The command that brings back what was there before; empty where there is none."""
        state = self.state
        back_again = state.status is RunStatus.ROLLED_BACK
        if state.direction is None or state.direction is Direction.RETIRE or back_again:
            return ""
        return f"vpnmigrate rollback {self.run}{' --keep-new' if state.keep_new else ''}"
