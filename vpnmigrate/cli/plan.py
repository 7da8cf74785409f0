"""``vpnmigrate plan``."""

from pathlib import Path
from typing import Annotated

import typer

from vpnmigrate.cli.completion import runs
from vpnmigrate.cli.flags import Aws, Home, Printing


def plan(
    context: typer.Context,
    aws: Aws,
    home: Home,
    printing: Printing,
    vpn_gateway: Annotated[
        str | None,
        typer.Option("--vpn-gateway", metavar="vgw-...", help="The gateway to replace."),
    ] = None,
    vpn_connection: Annotated[
        str | None,
        typer.Option("--vpn-connection", metavar="vpn-...", help="Any connection on it."),
    ] = None,
    playbook: Annotated[
        str | None,
        typer.Option(
            "--playbook", metavar="NAME|FILE", help="A ready set of decisions; see playbook list."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to write it; plan-<migration>.json."
        ),
    ] = None,
    change: Annotated[
        str | None,
        typer.Option(
            "--change", metavar="NUMBER", help="The change board's number, kept everywhere."
        ),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(
            "--window",
            metavar="START/END",
            help="When step 7 may begin: '2026-11-28T02:00/04:00 Europe/Berlin'.",
        ),
    ] = None,
    from_run: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="RUN",
            autocompletion=runs,
            help="Plan again for a run that is held, and keep what it has built.",
        ),
    ] = None,
) -> None:
    """Survey an account and write a plan.

    Checks what could forbid the migration and makes no call that changes anything.  Name the
    gateway, or a connection on it, or a run.
    """
    from vpnmigrate.cli.desk import desk_of
    from vpnmigrate.cli.planning import About, Chosen, make
    from vpnmigrate.report import plan as view

    desk = desk_of(context, home, printing)
    about = About(gateway=vpn_gateway, connection=vpn_connection, run=from_run)
    made, proof, file = make(desk, aws, about, Chosen(playbook, change, window), output=output)
    named, on = desk.file(file), desk.invocation
    desk.results.give(
        view.text(made, proof, file=named, invocation=on),
        view.as_json(made, proof, file=named, invocation=on),
    )
