"""A terminal as the tests of the command line use it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from vpnmigrate.cli.commands.sandbox import load
from vpnmigrate.cli.main import run
from vpnmigrate.cli.options import Asking
from vpnmigrate.cli.prompts import NoPrompt, TerminalPeople
from vpnmigrate.cli.sandbox_dependencies import SandboxParts
from vpnmigrate.engine.ports import People
from vpnmigrate.local.run_directory import Run
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.report.console import Speaker
from vpnmigrate.report.text import RunCommands
from vpnmigrate.sandbox.faults import FaultSource
from vpnmigrate.sandbox.scenarios.load import world_of


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


class Terminal:
    """Runs verbs in front of one sandbox world; an engineer does the device tasks."""

    def __init__(self, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.clock = VirtualClock()
        self.place = place
        self._capsys = capsys
        self.scenario("single-bgp")

    def scenario(self, name: str) -> None:
        """Begin anew in front of another scenario."""
        loaded = load(name)
        self.gateway = loaded.gateways[0].id
        self.connections = [c.id for c in loaded.connections]
        self.world = world_of(loaded, self.clock)
        self.parts: SandboxParts = SandboxParts(self.world)

    def meets(self, faults: FaultSource) -> None:
        """Let *faults* come between the verbs and the world from now on."""
        self.parts = SandboxParts(self.world, faults)

    def leaves_devices_alone(self) -> None:
        """Let nobody do device tasks, as in a terminal without input."""
        self.parts = Unattended(self.world)

    def run(self, *words: str) -> Ran:
        """Run one command."""
        self._capsys.readouterr()
        code = run(words, self.parts)
        told = self._capsys.readouterr()
        return Ran(code, told.out, told.err)

    def planned(self) -> str:
        """Plan into ``plan.json`` and give the migration id."""
        ran = self.run("plan", "--vpn-gateway", self.gateway, "-o", "plan.json", "--json")
        assert ran.code == 0, ran.err
        migration: str = ran.document["plan"]["migration"]
        return migration

    def status(self, run_id: str) -> Any:
        """Give the run's status document."""
        return self.run("status", run_id, "--json").document


class Unattended(SandboxParts):
    """Nobody does device tasks unasked, and nobody can be asked."""

    def people(self, console: Speaker, on: RunCommands, run: Run, asking: Asking) -> People:
        return TerminalPeople(console, NoPrompt(), run, on, {})
