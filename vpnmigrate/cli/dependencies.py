"""Dependencies of a command: AWS, clock, terminal and process identity."""

from __future__ import annotations

import getpass
import secrets
import socket
import sys
from typing import TYPE_CHECKING, Any, Protocol

from vpnmigrate.cli.options import AwsOptions, PromptOptions
from vpnmigrate.model.clock import Clock, SteadyClock
from vpnmigrate.model.redaction import Redaction
from vpnmigrate.report.console import MessageOutput, in_background, on_terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vpnmigrate.aws.accounts import AccountSource
    from vpnmigrate.aws.session import ClientSource
    from vpnmigrate.cli.signals import SessionSignals
    from vpnmigrate.engine.ports import (
        Calls,
        DeviceDrivers,
        NetworkPaths,
        Operator,
        Probes,
        Watchdog,
    )
    from vpnmigrate.local.lock import ProcessIdentity
    from vpnmigrate.local.logs import RunLog
    from vpnmigrate.local.run_access import RunAccess
    from vpnmigrate.local.run_directory import Run
    from vpnmigrate.local.ssh_keygen import SshKeygen
    from vpnmigrate.local.vault import Vault
    from vpnmigrate.model.plan import Plan
    from vpnmigrate.report.names import NamesOfRun
    from vpnmigrate.report.screen import Beside
    from vpnmigrate.report.text import RunCommands


class Dependencies(Protocol):
    """Creates the dependencies of a command."""

    @property
    def reachable(self) -> bool:
        """Whether another process can reach the account and the run directory."""
        ...

    @property
    def clock(self) -> Clock:
        """The clock of everything in this process."""
        ...

    @property
    def me(self) -> ProcessIdentity:
        """The operator, host and number of this process."""
        ...

    @property
    def run_access(self) -> RunAccess:
        """The means to lock runs and to read and write their journals."""
        ...

    def signals(self) -> SessionSignals:
        """Return the source of the signals that stop a session."""
        ...

    def clients(self, aws: AwsOptions) -> ClientSource:
        """Return the clients of the account that *aws* and the environment select."""
        ...

    def role_clients(self, aws: AwsOptions, role: str) -> ClientSource:
        """Return the clients of the account of *role*, which the credentials of *aws* assume."""
        ...

    def accounts(self, aws: AwsOptions, jobs: int) -> AccountSource:
        """Return read access to several accounts, for *jobs* threads."""
        ...

    def calls(self, clients: ClientSource) -> Calls:
        """Return the means to wait for the calls of *clients*."""
        ...

    def paths(self, clients: ClientSource) -> NetworkPaths:
        """Return this host's network paths to the services of *clients*."""
        ...

    def watchdog(self, run: Run, aws: AwsOptions) -> Watchdog:
        """Return the watchdog of *run*."""
        ...

    def operator(
        self,
        console: MessageOutput,
        on: RunCommands,
        run: Run,
        prompt_options: PromptOptions,
        names: NamesOfRun,
    ) -> Operator:
        """Return the operator who does the device tasks of *run*."""
        ...

    def drivers(self, run: Run, plan: Plan, vault: Vault, log: RunLog) -> DeviceDrivers | None:
        """Return what runs the drivers of devices; None if engineers do all tasks."""
        ...

    def probes(self, run: Run, extra: Sequence[str]) -> Probes:
        """Return the sender of the probes of *run* and the *extra* ones."""
        ...

    @property
    def keygen(self) -> SshKeygen:
        """The ``ssh-keygen`` that signs and checks signatures."""
        ...

    def operator_present(self, prompt_options: PromptOptions) -> bool:
        """Return whether an operator is at this process's terminal and may be asked."""
        ...

    def beside_screen(self) -> Beside | None:
        """Return what the live screen shows beside the run; None for nothing."""
        ...


class RealDependencies:
    """Dependencies of an ordinary process: the machine's clock, AWS, and the terminal."""

    program = "vpnmigrate"
    """The module that a child process runs."""
    reachable = True

    def __init__(self) -> None:
        self.clock: Clock = SteadyClock()

    @property
    def me(self) -> ProcessIdentity:
        """The logged-in user, this host and this process."""
        return this_operator()

    @property
    def run_access(self) -> RunAccess:
        """The run directories of this machine."""
        from vpnmigrate.local.run_access import LocalRunAccess

        return LocalRunAccess()

    def signals(self) -> SessionSignals:
        """Return the signals of this process."""
        from vpnmigrate.cli.signals import RunSignals

        return RunSignals()

    def clients(self, aws: AwsOptions) -> ClientSource:
        """Return the clients of the account that *aws* and the environment select."""
        from vpnmigrate.aws.session import Clients, session

        return Clients(
            lambda: session(aws.profile, aws.region),
            endpoint_url=aws.endpoint_url,
            prepare=self._prepare,
        )

    def role_clients(self, aws: AwsOptions, role: str) -> ClientSource:
        """Return clients as *role*, which is assumed again when its credentials expire."""
        from vpnmigrate.aws.accounts import role_session
        from vpnmigrate.aws.session import Clients

        home = self.clients(aws)
        return Clients(
            lambda: role_session(home, role, "vpnmigrate-fleet"),
            endpoint_url=aws.endpoint_url,
            prepare=self._prepare,
        )

    def accounts(self, aws: AwsOptions, jobs: int) -> AccountSource:
        """Return clients of several accounts, which share their connections."""
        from vpnmigrate.aws.accounts import SharedClients

        return SharedClients(
            aws.profile,
            aws.region,
            endpoint_url=aws.endpoint_url,
            prepare=self._prepare,
            connections=jobs,
        )

    def _prepare(self, client: Any) -> None:
        """Change nothing; a subclass may prepare *client* here."""

    def calls(self, clients: ClientSource) -> Calls:
        """Return call threads, which can be abandoned if AWS does not answer in time."""
        from vpnmigrate.aws.call_threads import CallThreads

        return CallThreads(renew=clients.renew)

    def paths(self, clients: ClientSource) -> NetworkPaths:
        """Return this host's network paths to EC2 and STS."""
        from vpnmigrate.aws.network_path import HostNetworkPaths

        return HostNetworkPaths(
            {
                "EC2": clients.reader().meta.endpoint_url,
                "STS": clients.sts().meta.endpoint_url,
            }
        )

    def watchdog(self, run: Run, aws: AwsOptions) -> Watchdog:
        """Return the watchdog of *run*, a process of its own."""
        from vpnmigrate.local.watchdog_process import WatchdogProcess

        # The start of a process takes machine time, even if this process uses a sandbox's clock.
        return WatchdogProcess(run, aws.words(), SteadyClock(), self.program)

    def operator(
        self,
        console: MessageOutput,
        on: RunCommands,
        run: Run,
        prompt_options: PromptOptions,
        names: NamesOfRun,
    ) -> Operator:
        """Return the operator at this terminal, if there is one."""
        from vpnmigrate.cli.prompts import (
            AssumeYesOperator,
            NoPrompt,
            Prompt,
            StdinPrompt,
            TerminalOperator,
        )
        from vpnmigrate.local.documents import load_plan

        prompt: Prompt = NoPrompt()
        if self.operator_present(prompt_options):
            prompt = StdinPrompt(sys.stdin, console.input_line)
            console = on_terminal(console)
        kind = AssumeYesOperator if prompt_options.yes else TerminalOperator
        return kind(console, prompt, run, on, load_plan(run.plan).programs, names)

    def drivers(self, run: Run, plan: Plan, vault: Vault, log: RunLog) -> DeviceDrivers | None:
        """Return what runs the drivers of *plan* on this machine."""
        from vpnmigrate.local.drivers.processes import DriverProcesses
        from vpnmigrate.report.device_progress import site_of

        return DriverProcesses(run, plan, vault, log, lambda old: site_of(old, plan))

    def probes(self, run: Run, extra: Sequence[str]) -> Probes:
        """Return a sender that uses threads of this process."""
        from vpnmigrate.local.documents import load_plan
        from vpnmigrate.local.probes import Prober

        return Prober(self.clock, run, load_plan(run.plan).programs, extra)

    @property
    def keygen(self) -> SshKeygen:
        """The ``ssh-keygen`` of this machine."""
        from vpnmigrate.local.ssh_keygen import SshKeygen

        return SshKeygen()

    def operator_present(self, prompt_options: PromptOptions) -> bool:
        """Return whether stdin is a terminal, and may be read."""
        if prompt_options.no_input or sys.stdin is None or not sys.stdin.isatty():
            return False
        return not in_background(sys.stdin)

    def beside_screen(self) -> Beside | None:
        """Return None: an ordinary run shows what it observes."""
        return None


def redaction_in(meta: dict[str, Any]) -> Redaction:
    """Return the redaction of this command line, which its error message goes through as well."""
    found: Redaction = meta.setdefault("vpnmigrate.redaction", Redaction())
    return found


def this_operator() -> ProcessIdentity:
    """Return the operator, host and number of this process."""
    from vpnmigrate.local.lock import this_process

    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        # A container may run under a user id that has no name.
        user = "unknown"
    return this_process(user, socket.gethostname())


def new_holder(me: ProcessIdentity) -> str:
    """Create the name under which a new run of *me* claims its gateway."""
    from vpnmigrate.local.lock import holder_name

    return holder_name(me.user, me.host, secrets.token_hex(4))
