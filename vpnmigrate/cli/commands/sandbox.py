"""Commands ``sandbox serve``, ``scenarios``, ``device`` and ``advance``."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.structs import replace

from vpnmigrate.cli.context import results_output
from vpnmigrate.cli.crash_log import Keeping
from vpnmigrate.cli.options import OutputOptions
from vpnmigrate.local.documents import (
    SCENARIOS,
    describe_documents,
    json_document,
    read_plan,
    scenario_text,
)
from vpnmigrate.local.settings import CLOCK_VARIABLE
from vpnmigrate.model.clock import moment
from vpnmigrate.model.errors import MalformedFileError, UsageError
from vpnmigrate.planning.yaml_struct import duration_from
from vpnmigrate.report import results
from vpnmigrate.sandbox.policy import Policy, policy_from
from vpnmigrate.sandbox.scenarios.load import load_world
from vpnmigrate.sandbox.scenarios.parser import scenario_from_text
from vpnmigrate.sandbox.scenarios.scenario import (
    Scenario,
    in_account,
    scenario_from_describe,
    scenario_from_survey,
)
from vpnmigrate.sandbox.server.client import ControlClient
from vpnmigrate.sandbox.server.clock import ScaledClock

if TYPE_CHECKING:
    from vpnmigrate.sandbox.server.serve import Server


class TunnelAction(StrEnum):
    """Change of the tunnels on a sandbox's device."""

    ENABLE = "enable"
    DISABLE = "disable"
    ONE_TUNNEL = "one-tunnel"

    @property
    def done(self) -> str:
        """The state of the tunnels afterwards."""
        return "one of two enabled" if self is TunnelAction.ONE_TUNNEL else f"{self.value}d"


DEFAULT_SCENARIO = "three-connections"


def serve(
    printing: OutputOptions,
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            "--scenario",
            metavar="NAME|FILE|FOLDER",
            help=(
                "A scenario, a plan file, or a folder of saved `aws ec2 describe-*` output: "
                "describe-vpn-gateways, -vpn-connections, -customer-gateways, -vpcs, -subnets and "
                "-route-tables, a .json file each. Default: three-connections."
            ),
        ),
    ] = None,
    account: Annotated[
        list[str] | None,
        typer.Option(
            "--account",
            metavar="ACCOUNT/REGION=SCENARIO",
            help="Another account or Region, with a scenario of its own; it is reached with a "
            "role of that account. Repeatable.",
        ),
    ] = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Loopback port; 0 selects a free one.")
    ] = 0,
    speed: Annotated[
        float, typer.Option("--speed", min=0.1, max=1000, help="Speed of the sandbox's clock.")
    ] = 1.0,
    attentive: Annotated[
        float | None,
        typer.Option(
            "--attentive",
            metavar="SECONDS",
            min=0,
            help="Simulate an engineer who does the device tasks of step 10, each after this time.",
        ),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(
            "--policy",
            metavar="FILE",
            help="IAM policy, as iam-policy prints it: refuse every call that it does not allow.",
        ),
    ] = None,
) -> None:
    """Serve a simulated EC2 API on loopback until interrupted.

    Works with any client: set the printed variables in the client's environment.  Signatures are
    not checked: AWS_ACCESS_KEY_ID=SANDBOX_BOB makes you the user bob.  With VPNMIGRATE_CLOCK this
    program uses the sandbox's clock.  With --account it also answers AssumeRole and ListAccounts.
    All content is lost when the sandbox stops.
    """
    name = _one_scenario(scenario or [DEFAULT_SCENARIO])
    astray = tuple(name for name in results.ASTRAY if name in os.environ)
    allowed = None if policy is None else policy_from(json_document(policy), str(policy))
    served = ServedSandbox(name, _accounts(account or ()), speed, attentive, allowed)
    with serve_world(served, port=port) as server:
        environment = {**server.environment, CLOCK_VARIABLE: server.url}
        output = results.ServerResult(name, server.url, environment, astray)
        results_output(printing).print(results.sandbox_text(output), results.sandbox_json(output))
        server.wait()


def _one_scenario(given: Sequence[str]) -> str:
    """Return the only scenario.

    Raises:
        UsageError: There are several; a sandbox serves one account.
    """
    if len(given) > 1:
        raise UsageError(
            f"--scenario is given {len(given)} times: {', '.join(given)}",
            advice="give one, and put the files of one account into one folder; --account adds "
            "other accounts and Regions",
        )
    return given[0]


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
        help="The URL of the sandbox.",
    ),
]


def device(
    turn: Annotated[
        TunnelAction, typer.Argument(show_default=False, help="How to change the tunnels.")
    ],
    connection: Annotated[
        str, typer.Argument(metavar="CONNECTION", show_default=False, help="vpn-...")
    ],
    printing: OutputOptions,
    endpoint_url: EndpointUrl = None,
) -> None:
    """Enable or disable tunnels on the device of a served sandbox.

    Simulates the engineer at the router.  With one-tunnel the router runs only the first tunnel.
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
    span: Annotated[
        str, typer.Argument(metavar="TIME", show_default=False, help="For example 3h.")
    ],
    printing: OutputOptions,
    endpoint_url: EndpointUrl = None,
) -> None:
    """Move the clock of a served sandbox forward.

    Clients with VPNMIGRATE_CLOCK follow immediately.
    """
    wanted = duration_from(span)
    if wanted is None:
        raise UsageError(
            f"{span!r} is not a duration", advice="give number and unit, for example 15m or 1h30m"
        )
    time = control(endpoint_url).advance(wanted)
    document = {"schema": "vpnmigrate/advance/1", "time": time.isoformat()}
    results_output(printing).print(f"the sandbox's time is {moment(time)}", document)


def load(name_or_path: str) -> Scenario:
    """Load a scenario by name or file, a plan's survey, or saved describe output.

    Raises:
        UsageError: There is no such scenario or file.
        MalformedFileError: The file is none of these, or is invalid.
    """
    path = Path(name_or_path)
    if path.is_dir():
        return _described(path)
    if path.suffix != ".json" or name_or_path in SCENARIOS.names:
        found = scenario_text(name_or_path)
        return scenario_from_text(found.text, found.name)
    if _is_plan(path):
        return scenario_from_survey(read_plan(path).before, name_or_path)
    return _described(path)


DESCRIBED = {
    "VpnGateways": "vpn-gateways",
    "VpnConnections": "vpn-connections",
    "CustomerGateways": "customer-gateways",
    "Vpcs": "vpcs",
    "RouteTables": "route-tables",
}
"""Members that the output has to have, and the ending of the command that prints each."""


def _described(path: Path) -> Scenario:
    """Return the scenario of saved output in the file or folder *path*.

    Raises:
        MalformedFileError: It is not the output of describe commands, or incomplete.
    """
    documents = describe_documents(path)
    if missing := [member for member in DESCRIBED if member not in documents]:
        commands = ", ".join(f"aws ec2 describe-{DESCRIBED[member]}" for member in missing)
        raise MalformedFileError(
            f"{path}: no {', '.join(missing)} in it, so the account would be incomplete",
            advice=f"save the output of {commands} there, as one .json file each",
        )
    return scenario_from_describe(documents, str(path))


OWNERS = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")
"""Environment variables that select the operator's own accounts."""


@dataclass(frozen=True)
class OtherAccount:
    """A scenario in another account, or another Region of the first one."""

    account: str
    region: str
    name_or_path: str

    def scenario(self) -> Scenario:
        """Return the scenario in its account; one that comes with the program gets other ids."""
        found = load(self.name_or_path)
        if self.name_or_path in SCENARIOS.names:
            return in_account(found, self.account, self.region)
        return replace(found, account=self.account, region=self.region)


_OTHER = re.compile(r"(\d{12})/([a-z]{2,5}(?:-[a-z]+)+-\d+)=(.+)")


def _accounts(given: Sequence[str]) -> tuple[OtherAccount, ...]:
    """Return the other accounts of the command line.

    Raises:
        UsageError: One is not an account, a Region and a scenario, or a place is given twice.
    """
    found: dict[tuple[str, str], OtherAccount] = {}
    for word in given:
        parts = _OTHER.fullmatch(word)
        if parts is None:
            raise UsageError(
                f"--account {word!r} is not ACCOUNT/REGION=SCENARIO",
                advice="for example 222222222222/eu-west-1=single-bgp",
            )
        account, region, name = parts.groups()
        if (account, region) in found:
            raise UsageError(f"--account names {account} in {region} twice", advice="give it once")
        found[account, region] = OtherAccount(account, region, name)
    return tuple(found.values())


@dataclass(frozen=True)
class ServedSandbox:
    """What a sandbox serves, and how; its clock runs *speed* times as fast as the machine's."""

    name_or_path: str
    others: tuple[OtherAccount, ...] = ()
    speed: float = 1.0
    attentive: float | None = None
    policy: Policy | None = None


@contextmanager
def serve_world(served: ServedSandbox, *, port: int) -> Iterator[Server]:
    """Serve the worlds of *served*.

    Raises:
        UsageError: There is no such scenario, or the port cannot be opened.
    """
    clock = ScaledClock(served.speed)
    world = load_world(load(served.name_or_path), clock)
    others = [load_world(other.scenario(), clock) for other in served.others]
    if any((o.account, o.region) == (world.account, world.region) for o in served.others):
        raise UsageError(
            f"--account names {world.account} in {world.region}, which --scenario is in",
            advice="leave one of them out",
        )
    robot = None if served.attentive is None else timedelta(seconds=served.attentive)
    logging.getLogger("vpnmigrate.sandbox").addHandler(Keeping(("sandbox", "serve")))
    with _without_profiles():
        from vpnmigrate.sandbox.server.serve import serve

        with serve(
            world, port=port, attentive=robot, policy=served.policy, others=others
        ) as server:
            yield server


@contextmanager
def _without_profiles() -> Iterator[None]:
    """Hide the operator's profiles: moto creates sessions, and fails if a profile is missing."""
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
    """Return the control client of the sandbox at *endpoint_url*.

    Raises:
        UsageError: No sandbox is named.
    """
    if endpoint_url is None:
        raise UsageError(
            "no sandbox is named",
            advice="give --endpoint-url, or set AWS_ENDPOINT_URL as sandbox serve prints it",
        )
    return ControlClient(endpoint_url)


def _is_plan(path: Path) -> bool:
    """Return whether the file is a plan; if it is invalid, the reader of the file reports that."""
    try:
        return "fingerprint" in json.loads(path.read_bytes())
    except (OSError, ValueError, TypeError):
        return False
