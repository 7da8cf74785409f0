"""The AWS CLI with a sandbox of three Classic connections."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.aws_cli.cli import VARIABLE, AwsCli
from tests.support.warm.processes import CLIENT, serving
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.sandbox.scenarios.load import load_world
from vpnmigrate.sandbox.scenarios.parser import scenario_from_text
from vpnmigrate.sandbox.server.serve import serve
from vpnmigrate.sandbox.world import World


class Sandbox:
    """A sandbox server whose clock advances only on request."""

    def __init__(self, world: World, clock: VirtualClock, aws: AwsCli) -> None:
        self.aws = aws
        self.devices = world.devices
        self.keys = world.keys
        self._clock = clock

    def wait(self, **span: float) -> None:
        """Advance the clock."""
        self._clock.sleep(timedelta(**span))


@pytest.fixture(scope="session")
def aws_program() -> Iterator[Path]:
    """Return the AWS CLI, which tox installs; without it the tests are skipped.

    It is started once for all commands (``warm_server``).
    """
    if VARIABLE not in os.environ:
        pytest.skip(f"{VARIABLE} does not say where the AWS CLI is; tox sets it")
    own_python = Path(os.environ[VARIABLE]).with_name("python")
    # Not in pytest's directory, because the path of a socket must be short.
    with TemporaryDirectory() as place, warm(own_python, Path(place)) as program:
        yield program


@contextmanager
def warm(own_python: Path, place: Path) -> Iterator[Path]:
    """Start the CLI of *own_python* in *place*, and yield the program that replaces it."""
    address = place / "socket"
    program = place / "aws"
    program.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -IS "{CLIENT}" "{address}" "$@"\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    with serving([own_python, "-m", "tests.aws_cli.warm_server", address], place):
        yield program


@pytest.fixture
def sandbox(aws_program: Path, tmp_path: Path) -> Iterator[Sandbox]:
    """Serve the scenario with two BGP connections, a static one and a table of every kind."""
    file = files("vpnmigrate.sandbox") / "scenarios" / "three-connections.yaml"
    scenario = scenario_from_text(file.read_text(encoding="utf-8"), "three-connections")
    clock = VirtualClock()
    world = load_world(scenario, clock)
    with serve(world) as server:
        yield Sandbox(world, clock, AwsCli(aws_program, server.environment, tmp_path))
