"""Commands of a fleet in a database: starts and orders from any machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vpnmigrate.cli.context import CommandContext, command_context
from vpnmigrate.cli.fleet_database import DatabaseOptions, fleet_database
from vpnmigrate.cli.options import OutputOptions, RunDirectoryOptions

if TYPE_CHECKING:
    from vpnmigrate.cli.fleet_runs import FleetControl

FleetRunId = Annotated[
    str, typer.Argument(metavar="RUN", show_default=False, help="The id of a run.")
]
OneRun = Annotated[
    str | None,
    typer.Argument(
        metavar="[RUN]", show_default=False, help="The id of a run. Default: the whole fleet."
    ),
]


@contextmanager
def _control(
    ctx: typer.Context, place: DatabaseOptions, printing: OutputOptions
) -> Iterator[tuple[CommandContext, FleetControl]]:
    context = command_context(ctx, RunDirectoryOptions(), printing)
    with fleet_database(place, context.redaction) as database:
        from vpnmigrate.cli.fleet_runs import FleetControl

        yield context, FleetControl(context, database)


def start(
    ctx: typer.Context,
    plans: Annotated[
        list[str],
        typer.Argument(
            metavar="CAMPAIGN|PLAN|RUN...",
            show_default=False,
            help="A campaign file, whose rules decide when its members start; or plan files, or "
            "ids of known runs, which start at once.",
        ),
    ],
    place: DatabaseOptions,
    printing: OutputOptions,
    prepare: Annotated[
        bool,
        typer.Option("--prepare", help="Do what interrupts nothing; the cutover needs a start."),
    ] = False,
) -> None:
    """Start runs of plans on the workers, or continue runs that wait for an operator.

    Who starts a run consents to the interruption of its traffic, once its gates are open.
    """
    with _control(ctx, place, printing) as (context, control):
        started = control.start(plans, prepare=prepare)
        text = "\n".join(f"{run}: workers take it up" for run in started)
        context.results.print(text, {"schema": "vpnmigrate/fleet-start/1", "runs": list(started)})


def pause(
    ctx: typer.Context, place: DatabaseOptions, printing: OutputOptions, run: OneRun = None
) -> None:
    """Start no further run of the fleet, or pause one run at its next safe point.

    Runs that have started go on to their end.  During the cutover, while traffic is interrupted, a
    pause of one run is refused; use abort to roll back.
    """
    _state_or_order(ctx, place, printing, run, "paused", "pause")


def resume(
    ctx: typer.Context, place: DatabaseOptions, printing: OutputOptions, run: OneRun = None
) -> None:
    """End a pause or a stop of the fleet, or the pause of one run."""
    _state_or_order(ctx, place, printing, run, "running", "continue")


def stop(ctx: typer.Context, place: DatabaseOptions, printing: OutputOptions) -> None:
    """Stop all runs of the fleet at their next safe point where traffic flows.

    A cutover that was begun is completed, and so is a rollback.  Resume ends the stop.
    """
    _state_or_order(ctx, place, printing, None, "stopped", "")


def abort(
    ctx: typer.Context, run: FleetRunId, place: DatabaseOptions, printing: OutputOptions
) -> None:
    """Abort a run: before the cutover it stops, during the cutover it is rolled back."""
    _state_or_order(ctx, place, printing, run, "", "abort")


def confirm(
    ctx: typer.Context, run: FleetRunId, place: DatabaseOptions, printing: OutputOptions
) -> None:
    """Confirm a migration, so that it is not rolled back automatically."""
    _state_or_order(ctx, place, printing, run, "", "confirm")


def _state_or_order(
    ctx: typer.Context,
    place: DatabaseOptions,
    printing: OutputOptions,
    run: str | None,
    state: str,
    verb: str,
) -> None:
    from vpnmigrate.journal.records import OrderVerb
    from vpnmigrate.report import results

    with _control(ctx, place, printing) as (context, control):
        if run is not None:
            given = control.order(run, OrderVerb(verb))
            context.results.print(results.order_text(given), results.order_json(given))
            return
        from vpnmigrate.fleet.database.schema import FleetState

        control.set_state(FleetState(state))
        document = {"schema": "vpnmigrate/fleet-state/1", "state": state}
        context.results.print(f"The fleet is {state}.", document)


def done(
    ctx: typer.Context,
    run: FleetRunId,
    step: Annotated[
        int,
        typer.Argument(metavar="STEP", show_default=False, help="The step whose task is done."),
    ],
    place: DatabaseOptions,
    printing: OutputOptions,
    connection: Annotated[
        list[str] | None,
        typer.Option(
            "--connection",
            metavar="SITE",
            help="Only at the device of this site or connection id. Repeatable.",
        ),
    ] = None,
) -> None:
    """Report that the task of a step is done, at all devices or at one.

    A worker takes the run up at once, when the task is done at every device.
    """
    from vpnmigrate.report import results

    with _control(ctx, place, printing) as (context, control):
        view, task, at = control.done(run, step, connection or ())
        context.results.print(results.done_text(view, task, at), results.done_json(view, task, at))


def approve(
    ctx: typer.Context,
    run: FleetRunId,
    approval: Annotated[
        Path,
        typer.Argument(
            metavar="APPROVAL", show_default=False, help="A file that approve has written."
        ),
    ],
    place: DatabaseOptions,
    printing: OutputOptions,
) -> None:
    """Add the approval in a file, with the signature beside it, to a run.

    The worker checks it before the cutover, as apply --approval does.
    """
    with _control(ctx, place, printing) as (context, control):
        who = control.approve(run, approval)
        document = {"schema": "vpnmigrate/fleet-approve/1", "run": run, "approver": who}
        context.results.print(f"{run}: approved by {who}", document)
