"""``vpnmigrate watchdog``."""

import typer

from vpnmigrate.cli.flags import Aws, Home, Printing
from vpnmigrate.cli.subjects import RunId


def watchdog(context: typer.Context, run: RunId, aws: Aws, home: Home, printing: Printing) -> None:
    """Roll a run back if nobody confirms it in time.

    What apply --confirm-within starts in a process of its own; not for the hand.  It only reads
    the journal until that time has passed.
    """
    from vpnmigrate.cli.desk import desk_of
    from vpnmigrate.cli.guarding import guard
    from vpnmigrate.report import results

    desk = desk_of(context, home, printing)
    stands = guard(desk, run, aws)
    desk.results.give(results.outcome_text(stands), results.outcome_json(stands))
