"""Commands of a fleet in a database: starts and orders from any machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from vpnmigrate.cli.context import CommandContext, command_context
from vpnmigrate.cli.fleet_database import DatabaseOptions, fleet_database
from vpnmigrate.cli.gate_options import gate_options
from vpnmigrate.cli.options import (
    AcceptDegraded,
    AcceptReason,
    AtSites,
    ConfirmWithin,
    DeleteOldGateway,
    ExtraProbes,
    FinalizeNames,
    GateOptions,
    KeepNew,
    NoProbesOption,
    OutputOptions,
    PromptOptions,
    RunDirectoryOptions,
    TaskStep,
)
from vpnmigrate.model.errors import Exit, UsageError
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.model.gates import Milestone
from vpnmigrate.report import results
from vpnmigrate.report.results import AfterOrder
from vpnmigrate.report.text import advised, count, wrapped

if TYPE_CHECKING:
    from vpnmigrate.cli.fleet_control import FleetControl
    from vpnmigrate.report.fleet_waves import WaveOrders

FleetRunId = Annotated[
    str, typer.Argument(metavar="RUN", show_default=False, help="The id of a run.")
]
RunOrCampaign = Annotated[
    str,
    typer.Argument(
        metavar="RUN|CAMPAIGN",
        show_default=False,
        help="The id of a run; or with --wave a campaign: its file or its name.",
    ),
]
WaveName = Annotated[
    str | None,
    typer.Option(
        "--wave", metavar="WAVE", show_default=False, help="All members of this wave of a campaign."
    ),
]
Withdraw = Annotated[
    bool,
    typer.Option("--withdraw", help="With --wave: withdraw its orders that wait for a slot."),
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
        from vpnmigrate.cli.fleet_control import FleetControl

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
    gates: GateOptions,
    printing: OutputOptions,
    prepare: Annotated[
        bool,
        typer.Option(
            "--prepare",
            help="Do only the steps before the outage; the cutover needs another start.",
        ),
    ] = False,
    probe: ExtraProbes = None,
    no_probes: NoProbesOption = False,
    confirm_within: ConfirmWithin = None,
) -> None:
    """Start runs of plans on the workers, or continue runs that wait for an operator.

    With a start you consent to the interruption of traffic, once the gates are open.  After a
    rollback, a start begins another attempt.  A campaign that was started is replaced by its edited
    file, as far as it has not begun.  Approvals, forced gates and probes are those of one run.
    """
    from vpnmigrate.cli.fleet_control import starts_campaign
    from vpnmigrate.cli.run_session import probes_of
    from vpnmigrate.fleet.database.schema import RunGoal
    from vpnmigrate.fleet.run_terms import RunTerms
    from vpnmigrate.local.watchdog_process import parse_duration

    given = gate_options(Milestone.CUTOVER, gates)
    probes = probes_of(probe or (), none=no_probes)
    terms = RunTerms(
        forces=given.forces, probes=probes, confirm_within=parse_duration(confirm_within)
    )
    goal = RunGoal.PREPARE if prepare else RunGoal.CUTOVER
    with _control(ctx, place, printing) as (context, control):
        if given.approvals or given.forces or probes != ():
            control.require_one(plans)
        started = control.start(plans, goal, terms)
        for approval in given.approvals:
            control.approve(started[0], approval.path)
        lines = [f"{run}: workers run it" for run in started]
        shown = started if len(started) == 1 else ()
        if starts_campaign(plans):
            lines = [f"{plans[0]}: workers start its {count(len(started), 'member')} by its rules"]
            shown = (context.file(Path(plans[0])),)
        document = {"schema": "vpnmigrate/fleet-start/1", "runs": list(started)}
        _print_ordered(context, control, lines, document, *shown)


def rollback(
    ctx: typer.Context,
    run: RunOrCampaign,
    place: DatabaseOptions,
    prompt_options: PromptOptions,
    printing: OutputOptions,
    keep_new: KeepNew = False,
    wave: WaveName = None,
    withdraw: Withdraw = False,
) -> None:
    """Order the rollback of a run or of a wave, also after its migration.

    Possible at any point before finalize.  While a worker migrates a run, use abort.  For a wave,
    all members are shown and you are asked once.  A member begins when a slot is free, by the
    limits of the campaign and one path of a site at a time; a member that holds a slot begins at
    once.  Windows, freezes and the error budget do not delay a rollback.  A member that is refused
    is listed, and the exit code is 1.
    """
    with _control(ctx, place, printing) as (context, control):
        if wave is not None:
            waves = control.waves
            if withdraw:
                found = waves.withdraw(run, wave, "rollback")
            else:
                found = waves.roll_back(run, wave, prompt_options, keep_new=keep_new)
            _print_wave(context, control, found, "vpnmigrate/fleet-rollback/1")
            return
        _require_wave(withdraw=withdraw)
        control.roll_back(run, prompt_options, keep_new=keep_new)
        document = {"schema": "vpnmigrate/fleet-rollback/1", "run": run}
        _print_ordered(context, control, [f"{run}: workers roll it back"], document, run)


def finalize(
    ctx: typer.Context,
    run: RunOrCampaign,
    place: DatabaseOptions,
    gates: GateOptions,
    printing: OutputOptions,
    confirm: FinalizeNames = None,
    delete_old_gateway: DeleteOldGateway = False,
    wave: WaveName = None,
    withdraw: Withdraw = False,
) -> None:
    """Order the deletion of the old connections of a verified migration or a wave.

    Rollback is not possible afterwards.  Every old connection has to be named with --confirm; no
    other option replaces that.  The gates before it are evaluated by the worker.  The members of a
    wave begin as slots get free.  If one is refused, it is listed and the exit code is 1.
    """
    given = gate_options(Milestone.FINALIZE, gates)
    with _control(ctx, place, printing) as (context, control):
        if wave is not None:
            if given.approvals or given.forces:
                raise UsageError(
                    "approvals and forced gates are for one run",
                    advice="finalize the others without these options",
                )
            waves = control.waves
            if withdraw:
                found = waves.withdraw(run, wave, "finalize")
            else:
                found = waves.finalize(
                    run, wave, confirm or (), delete_old_gateway=delete_old_gateway
                )
            _print_wave(context, control, found, "vpnmigrate/fleet-finalize/1")
            return
        _require_wave(withdraw=withdraw)
        control.finalize(run, confirm or (), given.forces, delete_old_gateway=delete_old_gateway)
        for approval in given.approvals:
            control.approve(run, approval.path)
        document = {"schema": "vpnmigrate/fleet-finalize/1", "run": run}
        lines = [f"{run}: workers finalize it once its gates are open"]
        _print_ordered(context, control, lines, document, run)


def _require_wave(*, withdraw: bool) -> None:
    if withdraw:
        raise UsageError(
            "--withdraw is for the orders of a wave: name a campaign and its --wave",
            advice="an order for one run begins at once: abort ends it where that is possible",
        )


def _print_wave(
    context: CommandContext, control: FleetControl, found: WaveOrders, schema: str
) -> None:
    """Print the result of an order for a wave.

    Raises:
        Exit: The order was refused for a member.
    """
    from vpnmigrate.report.fleet_waves import WaveResult, wave_json, wave_text

    after = AfterOrder(
        control.obstacles() if found.ordered else (),
        context.invocation.complete(cli("fleet", "status", found.campaign)),
    )
    invocation = context.invocation
    context.results.print(
        wave_text(found, after, invocation), wave_json(schema, found, after, invocation)
    )
    if found.of(WaveResult.REFUSED):
        raise typer.Exit(Exit.FAILED)


def _print_ordered(
    context: CommandContext,
    control: FleetControl,
    lines: list[str],
    document: dict[str, Any],
    *shown: str,
) -> None:
    """Print what was ordered, why no worker begins it now, and how to observe what is *shown*."""
    observe = context.invocation.complete(cli("fleet", "status", *shown))
    after = AfterOrder(control.obstacles(), observe)
    context.results.print("\n".join([*lines, after.text()]), {**document, **after.fields()})


def pause(
    ctx: typer.Context, place: DatabaseOptions, printing: OutputOptions, run: OneRun = None
) -> None:
    """Start no further run of the fleet, or pause one run at its next safe point.

    Runs that have started continue to their end.  During the cutover, while traffic is interrupted,
    a pause of one run is refused; use abort to roll back.
    """
    if run is None:
        _set_state(ctx, place, printing, "paused")
    else:
        _order(ctx, place, printing, run, "pause")


def resume(
    ctx: typer.Context,
    place: DatabaseOptions,
    printing: OutputOptions,
    run: OneRun = None,
    accept_degraded: AcceptDegraded = None,
    reason: AcceptReason = None,
) -> None:
    """End a pause or a stop of the fleet, or the pause of one run.

    With --accept-degraded it does none of that: the cutover of one run may count as stable although
    a connection has fewer tunnels than before, if nothing else is missing.
    """
    accepts = accept_degraded is not None or reason is not None
    if run is None:
        if accepts:
            raise UsageError("--accept-degraded is for one run", advice=cli("fleet", "status"))
        _set_state(ctx, place, printing, "running")
    elif accepts:
        with _control(ctx, place, printing) as (context, control):
            given = control.accept(run, accept_degraded or (), reason or ())
            context.results.print(results.order_text(given), results.order_json(given))
    else:
        _order(ctx, place, printing, run, "continue")


def stop(ctx: typer.Context, place: DatabaseOptions, printing: OutputOptions) -> None:
    """Stop all runs of the fleet at their next safe point where traffic flows.

    A cutover that was begun is completed, and so is a rollback.  Resume ends the stop.
    """
    _set_state(ctx, place, printing, "stopped")


def abort(
    ctx: typer.Context, run: FleetRunId, place: DatabaseOptions, printing: OutputOptions
) -> None:
    """Abort a run: before the cutover it stops, during the cutover it is rolled back."""
    _order(ctx, place, printing, run, "abort")


def confirm(
    ctx: typer.Context, run: FleetRunId, place: DatabaseOptions, printing: OutputOptions
) -> None:
    """Confirm a migration, so that it is not rolled back automatically."""
    _order(ctx, place, printing, run, "confirm")


def _order(
    ctx: typer.Context, place: DatabaseOptions, printing: OutputOptions, run: str, verb: str
) -> None:
    from vpnmigrate.journal.records import OrderVerb

    with _control(ctx, place, printing) as (context, control):
        given = control.order(run, OrderVerb(verb))
        note = control.obstacles() if given.answer is None else ()
        text = "\n".join([results.order_text(given), *filter(None, [advised(note)])])
        context.results.print(text, results.order_json(given))


def _set_state(
    ctx: typer.Context, place: DatabaseOptions, printing: OutputOptions, state: str
) -> None:
    with _control(ctx, place, printing) as (context, control):
        from vpnmigrate.fleet.database.schema import FleetState

        control.set_state(FleetState(state))
        document = {"schema": "vpnmigrate/fleet-state/1", "state": state}
        lines = [wrapped(f"The fleet is {state}: {_EFFECTS[state]}")]
        if FleetState(state) is not FleetState.RUNNING:
            resume_it = context.invocation.complete(cli("fleet", "resume"))
            lines.append(advised(("to end that:", resume_it), first="  "))
        context.results.print("\n".join(lines), document)


_EFFECTS: Final = {
    "running": "workers begin runs by the rules, and continue those that wait.",
    "paused": "no further run begins; those that have begun continue to their end.",
    "stopped": "each run stops at its next safe point where traffic flows; a cutover or a rollback "
    "that has begun is completed first.",
}
"""What an order to the whole fleet does, by the state that it sets."""


def done(
    ctx: typer.Context,
    run: FleetRunId,
    step: TaskStep,
    place: DatabaseOptions,
    printing: OutputOptions,
    connection: AtSites = None,
) -> None:
    """Report that the task of a step is done, at all devices or at one.

    When the task is done at every device, a worker resumes the run at once.
    """
    with _control(ctx, place, printing) as (context, control):
        view, task, at = control.done(run, step, connection or ())
        text = results.done_text(view, task, at, "A worker continues the run now.")
        _print_ordered(context, control, [text], results.done_json(view, task, at), run)


def approve(
    ctx: typer.Context,
    named: RunOrCampaign,
    place: DatabaseOptions,
    printing: OutputOptions,
    approval: Annotated[
        Path | None,
        typer.Argument(
            metavar="[APPROVAL]", show_default=False, help="A file that approve has written."
        ),
    ] = None,
    wave: Annotated[
        str | None,
        typer.Option(
            "--wave",
            metavar="WAVE",
            show_default=False,
            help="Approve that this wave begins, as it is in the database now.",
        ),
    ] = None,
) -> None:
    """Add the approval in a file, with its signature, to a run; or approve a wave.

    The worker checks a file before the cutover, as apply --approval does.
    """
    if (approval is None) is (wave is None):
        raise UsageError(
            "give the file of an approval, or --wave",
            advice=cli("fleet", "approve", "--help"),
        )
    with _control(ctx, place, printing) as (context, control):
        schema = "vpnmigrate/fleet-approve/1"
        if wave is not None:
            name = control.approve_wave(named, wave)
            document = {"schema": schema, "campaign": name, "wave": wave}
            lines = [f"Wave {wave} of campaign {name} is approved."]
            _print_ordered(context, control, lines, document, name)
        elif approval is not None:
            who = control.approve(named, approval)
            document = {"schema": schema, "run": named, "approver": who}
            _print_ordered(context, control, [f"{named}: approved by {who}"], document, named)
