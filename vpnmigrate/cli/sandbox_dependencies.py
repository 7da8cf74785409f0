"""Dependencies in a sandbox: clock, clients and device engineer.

A sandbox's clock is used only if the operator names that sandbox and every call goes to it, so no
server can move the clock of a run that works on a real account.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from datetime import timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit

from vpnmigrate.aws.accounts import AccountAccess, AccountSource
from vpnmigrate.aws.session import ClientSource
from vpnmigrate.cli.dependencies import RealDependencies
from vpnmigrate.cli.options import AwsOptions, PromptOptions
from vpnmigrate.cli.signals import RunSignals, SessionSignals
from vpnmigrate.engine.call_limits import DirectCalls
from vpnmigrate.engine.ports import (
    Calls,
    DeviceDrivers,
    NetworkPaths,
    NoNetworkPaths,
    Operator,
    Probes,
    Watchdog,
)
from vpnmigrate.engine.traffic_watch import NoProbes
from vpnmigrate.local.lock import this_process
from vpnmigrate.local.logs import RunLog
from vpnmigrate.local.run_access import LocalRunAccess, RunAccess
from vpnmigrate.local.run_directory import Run
from vpnmigrate.local.settings import CLOCK_VARIABLE
from vpnmigrate.local.ssh_keygen import SshKeygen
from vpnmigrate.local.vault import Vault
from vpnmigrate.model.clock import Clock, SteadyClock
from vpnmigrate.model.discovery import AccountTarget
from vpnmigrate.model.errors import RefusedError, UnreachableError, UsageError
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.model.plan import Plan
from vpnmigrate.report.console import MessageOutput
from vpnmigrate.report.names import NamesOfRun
from vpnmigrate.report.screen import Beside
from vpnmigrate.report.text import RunCommands
from vpnmigrate.sandbox.client.direct import DirectClients
from vpnmigrate.sandbox.device_engineer import REACTION, DeviceEngineer
from vpnmigrate.sandbox.faults import FaultSource
from vpnmigrate.sandbox.server.client import ControlClient, RemoteClock
from vpnmigrate.sandbox.world import World


class SandboxDependencies:
    """Dependencies of commands that work on *world*, inside this process.

    *faults* are injected between the clients and the world; *reaction* is the reaction time of the
    simulated device engineer.
    """

    reachable = False

    def __init__(
        self, world: World, faults: FaultSource | None = None, reaction: timedelta = REACTION
    ) -> None:
        self.clock: Clock = world.clock
        self.me = this_process("ann", "laptop")
        self.keygen = SshKeygen()
        self.run_access: RunAccess = LocalRunAccess()
        self._world = world
        self._reaction = reaction
        self._clients = DirectClients(world, faults=faults)

    def signals(self) -> SessionSignals:
        """Return the signals of this process."""
        return RunSignals()

    def clients(self, aws: AwsOptions) -> ClientSource:
        """Return clients of the world; *aws* and the environment are ignored."""
        del aws
        return self._clients

    def role_clients(self, aws: AwsOptions, role: str) -> ClientSource:
        """Return clients of the world, which has one account."""
        del role
        return self.clients(aws)

    def accounts(self, aws: AwsOptions, jobs: int) -> AccountSource:
        """Return access to the world's account and Region."""
        del jobs
        return _OneAccount(self.clients(aws))

    def calls(self, clients: ClientSource) -> Calls:
        """Return direct calls: the world answers at once."""
        del clients
        return DirectCalls()

    def paths(self, clients: ClientSource) -> NetworkPaths:
        """Return no network paths: the world is in this process."""
        del clients
        return NoNetworkPaths()

    def watchdog(self, run: Run, aws: AwsOptions) -> Watchdog:
        """Return no watchdog: another process does not reach this world."""
        del run, aws
        return _NoWatchdog()

    def operator(
        self,
        console: MessageOutput,
        on: RunCommands,
        run: Run,
        prompt_options: PromptOptions,
        names: NamesOfRun,
    ) -> Operator:
        """Return a simulated engineer who does every task without being asked."""
        del console, on, run, prompt_options, names
        return DeviceEngineer(self._world, self._reaction)

    def drivers(self, run: Run, plan: Plan, vault: Vault, log: RunLog) -> DeviceDrivers | None:
        """Return None: the simulated engineer does every task."""
        del run, plan, vault, log
        return None

    def probes(self, run: Run, extra: Sequence[str]) -> Probes:
        """Return no probes: no packet can reach a world that is in this process."""
        del run, extra
        return NoProbes()

    def beside_screen(self) -> Beside | None:
        """Return None: a world in this process has nothing beside the run."""
        return None

    def operator_present(self, prompt_options: PromptOptions) -> bool:
        """Return False: no operator is present."""
        del prompt_options
        return False


class _OneAccount:
    """Access to one account in this process (``aws.accounts.AccountSource``)."""

    def __init__(self, home: ClientSource) -> None:
        self.home = home

    def open(self, target: AccountTarget) -> AccountAccess:
        if target.role or target.profile:
            raise RefusedError(
                f"a sandbox inside this process has no {target.label}",
                advice=("serve a sandbox:", cli("sandbox", "serve")),
            )
        return self

    def clients(self, region: str) -> ClientSource:
        if region != self.home.region:
            raise RefusedError(f"a sandbox inside this process has no Region {region}")
        return self.home


class _NoWatchdog:
    def start(self, awake: Callable[[], object]) -> int:
        del awake
        message = "another process cannot reach a sandbox that is inside this process"
        raise RefusedError(message, advice=("serve a sandbox:", cli("sandbox", "serve")))

    def on_duty(self) -> bool:
        return False


_TIMED_SERVICES = {"ec2", "sts"}
"""The services whose answers have to carry the sandbox's time."""


class SandboxTimeDependencies(RealDependencies):
    """Dependencies of an ordinary process, with the clock of the sandbox at *url*.

    Raises:
        UsageError: *url* is not a sandbox on this machine.
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

    def clients(self, aws: AwsOptions) -> ClientSource:
        """Return the usual clients, with the sandbox's time in place of AWS's.

        Raises:
            UsageError: Their endpoint is another one than the sandbox.
        """
        clients = super().clients(aws)
        clients.reader(), clients.writer(), clients.sts()
        return clients

    def _prepare(self, client: Any) -> None:
        if client.meta.service_model.service_name not in _TIMED_SERVICES:
            return
        if client.meta.endpoint_url.rstrip("/") != self._url:
            raise _no_clock(
                self._url, f"AWS calls go to a different endpoint, {client.meta.endpoint_url}"
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
        f"{CLOCK_VARIABLE}={url} cannot be used as the clock: {why}",
        advice=f"unset {CLOCK_VARIABLE}, which is only for a served sandbox",
    )
