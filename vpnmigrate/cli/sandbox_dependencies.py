"""Dependencies in a sandbox: clock, clients and device engineer.

Only where the operator names the sandbox, and only as long as every call goes to it: no server's
answer moves the clock of a run that works on anything else.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit

from vpnmigrate.aws.session import Clients
from vpnmigrate.cli.dependencies import RealDependencies
from vpnmigrate.cli.options import AwsOptions, PromptOptions
from vpnmigrate.commands import cli
from vpnmigrate.engine.call_limits import DirectCalls
from vpnmigrate.engine.ports import Calls, NetworkPaths, NoNetworkPaths, Operator, Probes, Watchdog
from vpnmigrate.engine.traffic_watch import NoProbes
from vpnmigrate.errors import RefusedError, UnreachableError, UsageError
from vpnmigrate.local.lock import this_process
from vpnmigrate.local.run_directory import Run
from vpnmigrate.local.settings import CLOCK_VARIABLE
from vpnmigrate.model.clock import Clock, SteadyClock
from vpnmigrate.report.console import MessageOutput
from vpnmigrate.report.text import RunCommands
from vpnmigrate.sandbox.client.boto import session_for
from vpnmigrate.sandbox.device_engineer import REACTION, DeviceEngineer
from vpnmigrate.sandbox.faults import FaultSource
from vpnmigrate.sandbox.server.client import ControlClient, RemoteClock
from vpnmigrate.sandbox.world import World


class SandboxDependencies:
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

    def clients(self, aws: AwsOptions) -> Clients:
        """Return clients that only the world answers, whatever *aws* and the environment say."""
        del aws
        return self._clients

    def calls(self, clients: Clients) -> Calls:
        """Wait for nothing: the world answers at once."""
        del clients
        return DirectCalls()

    def paths(self, clients: Clients) -> NetworkPaths:
        """Return no way: the world is in this process."""
        del clients
        return NoNetworkPaths()

    def watchdog(self, run: Run, aws: AwsOptions) -> Watchdog:
        """Return nobody: another process does not reach this world."""
        del run, aws
        return _NoWatchdog()

    def operator(
        self, console: MessageOutput, on: RunCommands, run: Run, asking: PromptOptions
    ) -> Operator:
        """Return an engineer who does every task unasked."""
        del console, on, run, asking
        return DeviceEngineer(self._world, self._reaction)

    def probes(self, run: Run, extra: Sequence[str]) -> Probes:
        """Send none: no packet can reach a world that is in this process."""
        del run, extra
        return NoProbes()

    def attended(self, asking: PromptOptions) -> bool:
        """Return that nobody is to be asked."""
        del asking
        return False


class _NoWatchdog:
    def start(self) -> int:
        message = "no process reaches a sandbox that is inside another one"
        raise RefusedError(message, advice=("serve one:", cli("sandbox", "serve")))

    def on_duty(self) -> bool:
        return False


_IN_ITS_TIME = {"ec2", "sts"}
"""The services whose answers have to be in the sandbox's time."""


class SandboxTimeDependencies(RealDependencies):
    """An ordinary process's parts, but for the clock: it is that of the sandbox at *url*.

    Raises:
        UsageError: That is no sandbox on this machine.
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url.rstrip("/")
        if not _is_loopback(self._url):
            raise _no_clock(
                url, "a sandbox listens on loopback only, such as http://127.0.0.1:5055"
            )
        try:
            self.clock = RemoteClock(ControlClient(self._url), SteadyClock())
        except (UnreachableError, UsageError) as error:
            raise _no_clock(url, error.message) from error

    def clients(self, aws: AwsOptions) -> Clients:
        """Return the usual clients, told the sandbox's time where AWS would tell its own.

        Raises:
            UsageError: They would ask somebody else.
        """
        clients = super().clients(aws)
        clients.reader(), clients.writer(), clients.sts()
        return clients

    def _prepare(self, client: Any) -> None:
        if client.meta.service_model.service_name not in _IN_ITS_TIME:
            return
        if client.meta.endpoint_url.rstrip("/") != self._url:
            raise _no_clock(
                self._url, f"calls go to {client.meta.endpoint_url}, in whose time we are not"
            )
        client.meta.events.register("after-call.sts", self._date)

    def _date(self, parsed: dict[str, Any], **_event: object) -> None:
        now = format_datetime(self.clock.now())
        parsed["ResponseMetadata"]["HTTPHeaders"]["date"] = now


def _is_loopback(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "http" and ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def _no_clock(url: str, why: str) -> UsageError:
    return UsageError(
        f"{CLOCK_VARIABLE}={url} gives no time: {why}",
        advice=f"unset {CLOCK_VARIABLE}, which is for a served sandbox alone",
    )
