"""Command ``demo``."""

from __future__ import annotations

import io
import shlex
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from vpnmigrate.cli.commands.sandbox import load
from vpnmigrate.cli.context import results_output
from vpnmigrate.cli.main import run_command
from vpnmigrate.cli.options import OutputOptions
from vpnmigrate.cli.sandbox_dependencies import SandboxDependencies
from vpnmigrate.errors import Exit, VpnMigrateError
from vpnmigrate.local.documents import read_plan
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.report import demo as report_demo
from vpnmigrate.report.console import TextResults
from vpnmigrate.report.demo import DemoCommand
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults, FaultSource, Killed
from vpnmigrate.sandbox.scenarios.load import load_world


def demo(printing: OutputOptions) -> None:
    """Show a whole migration in a sandbox; no AWS account needed.

    The migration is planned, applied, killed during the outage, resumed, rolled back and applied
    again.  Changes nothing outside a temporary directory.
    """
    played = []
    for scene in scenes():
        played.append(scene)
        if not printing.json:
            # Each scene is printed as soon as it is over.
            TextResults().print(report_demo.text(scene), {})
    results_output(printing).print(report_demo.closing(played), report_demo.as_json(played))


SCENARIO = "single-bgp"

DEATH = Fault("AttachVpnGateway", FaultKind.KILL_AFTER)
"""The worst moment: AWS attaches the new gateway, and its answer is lost with the process."""

NOTICING = timedelta(seconds=40)
"""Time until the operator notices that the process is gone and has read what to do."""


def scenes() -> Iterator[DemoCommand]:
    """Play the demo and yield each scene when it is over.

    Raises:
        VpnMigrateError: A scene ended with another exit code than expected, which is a bug.
    """
    with TemporaryDirectory(prefix="vpnmigrate-demo-") as place:
        yield from _DemoTerminal(Path(place)).play()


class _DemoTerminal:
    """A sandbox with one terminal."""

    def __init__(self, place: Path) -> None:
        scenario = load(SCENARIO)
        self._connection = scenario.connections[0].id
        self._clock = VirtualClock()
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
            "The migration is done. Then the old gateway is wanted back: one command rolls back.",
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
        began = self._clock.now()
        self._played += 1
        printed = io.StringIO()
        parts = SandboxDependencies(self._world, faults) if faults else self._parts
        with chdir(self._place), redirect_stdout(printed), redirect_stderr(printed):
            code = _run(command, parts)
        text = printed.getvalue().replace(f"{self._place}/", "")
        if code != ends:
            raise VpnMigrateError(
                f"the demo failed at: vpnmigrate {command}: exit code {code}, not {ends}\n{text}",
                advice="this is a bug: please report it with this output",
            )
        took = self._clock.now() - began
        return DemoCommand(self._played, about, f"vpnmigrate {command}", text, code, took)


def _run(command: str, parts: SandboxDependencies) -> int | None:
    """Run a command line; None if its process was killed."""
    arguments = shlex.split(command)
    try:
        return run_command([*arguments, "--run-dir", "runs"], parts)
    except Killed:
        return None
