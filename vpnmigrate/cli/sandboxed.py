"""The parts of a process that lives in a sandbox: its clock, its clients, its engineer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from vpnmigrate.aws.session import Clients
from vpnmigrate.cli.flags import Asking, Aws
from vpnmigrate.commands import cli
from vpnmigrate.engine.call_limits import DirectCalls
from vpnmigrate.engine.ports import Calls, NoPaths, Paths, People, Probes, Watchdog
from vpnmigrate.engine.traffic_watch import NoProbes
from vpnmigrate.errors import RefusedError
from vpnmigrate.local.lock import this_process
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.clock import Clock
from vpnmigrate.report.console import Speaker
from vpnmigrate.report.text import RunCommands
from vpnmigrate.sandbox.client.boto import session_for
from vpnmigrate.sandbox.device_engineer import REACTION, DeviceEngineer
from vpnmigrate.sandbox.faults import FaultSource
from vpnmigrate.sandbox.world import World


class SandboxParts:
    """Lets Ann's verbs work on *world*, in this process and through nothing else.

    *faults* come between the clients and the world; *reaction* is how long the engineer at the
    devices takes.
    """

    reachable = False

    def __init__(
        self, world: World, faults: FaultSource | None = None, reaction: timedelta = REACTION
    ) -> None:
        self.clock: Clock = world.clock
        self.me = this_process("ann", "laptop")
        self._world = world
        self._reaction = reaction
        session = session_for(world, faults=faults)
        self._clients = Clients(lambda: session)

    def clients(self, aws: Aws) -> Clients:
        """Give clients that only the world answers, whatever *aws* and the environment say."""
        del aws
        return self._clients

    def calls(self, clients: Clients) -> Calls:
        """Wait for nothing: the world answers at once."""
        del clients
        return DirectCalls()

    def paths(self, clients: Clients) -> Paths:
        """Give no way: the world is in this process."""
        del clients
        return NoPaths()

    def watchdog(self, run: Run, aws: Aws) -> Watchdog:
        """Give nobody: another process does not reach this world."""
        del run, aws
        return _NoWatchdog()

    def people(self, console: Speaker, on: RunCommands, run: Run, asking: Asking) -> People:
        """Give an engineer who does every task unasked."""
        del console, on, run, asking
        return DeviceEngineer(self._world, self._reaction)

    def probes(self, run: Run, extra: Sequence[str]) -> Probes:
        """Send none: no packet can reach a world that is in this process."""
        del run, extra
        return NoProbes()

    def attended(self, asking: Asking) -> bool:
        """Tell that nobody is to be asked."""
        del asking
        return False


class _NoWatchdog:
    def start(self) -> int:
        message = "no process reaches a sandbox that is inside another one"
        raise RefusedError(message, advice=("serve one:", cli("sandbox", "serve")))

    def on_duty(self) -> bool:
        return False
