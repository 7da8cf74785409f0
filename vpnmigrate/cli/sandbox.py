"""``vpnmigrate sandbox``: serve, scenarios, device."""

from enum import StrEnum
from typing import Annotated

import typer

from vpnmigrate.cli.flags import Printing


class Turn(StrEnum):
    """What can be done to the tunnels of a sandbox's device."""

    ENABLE = "enable"
    DISABLE = "disable"
    ONE_TUNNEL = "one-tunnel"

    @property
    def done(self) -> str:
        """Say what the tunnels are afterwards."""
        return "one of two enabled" if self is Turn.ONE_TUNNEL else f"{self.value}d"


DEFAULT_SCENARIO = "three-connections"


def serve(
    printing: Printing,
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
    import os

    from vpnmigrate.cli import worlds
    from vpnmigrate.cli.desk import results_of
    from vpnmigrate.local.settings import CLOCK_VARIABLE
    from vpnmigrate.report import results

    astray = tuple(name for name in results.ASTRAY if name in os.environ)
    with worlds.served(scenario, port=port, speed=speed, attentive=attentive) as server:
        environment = {**server.environment, CLOCK_VARIABLE: server.url}
        told = results.Served(scenario, server.url, environment, astray)
        results_of(printing).give(results.sandbox_text(told), results.sandbox_json(told))
        server.wait()


def scenarios(printing: Printing) -> None:
    """List the scenarios that come with the program."""
    from vpnmigrate.cli import worlds
    from vpnmigrate.cli.desk import results_of
    from vpnmigrate.report import results

    named = worlds.titles()
    results_of(printing).give(results.listing_text(named), results.listing_json("scenarios", named))


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
    turn: Annotated[Turn, typer.Argument(show_default=False, help="What to do to its tunnels.")],
    connection: Annotated[
        str, typer.Argument(metavar="CONNECTION", show_default=False, help="vpn-...")
    ],
    printing: Printing,
    endpoint_url: EndpointUrl = None,
) -> None:
    """Enable or disable tunnels on a served sandbox's device.

    It is what an engineer would do at the router; one-tunnel is a router
    that can run only the first.
    """
    from vpnmigrate.cli import worlds
    from vpnmigrate.cli.desk import results_of

    sandbox = worlds.control(endpoint_url)
    match turn:
        case Turn.ENABLE:
            sandbox.enable(connection)
        case Turn.DISABLE:
            sandbox.disable(connection)
        case Turn.ONE_TUNNEL:
            sandbox.one_tunnel(connection)
    document = {"schema": "vpnmigrate/device/1", "connection": connection, "tunnels": turn.value}
    results_of(printing).give(f"tunnels of {connection}: {turn.done}", document)


def advance(
    span: Annotated[str, typer.Argument(metavar="TIME", show_default=False, help="Such as 3h.")],
    printing: Printing,
    endpoint_url: EndpointUrl = None,
) -> None:
    """Put a served sandbox's clock forward.

    Whoever lives in its time, as with VPNMIGRATE_CLOCK, is there at once.
    """
    from vpnmigrate.cli import worlds
    from vpnmigrate.cli.desk import results_of
    from vpnmigrate.errors import UsageError
    from vpnmigrate.model.clock import moment
    from vpnmigrate.planning.playbook import duration_from

    wanted = duration_from(span)
    if wanted is None:
        raise UsageError(f"{span!r} is no length of time", advice="write 15m, or 1h30m")
    time = worlds.control(endpoint_url).advance(wanted)
    document = {"schema": "vpnmigrate/advance/1", "time": time.isoformat()}
    results_of(printing).give(f"the sandbox's time is {moment(time)}", document)
