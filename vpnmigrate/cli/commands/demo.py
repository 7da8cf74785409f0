"""Command ``demo``."""

from __future__ import annotations

import io
import shlex
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from vpnmigrate.cli.commands.sandbox import load
from vpnmigrate.cli.context import results_output
from vpnmigrate.cli.main import run_command
from vpnmigrate.cli.options import OutputOptions
from vpnmigrate.cli.prompts import read_line
from vpnmigrate.cli.sandbox_dependencies import SandboxDependencies
from vpnmigrate.journal.history import OutagePeriod, outages_of
from vpnmigrate.local.documents import read_plan
from vpnmigrate.local.journal_file import read_journal
from vpnmigrate.local.run_directory import Runs
from vpnmigrate.model.clock import Clock, SteadyClock, VirtualClock
from vpnmigrate.model.errors import Exit, UsageError, VpnMigrateError
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.report import demo as report_demo
from vpnmigrate.report.console import Console, TextResults
from vpnmigrate.report.demo import DemoCommand
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults, FaultSource, Killed
from vpnmigrate.sandbox.scenarios.load import load_world
from vpnmigrate.sandbox.server.clock import ScaledClock


def demo(
    printing: OutputOptions,
    step: Annotated[
        bool, typer.Option("--step", help="On a terminal, wait for Enter before each command.")
    ] = False,
    fast: Annotated[
        bool, typer.Option("--fast", help="Print everything at once, as into a pipe.")
    ] = False,
) -> None:
    """Show a whole migration in a sandbox; no AWS account needed.

    The migration is planned, applied, killed during the outage, resumed, rolled back and applied
    again.  On a terminal it takes about two minutes and shows the live screen; a minute of the
    sandbox is a second.  Changes nothing outside a temporary directory.
    """
    console = Console()
    watched = not fast and not printing.json and console.can_draw and sys.stdout.isatty()
    if step and not (watched and sys.stdin.isatty()):
        raise UsageError(
            "--step needs a terminal to wait at, and excludes --fast and --json",
            advice=cli("demo", "--fast"),
        )
    if not watched:
        played = []
        for scene in scenes():
            played.append(scene)
            if not printing.json:
                # Each scene is printed as soon as it is over.
                TextResults().print(report_demo.text(scene), {})
    else:
        played = list(scenes(Pace(console, step=step)))
    results_output(printing).print(report_demo.closing(played), report_demo.as_json(played))


class Pace:
    """A demo for a person at a terminal: pauses between the commands, which print themselves."""

    def __init__(self, console: Console, *, step: bool) -> None:
        self._console = console
        self._step = step
        self._time = _WatchedTime()
        self.clock = ScaledClock(SPEED, self._time)

    def before(self, number: int, about: str, command: str) -> None:
        """Print what the next command is about, and wait until the person has read it."""
        self._console.print_line(report_demo.opening(number, about))
        with self._time.reading():
            if self._step:
                self._console.print_line(f"$ {command}\n(Enter runs it)")
                read_line(sys.stdin)
            else:
                self._time.sleep(READING)
                self._console.print_line(f"$ {command}")

    def after(self, scene: DemoCommand) -> None:
        """Print how the command ended, and wait until the person has read its output."""
        self._console.print_line(report_demo.ending(scene))
        if not self._step:
            with self._time.reading():
                self._time.sleep(READING)


class _WatchedTime(SteadyClock):
    """A clock that stops while a person reads, so that reading does not extend an outage."""

    def __init__(self) -> None:
        super().__init__()
        self._read = timedelta(0)

    def now(self) -> datetime:
        """Return the moment, without the time that was spent on reading."""
        return super().now() - self._read

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Do not count the time of the block."""
        began = super().now()
        try:
            yield
        finally:
            self._read += super().now() - began


READING = timedelta(seconds=3)
"""Time to read one sentence, or the end of an output."""
SPEED = 60
"""On a terminal a minute of the sandbox takes a second."""


SCENARIO = "single-bgp"

DEATH = Fault("AttachVpnGateway", FaultKind.KILL_AFTER)
"""The worst moment: AWS attaches the new gateway, and its answer is lost with the process."""

NOTICING = timedelta(seconds=40)
"""Time until the operator notices that the process is gone and has read what to do."""


def scenes(pace: Pace | None = None) -> Iterator[DemoCommand]:
    """Play the demo and yield each scene when it is over; with *pace*, in front of a person.

    Raises:
        VpnMigrateError: A scene ended with another exit code than expected, which is a bug.
    """
    with TemporaryDirectory(prefix="vpnmigrate-demo-") as place:
        yield from _DemoTerminal(Path(place), pace).play()


class _DemoTerminal:
    """A sandbox with one terminal."""

    def __init__(self, place: Path, pace: Pace | None) -> None:
        scenario = load(SCENARIO)
        self._connection = scenario.connections[0].id
        self._clock: Clock = VirtualClock() if pace is None else pace.clock
        self._pace = pace
        self._world = load_world(scenario, self._clock)
        self._parts = SandboxDependencies(self._world)
        self._place = place
        self._played = 0

    def play(self) -> Iterator[DemoCommand]:
        yield self._scene(
            "A VPC is connected to the office over AWS Classic VPN. The first step is a plan, "
            "which changes nothing.",
            f"plan --vpn-connection {self._connection} -o plan.json",
        )
        migration = read_plan(self._place / "plan.json").migration
        yield self._scene(
            "The plan is rehearsed on a model of EC2: forward, and a rollback from the end of "
            "every step.",
            "rehearse plan.json",
        )
        yield self._scene(
            "Now the migration. The sandbox simulates the engineer at the router. In step 8, with "
            "traffic down, this process is killed: its last call reaches AWS and the answer is "
            "lost.",
            "apply plan.json --yes",
            faults=Faults([DEATH]),
            ends=None,
        )
        self._clock.sleep(NOTICING)
        yield self._scene(
            "The operator notices. The journal shows the state of the run and the next command.",
            f"status {migration}",
        )
        yield self._scene(
            "Another process resumes. It observes AWS before it repeats a call: the last call had "
            "arrived.",
            f"apply {migration}",
        )
        yield self._scene(
            "The migration is done. Now one command rolls back to the old gateway.",
            f"rollback {migration} --yes",
        )
        yield self._scene(
            "Everything is as it was before, and no new resource is left. A second attempt:",
            f"apply {migration} --yes",
        )
        yield self._scene(
            "The old connections still exist. Only finalize deletes them, and each has to be "
            "named.",
            f"finalize {migration}",
            ends=Exit.USAGE,
        )
        yield self._scene("The final state:", f"status {migration}")

    def _scene(
        self,
        about: str,
        command: str,
        *,
        faults: FaultSource | None = None,
        ends: Exit | None = Exit.DONE,
    ) -> DemoCommand:
        self._played += 1
        if self._pace is not None:
            self._pace.before(self._played, about, f"vpnmigrate {command}")
        began = self._clock.now()
        parts = SandboxDependencies(self._world, faults) if faults else self._parts
        with chdir(self._place):
            code, text = self._printed(command, parts)
        if code != ends:
            raise VpnMigrateError(
                f"the demo failed at: vpnmigrate {command}: exit code {code}, not {ends}\n{text}",
                advice="this is a bug: please report it with this output",
            )
        took = self._clock.now() - began
        outages = self._outages()
        scene = DemoCommand(self._played, about, f"vpnmigrate {command}", text, code, took, outages)
        if self._pace is not None:
            self._pace.after(scene)
        return scene

    def _printed(self, command: str, parts: SandboxDependencies) -> tuple[int | None, str]:
        """Run *command*, and return its exit code with what it printed, unless a person saw it."""
        if self._pace is not None:
            return _run(command, parts), ""
        printed = io.StringIO()
        with redirect_stdout(printed), redirect_stderr(printed):
            code = _run(command, parts)
        return code, printed.getvalue().replace(f"{self._place}/", "")

    def _outages(self) -> tuple[OutagePeriod, ...]:
        """Return the outages so far, from the journal of the run, if it has begun."""
        runs = Runs(self._place / "runs").list()
        return outages_of(read_journal(runs[0]).entries) if runs else ()


def _run(command: str, parts: SandboxDependencies) -> int | None:
    """Run a command line; None if its process was killed."""
    arguments = shlex.split(command)
    try:
        return run_command([*arguments, "--run-dir", "runs"], parts)
    except Killed:
        return None
