"""The AWS CLI before a sandbox with three Classic connections, for the tests of this room."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from importlib.resources import files
from pathlib import Path

import pytest

from tests.awscli.cli import VARIABLE, AwsCli
from vpnmigrate.clock import VirtualClock
from vpnmigrate.sandbox.loading import world_of
from vpnmigrate.sandbox.scenario_file import scenario_from_text
from vpnmigrate.sandbox.serve import serve
from vpnmigrate.sandbox.world import World


class Sandbox:
    """A served world whose time stands still unless it is told to pass."""

    def __init__(self, world: World, clock: VirtualClock, aws: AwsCli) -> None:
        self.aws = aws
        self.devices = world.devices
        self.keys = world.keys
        self._clock = clock

    def wait(self, **span: float) -> None:
        """Let time pass."""
        self._clock.sleep(timedelta(**span))


@pytest.fixture
def aws_program() -> Path:
    """Give the AWS CLI; tox installs one, and without it there is nothing to test with."""
    if VARIABLE not in os.environ:
        pytest.skip(f"{VARIABLE} does not say where the AWS CLI is; tox sets it")
    return Path(os.environ[VARIABLE])


@pytest.fixture
def sandbox(aws_program: Path, tmp_path: Path) -> Iterator[Sandbox]:
    """Serve the scenario with two BGP connections, a static one and a table of every kind."""
    file = files("vpnmigrate.sandbox") / "scenarios" / "three-connections.yaml"
    scenario = scenario_from_text(file.read_text(encoding="utf-8"), "three-connections")
    clock = VirtualClock()
    world = world_of(scenario, clock)
    with serve(world) as server:
        yield Sandbox(world, clock, AwsCli(aws_program, server.environment, tmp_path))
