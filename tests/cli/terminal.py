"""Terminal for tests of the command line."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from vpnmigrate.cli.commands.sandbox import load
from vpnmigrate.cli.main import run_command
from vpnmigrate.cli.options import PromptOptions
from vpnmigrate.cli.prompts import NoPrompt, TerminalOperator
from vpnmigrate.cli.sandbox_dependencies import SandboxDependencies
from vpnmigrate.engine.ports import Operator
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.report.console import MessageOutput
from vpnmigrate.report.names import NamesOfRun
from vpnmigrate.report.text import RunCommands
from vpnmigrate.sandbox.faults import Fault, FaultKind, Faults, FaultSource, Killed
from vpnmigrate.sandbox.scenarios.load import load_world

SOAK = timedelta(days=1)
"""The ``finalize.soak`` of the standard playbook."""


@dataclass(frozen=True)
class Ran:
    """Result of a command."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


@dataclass(frozen=True)
class MadePlan:
    """A plan that ``plan`` has written, and the time that it took."""

    migration: str
    text: bytes
    mode: int
    took: timedelta


class Terminal:
    """Runs commands against one sandbox world; a simulated engineer does the device tasks."""

    _plans: ClassVar[dict[tuple[str, tuple[str, ...]], MadePlan]] = {}
    """Plans of this process's tests, by the state of the world and the options."""

    def __init__(self, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.clock = VirtualClock()
        self.place = place
        self._capsys = capsys
        self.scenario("single-bgp")

    def scenario(self, name: str) -> None:
        """Replace the world by another scenario."""
        loaded = load(name)
        self.gateway = loaded.gateways[0].id
        self.connections = [c.id for c in loaded.connections]
        self.world = load_world(loaded, self.clock)
        self.parts: SandboxDependencies = SandboxDependencies(self.world)
        self._plain = self.parts

    def inject(self, faults: FaultSource) -> None:
        """Inject *faults* between the commands and the world from now on."""
        self.parts = SandboxDependencies(self.world, faults)

    def without_engineer(self) -> None:
        """Leave device tasks undone, as in a terminal without input."""
        self.parts = Unattended(self.world)

    def run(self, *words: str) -> Ran:
        """Run one command, with the consent that a script needs to interrupt traffic.

        ``finalize`` is run after the soak that the standard playbook asks for.
        """
        if words[:1] == ("finalize",):
            self.clock.sleep(SOAK)
        consents = words[:1] in {("apply",), ("rollback",)} and "--yes" not in words
        return self.run_bare(*words, *(["--yes"] if consents else []))

    def run_bare(self, *words: str) -> Ran:
        """Run one command with exactly these *words*, in a pipe."""
        self._capsys.readouterr()
        code = run_command(words, self.parts)
        output = self._capsys.readouterr()
        return Ran(code, output.out, output.err)

    def killed_at(self, operation: str, kind: FaultKind) -> Path:
        """Plan, and apply until the process is killed at *operation*; return the run's folder."""
        run = self.planned()
        self.inject(Faults([Fault(operation, kind)]))
        with suppress(Killed):
            self.run("apply", "plan.json")
        self.inject(Faults())
        return Path(self.status(run)["folder"])

    def planned(self, *options: str) -> str:
        """Plan into ``plan.json`` and return the migration id.

        What ``plan`` writes for equal worlds is made once, because most tests begin with a plan:
        where nothing is injected, and no option names a file.
        """
        with self.world.to_be_read() as state:
            key = repr(state), options
        reusable = self.parts is self._plain and not any("." in option for option in options)
        made = self._plans.get(key) if reusable else None
        file = self.place / "plan.json"
        if made is None:
            made = self._made(file, options)
        else:
            file.write_bytes(made.text)
            file.chmod(made.mode)
            self.clock.sleep(made.took)
        if reusable:
            self._plans[key] = made
        return made.migration

    def _made(self, file: Path, options: tuple[str, ...]) -> MadePlan:
        began = self.clock.now()
        words = ("plan", "--vpn-gateway", self.gateway, "-o", "plan.json", "--json", *options)
        ran = self.run(*words)
        assert ran.code == 0, ran.err
        mode = file.stat().st_mode & 0o777
        migration = ran.document["plan"]["migration"]
        return MadePlan(migration, file.read_bytes(), mode, self.clock.now() - began)

    def status(self, run_id: str) -> Any:
        """Return the run's status document."""
        return self.run("status", run_id, "--json").document


class Unattended(SandboxDependencies):
    """Sandbox dependencies without an engineer and without an operator to ask."""

    def operator(
        self,
        console: MessageOutput,
        on: RunCommands,
        run: Run,
        prompt_options: PromptOptions,
        names: NamesOfRun,
    ) -> Operator:
        return TerminalOperator(console, NoPrompt(), run, on, {}, names)
