"""``vpnmigrate approve``."""

from pathlib import Path
from typing import Annotated

import typer

from vpnmigrate.cli.flags import Asking, Aws, Home, Printing
from vpnmigrate.cli.subjects import PlanFile


def approve(
    context: typer.Context,
    plan: PlanFile,
    aws: Aws,
    asking: Asking,
    printing: Printing,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to write it; approval-<...>.json."
        ),
    ] = None,
) -> None:
    """Approve a plan as it is, for whoever carries it out.

    Writes a small file that can be mailed and that apply takes with --approval.  It names you as
    STS and this machine know you.  It is not signed: it shows slips, and stops nobody who forges.
    """
    from vpnmigrate.cli.approving import give
    from vpnmigrate.cli.desk import desk_of
    from vpnmigrate.commands import cli, option
    from vpnmigrate.report import results as view

    desk = desk_of(context, Home(), printing)
    given, file = give(desk, aws, asking, plan, output)
    named = desk.file(file)
    on = cli("apply", desk.file(plan), *option("--approval", named))
    on = desk.invocation.complete(on)
    desk.results.give(
        view.approval_text(given, file=str(file), on=on),
        view.approval_json(given, file=str(file), on=on),
    )
