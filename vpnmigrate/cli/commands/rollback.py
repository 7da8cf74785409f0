"""Command ``rollback``."""

from typing import Annotated

import typer

from vpnmigrate.cli.context import desk_of
from vpnmigrate.cli.options import Adopt, Asking, Aws, Home, PlanOrRun, Printing, TakeOver
from vpnmigrate.report import results


def rollback(
    context: typer.Context,
    subject: PlanOrRun,
    aws: Aws,
    home: Home,
    asking: Asking,
    printing: Printing,
    keep_new: Annotated[
        bool,
        typer.Option("--keep-new", help="Keep the new gateway and connections for a later retry."),
    ] = False,
    take_over: TakeOver = None,
    adopt: Adopt = None,
) -> None:
    """Bring back what was there before.

    From any point before finalize: connectivity first, then what the run made is removed.
    """
    from vpnmigrate.cli import run_actions
    from vpnmigrate.cli.run_session import Terms, named

    desk = desk_of(context, home, printing)
    terms = Terms(aws, asking, take_over, adopt=named(adopt))
    stands = run_actions.back(desk, subject, terms, keep_new=keep_new)
    desk.results.give(results.outcome_text(stands), results.outcome_json(stands))
