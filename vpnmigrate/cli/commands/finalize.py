"""Command ``finalize``."""

from typing import Annotated

import typer

from vpnmigrate.cli.context import desk_of
from vpnmigrate.cli.gate_options import brought_to
from vpnmigrate.cli.options import Asking, AtGates, Aws, Home, Printing, RunId, TakeOver
from vpnmigrate.model.gates import Milestone
from vpnmigrate.report import results


def finalize(
    context: typer.Context,
    run: RunId,
    aws: Aws,
    home: Home,
    gates: AtGates,
    printing: Printing,
    confirm: Annotated[
        list[str] | None,
        typer.Option(
            "--confirm",
            metavar="vpn-...",
            show_default=False,
            help="A connection it will delete; once for each of them.",
        ),
    ] = None,
    delete_old_gateway: Annotated[
        bool, typer.Option("--delete-old-gateway", help="Delete the old gateway too.")
    ] = False,
    no_input: Annotated[
        bool,
        typer.Option("--no-input", help="Never read stdin; finalize never does anyway."),
    ] = False,
    take_over: TakeOver = None,
) -> None:
    """Delete the old connections of a verified migration.

    There is no way back.  Every connection has to be named, and nothing else covers that.
    """
    from vpnmigrate.cli import run_actions
    from vpnmigrate.cli.run_session import Terms

    desk = desk_of(context, home, printing)
    brought = brought_to(Milestone.FINALIZE, gates)
    del no_input  # every connection is named on the command line, so there is nothing to ask
    terms = Terms(aws, Asking(no_input=True), take_over, brought)
    named = tuple(confirm or ())
    stands = run_actions.retire(desk, run, terms, named, delete_old_gateway=delete_old_gateway)
    desk.results.give(results.outcome_text(stands), results.outcome_json(stands))
