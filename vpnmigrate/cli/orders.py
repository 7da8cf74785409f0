"""Orders for a run from another terminal: ``pause``, ``continue``, ``abort`` and ``confirm``."""

import typer

from vpnmigrate.cli.flags import Home, Printing
from vpnmigrate.cli.subjects import RunId


def pause(context: typer.Context, run: RunId, home: Home, printing: Printing) -> None:
    """Let a run rest at its next safe point.

    It starts nothing new until continue, whichever process has it in hand.  In the cutover, while
    traffic hangs on the run, this is refused: abort turns back.
    """
    _order(context, run, home, printing, "pause")


def continue_(context: typer.Context, run: RunId, home: Home, printing: Printing) -> None:
    """Let a paused run go on.

    It looks for drift again before it does anything.  Takes an abort back as well, if the run has
    not turned back yet; and it answers a run that asks, past its back-out deadline, whether to go
    on.
    """
    _order(context, run, home, printing, "continue")


def abort(context: typer.Context, run: RunId, home: Home, printing: Printing) -> None:
    """Give a migration up while its process is at work.

    Before the cutover the process stops at its next safe point, and nothing was interrupted.  In
    the cutover it turns back there, and keeps the new side for another attempt.
    """
    _order(context, run, home, printing, "abort")


def confirm(context: typer.Context, run: RunId, home: Home, printing: Printing) -> None:
    """Confirm a migration that would go back by itself.

    What apply --confirm-within waits for.  It counts until the way back has begun, and is refused
    as too late from then on.
    """
    _order(context, run, home, printing, "confirm")


def _order(context: typer.Context, run: str, home: Home, printing: Printing, verb: str) -> None:
    from vpnmigrate.cli.desk import desk_of
    from vpnmigrate.cli.ordering import give
    from vpnmigrate.report import ordered
    from vpnmigrate.spoken import Verb

    desk = desk_of(context, home, printing)
    given = give(desk, run, Verb(verb))
    desk.results.give(ordered.text(given), ordered.as_json(given))
