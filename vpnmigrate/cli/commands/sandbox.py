"""Commands ``sandbox serve``, ``scenarios``, ``device`` and ``advance``."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vpnmigrate.cli.context import results_output
from vpnmigrate.cli.crash_log import Keeping
from vpnmigrate.cli.options import OutputOptions
from vpnmigrate.errors import UsageError
from vpnmigrate.local.documents import SCENARIOS, describe_documents, read_plan, scenario_text
from vpnmigrate.local.settings import CLOCK_VARIABLE
from vpnmigrate.model.clock import moment
from vpnmigrate.planning.playbook import duration_from
from vpnmigrate.report import results
from vpnmigrate.sandbox.scenarios.load import load_world
from vpnmigrate.sandbox.scenarios.parser import scenario_from_text
from vpnmigrate.sandbox.scenarios.scenario import (
    Scenario,
    scenario_from_describe,
    scenario_from_survey,
)
from vpnmigrate.sandbox.server.client import ControlClient
from vpnmigrate.sandbox.server.clock import ScaledClock

if TYPE_CHECKING:
    from vpnmigrate.sandbox.server.serve import Server


class TunnelAction(StrEnum):
    """What can be done to the tunnels of a sandbox's device."""

    ENABLE = "enable"
    DISABLE = "disable"
    ONE_TUNNEL = "one-tunnel"

    @property
    def done(self) -> str:
        """Return what the tunnels are afterwards."""
        return "one of two enabled" if self is TunnelAction.ONE_TUNNEL else f"{self.value}d"


DEFAULT_SCENARIO = "three-connections"


def serve(
    printing: OutputOptions,
    scenario: Annotated[
        str,
        typer.Option(
            "--scenario",
            metavar="NAME|FILE",
            help="A scenario, a plan, or saved `aws ec2 describe-*` output.",
        ),
    ] = DEFAULT_SCENARIO,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Loopback port; 0 takes a free one.")
    ] = 0,
    speed: Annotated[
        float, typer.Option("--speed", min=0.1, max=1000, help="How fast its time passes.")
    ] = 1.0,
    attentive: Annotated[
        float | None,
        typer.Option(
            "--attentive",
            metavar="SECONDS",
            min=0,
            help="Let a robot do the device tasks of step 10, each after so long.",
        ),
    ] = None,
) -> None:
    """Serve the EC2 API on loopback until interrupted.

    For any client: set what it prints in the client's environment.  It checks no signature:
    AWS_ACCESS_KEY_ID=SANDBOX_BOB makes you the user bob.  With VPNMIGRATE_CLOCK this program lives
    in the sandbox's time.  Everything in it is gone when it stops.
    """
    astray = tuple(name for name in results.ASTRAY if name in os.environ)
    with serve_world(scenario, port=port, speed=speed, attentive=attentive) as server:
        environment = {**server.environment, CLOCK_VARIABLE: server.url}
        output = results.ServerResult(scenario, server.url, environment, astray)
        results_output(printing).print(results.sandbox_text(output), results.sandbox_json(output))
        server.wait()


def scenarios(printing: OutputOptions) -> None:
    """List the scenarios that come with the program."""
    named = titles()
    results_output(printing).print(
        results.listing_text(named), results.listing_json("scenarios", named)
    )


EndpointUrl = Annotated[
    str | None,
    typer.Option(
        "--endpoint-url",
        metavar="URL",
        envvar="AWS_ENDPOINT_URL",
        help="Where the sandbox is served.",
    ),
]


def device(
    turn: Annotated[
        TunnelAction, typer.Argument(show_default=False, help="What to do to its tunnels.")
    ],
    connection: Annotated[
        str, typer.Argument(metavar="CONNECTION", show_default=False, help="vpn-...")
    ],
    printing: OutputOptions,
    endpoint_url: EndpointUrl = None,
) -> None:
    """Enable or disable tunnels on a served sandbox's device.

    It is what an engineer would do at the router; one-tunnel is a router
    that can run only the first.
    """
    sandbox = control(endpoint_url)
    match turn:
        case TunnelAction.ENABLE:
            sandbox.enable(connection)
        case TunnelAction.DISABLE:
            sandbox.disable(connection)
        case TunnelAction.ONE_TUNNEL:
            sandbox.one_tunnel(connection)
    document = {"schema": "vpnmigrate/device/1", "connection": connection, "tunnels": turn.value}
    results_output(printing).print(f"tunnels of {connection}: {turn.done}", document)


def advance(
    span: Annotated[str, typer.Argument(metavar="TIME", show_default=False, help="Such as 3h.")],
    printing: OutputOptions,
    endpoint_url: EndpointUrl = None,
) -> None:
    """Put a served sandbox's clock forward.

    Whoever lives in its time, as with VPNMIGRATE_CLOCK, is there at once.
    """
    wanted = duration_from(span)
    if wanted is None:
        raise UsageError(f"{span!r} is no length of time", advice="write 15m, or 1h30m")
    time = control(endpoint_url).advance(wanted)
    document = {"schema": "vpnmigrate/advance/1", "time": time.isoformat()}
    results_output(printing).print(f"the sandbox's time is {moment(time)}", document)


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
def serve_world(
    name_or_path: str, *, port: int, speed: float, attentive: float | None
) -> Iterator[Server]:
    """Serve a scenario's world, whose time passes *speed* times as fast as ours.

    Raises:
        UsageError: There is no such scenario, or the port cannot be had.
    """
    world = load_world(load(name_or_path), ScaledClock(speed))
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
    """Return the title of each scenario that comes with the program, by name."""
    return {name: load(name).title for name in SCENARIOS.names}


def control(endpoint_url: str | None) -> ControlClient:
    """Return what turns the devices of the sandbox that is served at *endpoint_url*.

    Raises:
        UsageError: No sandbox was named.
    """
    if endpoint_url is None:
        raise UsageError(
            "which sandbox?",
            advice="give --endpoint-url, or set AWS_ENDPOINT_URL as sandbox serve prints it",
        )
    return ControlClient(endpoint_url)


def _is_plan(path: Path) -> bool:
    """Return a plan from describe output; what is neither is for their readers to tell."""
    try:
        return "fingerprint" in json.loads(path.read_bytes())
    except (OSError, ValueError, TypeError):
        return False
