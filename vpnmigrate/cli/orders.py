"""Orders for a run from another terminal: ``pause``, ``continue``, ``abort`` and ``confirm``."""

from typing import Annotated

import typer

from vpnmigrate.cli.flags import Home, Printing
from vpnmigrate.cli.subjects import RunId


def pause(context: typer.Context, run: RunId, home: Home, printing: Printing) -> None:
    """Let a run rest at its next safe point.

    It starts nothing new until continue, whichever process has it in hand.  In the cutover, while
    traffic hangs on the run, this is refused: abort turns back.
    """
    _order(context, run, home, printing, "pause")


def continue_(
    context: typer.Context,
    run: RunId,
    home: Home,
    printing: Printing,
    accept_degraded: Annotated[
        list[str] | None,
        typer.Option(
            "--accept-degraded",
            metavar="vpn-...",
            show_default=False,
            help="Be content with fewer tunnels of it than before; once for each, with --reason.",
        ),
    ] = None,
    reason: Annotated[
        list[str] | None,
        typer.Option("--reason", metavar="TEXT", show_default=False, help="Why; kept for good."),
    ] = None,
) -> None:
    """Let a paused run go on.

    It looks for drift again before it does anything.  Takes an abort back as well, if the run has
    not turned back yet; and it answers a run that asks, past its back-out deadline, whether to go
    on.

    With --accept-degraded it does nothing of that, but lets the cutover be green although a
    connection has fewer tunnels than before, where those are all that is lacking.
    """
    if accept_degraded is None and reason is None:
        _order(context, run, home, printing, "continue")
        return
    from vpnmigrate.cli.desk import desk_of
    from vpnmigrate.cli.ordering import accept
    from vpnmigrate.report import results

    desk = desk_of(context, home, printing)
    given = accept(desk, run, accept_degraded or (), reason or ())
    desk.results.give(results.order_text(given), results.order_json(given))


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
    from vpnmigrate.journal.records import Verb
    from vpnmigrate.report import results

    desk = desk_of(context, home, printing)
    given = give(desk, run, Verb(verb))
    desk.results.give(results.order_text(given), results.order_json(given))
