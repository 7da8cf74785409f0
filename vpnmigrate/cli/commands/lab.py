"""Command ``lab``: a migration of the sandbox with real tunnels, routes and packets."""

from __future__ import annotations

import io
import json
import os
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from vpnmigrate.cli.commands.sandbox import load
from vpnmigrate.cli.context import results_output
from vpnmigrate.cli.main import run_command
from vpnmigrate.cli.options import OutputOptions
from vpnmigrate.cli.sandbox_dependencies import SandboxDependencies
from vpnmigrate.devices.platforms import platform_named
from vpnmigrate.engine.ports import DeviceDrivers
from vpnmigrate.journal.crypto_record import CryptoSeen
from vpnmigrate.journal.history import outages_of
from vpnmigrate.journal.records import Entry
from vpnmigrate.local.documents import read_plan, save_text
from vpnmigrate.local.drivers.device_file import DEVICE_FILE
from vpnmigrate.local.drivers.processes import DriverProcesses
from vpnmigrate.local.journal_file import read_journal
from vpnmigrate.local.logs import RunLog
from vpnmigrate.local.run_directory import Run, Runs
from vpnmigrate.local.vault import Vault
from vpnmigrate.model.clock import SteadyClock
from vpnmigrate.model.errors import Exit, UsageError
from vpnmigrate.model.plan import Plan
from vpnmigrate.rehearsal.lab.migration import LabDrivers, LabFault, LabMigration
from vpnmigrate.rehearsal.lab.namespaces import (
    FRR,
    HIDDEN_FOLDERS,
    ISOLATED,
    LAB,
    enter,
    isolated_command,
    require,
)
from vpnmigrate.rehearsal.lab.packets import PacketProbe, PacketsSoFar
from vpnmigrate.report.console import Console
from vpnmigrate.report.cutover_picture import journal_rows
from vpnmigrate.report.device_progress import site_of
from vpnmigrate.report.lab import LabPhase, LabReport, as_json, text
from vpnmigrate.report.lab_picture import picture
from vpnmigrate.report.lab_screen import LabScreen
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults, FaultSource, Killed
from vpnmigrate.sandbox.scenarios.load import load_world
from vpnmigrate.sandbox.server.clock import ScaledClock
from vpnmigrate.sandbox.world import World

SPEED: Final = 60
"""A minute of EC2's time takes a second; tunnels, routes and packets are real."""


class LabCase(StrEnum):
    """What happens in the lab."""

    DEMO = "demo"
    """A migration, then a rollback."""
    KILLED = "killed"
    """The process is killed between detach and attach; another one resumes."""
    WRONG_KEY = "wrong-key"
    PROPOSAL_MISMATCH = "proposal-mismatch"
    DARK_ENDPOINTS = "dark-endpoints"
    ONE_TUNNEL_DEAD = "one-tunnel-dead"
    NO_PREFIXES = "no-prefixes"
    REMOTE_AS_UNCHANGED = "remote-as-unchanged"
    REKEY = "rekey"
    PREWARM = "prewarm"
    """The new tunnels are brought up before the cutover; then a rollback."""
    PREWARM_REFUSED = "prewarm-refused"

    @property
    def fault(self) -> LabFault:
        """What disturbs the migration."""
        return {each.value: each for each in LabFault}.get(self.value, LabFault.NONE)

    @property
    def prewarms(self) -> bool:
        """Whether the new tunnels are tried before the cutover."""
        return self in {LabCase.PREWARM, LabCase.PREWARM_REFUSED}

    @property
    def needs_bird(self) -> bool:
        """Whether an engineer changes BIRD's configuration."""
        return self.fault.is_of_bird or self.prewarms


class LabRouting(StrEnum):
    """The routing of the connection."""

    BGP = "bgp"
    STATIC = "static"


_PLAYBOOK: Final = """name: lab
summary: A cutover in the lab, which rolls back by itself if the new tunnels do not come up.
decisions:
  back_out: rollback
  verification: {tunnels: at-least-one}
  waits: {tunnels: WAIT, steady: 10s}
  drivers: {default: DRIVER}
"""
_LEAVES: Final = "  old_tunnels: leave\n"
"""Decision of a playbook that prewarms: the old tunnels stay up, so a rollback is prewarmed too."""
_FORCED: Final = " --force device-drivers --reason 'the new tunnels are enabled already'"
_IN_VAIN: Final = frozenset(
    {
        LabCase.WRONG_KEY,
        LabCase.PROPOSAL_MISMATCH,
        LabCase.DARK_ENDPOINTS,
        LabCase.REMOTE_AS_UNCHANGED,
    }
)
"""Cases whose new tunnels never come up, or have no BGP."""
_WAIT_IN_VAIN: Final = "5m"
"""Five seconds here, in the cases of ``_IN_VAIN``."""
_WAIT: Final = "20m"
"""Twenty seconds here, because a loaded machine may need several for IKE and BGP."""
_CALL: Final = "5m"
"""The longest limit, so that a run waits for ten seconds here."""
_DIES: Final = Fault("AttachVpnGateway", FaultKind.KILL_BEFORE)


def lab(
    printing: OutputOptions,
    name: Annotated[
        str, typer.Argument(metavar="CASE", help=f"What happens: {', '.join(LabCase)}.")
    ] = LabCase.DEMO.value,
    routing: Annotated[
        LabRouting, typer.Option("--routing", help="Routing of the connection.")
    ] = LabRouting.BGP,
    platform: Annotated[
        str,
        typer.Option(
            "--platform", metavar="NAME", help="The device: strongswan-bird or strongswan-frr."
        ),
    ] = "strongswan-bird",
    logs: Annotated[
        Path | None,
        typer.Option(
            "--logs", metavar="DIR", help="Keep the logs of daemons, device and run in this folder."
        ),
    ] = None,
    drawn: Annotated[
        Path | None,
        typer.Option(
            "--picture",
            metavar="FILE",
            help="Draw packets, tunnels, routes and calls over time, as SVG.",
        ),
    ] = None,
) -> None:
    """Migrate a sandbox's connection with real tunnels, routes and packets on this machine.

    Network namespaces hold a site, its device, AWS's tunnel endpoints and a VPC; the device runs
    the commands of device config. Reports lost packets and the outage in milliseconds. Needs
    root, Linux, vpnmigrate[lab], and on Debian charon-systemd, libcharon-extra-plugins,
    libstrongswan-standard-plugins and bird2 (or frr). Nothing is left afterwards.
    """
    if name not in set(LabCase):
        raise UsageError(
            f"{name!r} is not a case of the lab", advice=f"give one of: {', '.join(LabCase)}"
        )
    case, device = LabCase(name), platform_named(platform)
    if device.folder != "strongswan":
        raise UsageError(f"the lab has no {device.title}", advice="give --platform strongswan-bird")
    if case.needs_bird and (routing is LabRouting.STATIC or device.variant == "frr"):
        raise UsageError(
            f"the case {case} is about BIRD's BGP", advice="leave --routing and --platform out"
        )
    for each in filter(None, (logs, drawn and drawn.parent)):
        _require_folder(each.resolve())
    require([*FRR] if device.variant == "frr" else [])
    if os.environ.get(ISOLATED) != "1":
        words = ["lab", case, "--routing", routing, "--platform", platform]
        words += ["--json"] if printing.json else []
        words += ["--logs", str(logs.resolve())] if logs else []
        words += ["--picture", str(drawn.resolve())] if drawn else []
        command = isolated_command(words)
        os.execve(command[0], command, {**os.environ, ISOLATED: "1"})  # noqa: S606 - no shell
    enter()
    try:
        report = _LabRun(case, routing, platform, quiet=printing.json).play()
    finally:
        if logs is not None:
            _keep_logs(logs)
    results_output(printing).print(text(report), as_json(report))
    if drawn is not None:
        save_text(picture(report), drawn)


def _require_folder(folder: Path) -> None:
    """Create *folder* before the case, which takes a while.

    Raises:
        UsageError: It cannot be written, or the lab would hide the files in it.
    """
    hidden = [each for each in HIDDEN_FOLDERS if folder.is_relative_to(each)]
    if hidden:
        raise UsageError(f"{hidden[0]} is hidden in the lab", advice="choose another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{folder}: cannot be created: {error.strerror}", advice="choose another folder"
        ) from error


def _keep_logs(folder: Path) -> None:
    """Copy the logs of daemons, device and run, which have no keys, out of the lab."""
    for log in (*LAB.glob("*/*.log"), *LAB.glob("*.log"), *LAB.glob("runs/*/*.jsonl")):
        content = log.read_bytes()
        (folder / f"{log.parent.name}-{log.name}").write_bytes(content)


@dataclass
class _LabRun:
    """One case, from a plan to its end."""

    case: LabCase
    routing: LabRouting
    platform: str
    quiet: bool

    def play(self) -> LabReport:
        scenario = load(f"single-{self.routing}")
        self._clock = ScaledClock(SPEED)
        self._world = load_world(scenario, self._clock)
        self._lab = LabMigration(
            self._world, platform_named(self.platform), SteadyClock(), self.case.fault
        )
        self._lab.start()
        with chdir(LAB):
            wait = _WAIT_IN_VAIN if self.case in _IN_VAIN else _WAIT
            playbook = _PLAYBOOK.replace("WAIT", wait).replace("DRIVER", self._driver())
            playbook += _LEAVES if self.case.prewarms else ""
            Path("lab.yaml").write_text(playbook, encoding="utf-8")
            connection = scenario.connections[0].id
            phases = tuple(self._phases(connection))
        self._lab.stop()
        events = tuple(self._lab.events)
        return LabReport(self.case, self.routing, self.platform, SPEED, phases, events)

    def _driver(self) -> str:
        """Save the running configuration, and return the device's driver for the playbook."""
        device = self._lab.device
        running = LAB / "running.txt"
        running.write_text(device.running_configuration(), encoding="utf-8")
        return json.dumps(
            {
                "kind": "strongswan",
                "shell": device.words,
                "sockets": device.sockets,
                "platform": self.platform,
                "existing": str(running),
                "limit": _CALL,
            }
        )

    def _phases(self, connection: str) -> Iterator[LabPhase]:
        code, printed = self._command(
            f"plan --playbook lab.yaml --vpn-connection {connection} -o plan.json"
        )
        if code != Exit.DONE:
            raise UsageError(f"the lab's plan failed: {printed}")
        run = read_plan(Path("plan.json")).migration
        if self.case is LabCase.KILLED:
            yield self._phase("apply plan.json --yes", run, Faults([_DIES]))
            yield self._phase(f"apply {run}", run)
        elif self.case.prewarms:
            yield self._phase("apply plan.json --until cutover --yes", run)
            yield self._phase(f"apply {run} --yes", run, prepare=self._prewarm)
        else:
            yield self._phase("apply plan.json --yes", run)
        if self.case in {LabCase.DEMO, LabCase.PREWARM}:
            yield self._phase(f"rollback {run} --yes", run)

    def _prewarm(self, run: str) -> str:
        """Try to bring the new tunnels up, and return the options that the cutover then needs."""
        (file,) = Path("runs", run, "vault").glob(f"*/{DEVICE_FILE}")
        commands = json.loads(file.read_text(encoding="utf-8"))["commands"]
        return _FORCED if self._lab.prewarm(file.parent.name, commands) else ""

    def _phase(
        self,
        command: str,
        run: str,
        faults: FaultSource | None = None,
        prepare: Callable[[str], str] | None = None,
    ) -> LabPhase:
        """Run a command while packets flow; *prepare* comes first and returns more options."""
        probe = PacketProbe(self._lab.network)
        began, base = time.monotonic(), self._clock.now()
        if prepare is not None:
            command += prepare(run)

        def uptime(moment: datetime) -> float:
            return began + (moment - base).total_seconds() / SPEED

        if not self.quiet:
            Console().print_line(f"$ vpnmigrate {command}")
        self._lab.note(f"$ vpnmigrate {command}")
        code, _ = self._command(command, faults, probe.so_far)
        self._lab.note("killed" if code is None else f"exit code {code}")
        self._lab.settle()
        self._lab.note("end of packets")
        ended = self._lab.events[-1].at
        packets = probe.finish()
        entries = self._journal(run)
        spans = (
            (uptime(each.since), uptime(each.since + each.lasted)) for each in outages_of(entries)
        )
        here = tuple((max(first, began), last) for first, last in spans if last > began)
        rows = journal_rows(read_plan(Path("plan.json")), entries, uptime)
        crypto = [e.record for e in entries if isinstance(e.record, CryptoSeen) and e.wall >= base]
        tunnels = crypto[-1].tunnels if crypto else ()
        return LabPhase(f"vpnmigrate {command}", code, began, ended, packets, here, rows, tunnels)

    def _journal(self, run: str) -> Sequence[Entry]:
        started = {each.id: each for each in Runs(Path("runs")).list()}
        return read_journal(started[run]).entries if run in started else ()

    def _command(
        self,
        line: str,
        faults: FaultSource | None = None,
        so_far: Callable[[], PacketsSoFar | None] | None = None,
    ) -> tuple[int | None, str]:
        """Run a command line; the code is None if its process was killed."""
        parts = LabDependencies(self._world, self._lab, faults, so_far or _no_packets)
        printed = io.StringIO()
        with _captured(printed, quiet=self.quiet or line.startswith("plan ")):
            try:
                code = run_command([*shlex.split(line), "--run-dir", "runs"], parts)
            except Killed:
                return None, printed.getvalue()
        return code, printed.getvalue()


class LabDependencies(SandboxDependencies):
    """Dependencies of commands in the lab: drivers do the work at the device."""

    def __init__(
        self,
        world: World,
        lab: LabMigration,
        faults: FaultSource | None,
        so_far: Callable[[], PacketsSoFar | None],
    ) -> None:
        super().__init__(world, faults)
        self._lab, self._so_far = lab, so_far

    def beside_screen(self) -> LabScreen | None:
        """Return the lab's lines for the live screen."""
        return LabScreen(self._lab.events, self._so_far)

    def drivers(self, run: Run, plan: Plan, vault: Vault, log: RunLog) -> DeviceDrivers | None:
        """Return the drivers of *plan*, whose calls are events of the lab."""
        own = DriverProcesses(run, plan, vault, log, lambda old: site_of(old, plan))
        return LabDrivers(own, self._lab)


def _no_packets() -> None:
    """Return None: no packets flow while a plan is made."""
    return


@contextmanager
def _captured(into: io.StringIO, *, quiet: bool) -> Iterator[None]:
    if not quiet:
        yield
        return
    with redirect_stdout(into), redirect_stderr(into):
        yield
