"""Sandboxes for the command line: scenarios from wherever they come, served or turned."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from vpnmigrate.cli.crash import Keeping
from vpnmigrate.errors import UsageError
from vpnmigrate.local.documents import SCENARIOS, describe_documents, read_plan, scenario_text
from vpnmigrate.sandbox.scenarios.parser import scenario_from_text
from vpnmigrate.sandbox.scenarios.scenario import (
    Scenario,
    scenario_from_describe,
    scenario_from_survey,
)

if TYPE_CHECKING:
    from vpnmigrate.sandbox.server.client import Client
    from vpnmigrate.sandbox.server.serve import Server


def load(name_or_path: str) -> Scenario:
    """Load a scenario by name or file, a plan's survey, or saved describe output.

    Raises:
        UsageError: There is nothing of that name.
        MalformedFileError: The file says something that none of these can say.
    """
    path = Path(name_or_path)
    if path.is_dir():
        return scenario_from_describe(describe_documents(path), name_or_path)
    if path.suffix != ".json" or name_or_path in SCENARIOS.names:
        found = scenario_text(name_or_path)
        return scenario_from_text(found.text, found.name)
    if _is_plan(path):
        return scenario_from_survey(read_plan(path).before, name_or_path)
    return scenario_from_describe(describe_documents(path), name_or_path)


OWNERS = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")
"""What leads to the operator's own accounts."""


@contextmanager
def served(
    name_or_path: str, *, port: int, speed: float, attentive: float | None
) -> Iterator[Server]:
    """Serve a scenario's world, whose time passes *speed* times as fast as ours.

    Raises:
        UsageError: There is no such scenario, or the port cannot be had.
    """
    from vpnmigrate.sandbox.scenarios.load import world_of
    from vpnmigrate.sandbox.server.clock import PacedClock

    world = world_of(load(name_or_path), PacedClock(speed))
    robot = None if attentive is None else timedelta(seconds=attentive)
    logging.getLogger("vpnmigrate.sandbox").addHandler(Keeping(("sandbox", "serve")))
    with _nobodys_account():
        from vpnmigrate.sandbox.server.serve import serve

        with serve(world, port=port, attentive=robot) as server:
            yield server


@contextmanager
def _nobodys_account() -> Iterator[None]:
    """Hide the operator's profiles: moto makes sessions, and one that is not there stops it."""
    hidden = {name: os.environ.pop(name) for name in OWNERS if name in os.environ}
    os.environ.update(AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull)
    try:
        yield
    finally:
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            del os.environ[name]
        os.environ.update(hidden)


def titles() -> dict[str, str]:
    """Give the title of each scenario that comes with the program, by name."""
    return {name: load(name).title for name in SCENARIOS.names}


def control(endpoint_url: str | None) -> Client:
    """Give what turns the devices of the sandbox that is served at *endpoint_url*.

    Raises:
        UsageError: No sandbox was named.
    """
    from vpnmigrate.sandbox.server.client import Client

    if endpoint_url is None:
        raise UsageError(
            "which sandbox?",
            advice="give --endpoint-url, or set AWS_ENDPOINT_URL as sandbox serve prints it",
        )
    return Client(endpoint_url)


def _is_plan(path: Path) -> bool:
    """Tell a plan from describe output; what is neither is for their readers to tell."""
    try:
        return "fingerprint" in json.loads(path.read_bytes())
    except (OSError, ValueError, TypeError):
        return False
