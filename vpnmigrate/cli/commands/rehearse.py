"""Command ``rehearse``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

import typer
from msgspec.structs import replace

from vpnmigrate import __version__
from vpnmigrate.cli.context import command_context
from vpnmigrate.cli.options import OutputOptions, PlanFile, RunDirectoryOptions
from vpnmigrate.local.documents import load_plan
from vpnmigrate.local.rehearsals import Rehearsals
from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.errors import Exit
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.model.plan import Plan
from vpnmigrate.rehearsal.outages import measure_outages
from vpnmigrate.rehearsal.rehearse import PARTS, Rehearsal, result_of, without_restrictions
from vpnmigrate.rehearsal.rehearse import rehearse as rehearse_in_sandbox
from vpnmigrate.rehearsal.with_faults import FaultedRehearsal, rehearse_with_faults


def rehearse(
    ctx: typer.Context,
    plan: PlanFile,
    home: RunDirectoryOptions,
    printing: OutputOptions,
    faults: Annotated[
        int,
        typer.Option(
            "--faults",
            min=0,
            metavar="N",
            help="Rehearse N more times, with kills, lost answers and stale reads.",
        ),
    ] = 0,
    outages: Annotated[
        bool,
        typer.Option(
            "--outages",
            help="Measure the outage of each cutover and rollback that is begun late or has calls "
            "that fail.",
        ),
    ] = False,
    seed: Annotated[
        int,
        typer.Option(
            "--seed",
            min=0,
            metavar="S",
            help="Random seed for the faults; the same seed repeats them.",
        ),
    ] = 0,
) -> None:
    """Test a plan and its rollback in a sandbox made from its survey.

    Runs the migration on a model of EC2 in this process: forward, and a rollback from the end of
    every step.  Also proves a rollback from every state in between.  Reads no credentials and opens
    no connection.  Times are those of the model.  The result is kept, and used by the gates and
    deadlines of this plan.
    """
    from vpnmigrate.report import rehearsal as view
    from vpnmigrate.report.names import names_with
    from vpnmigrate.report.outages import outages_json, outages_text
    from vpnmigrate.report.progress_bars import RehearsalProgress

    context = command_context(ctx, home, printing)
    planned, tell = load_plan(plan), context.console.print_line
    with RehearsalProgress(context.console, PARTS) as progress:
        found = rehearse_in_sandbox(planned, progress.begin)
    hard, result = with_faults(
        planned,
        found,
        faults,
        seed,
        at=context.dependencies.clock.wall(),
        tool=__version__,
        tell=tell,
    )
    measured = tuple(measure_outages(planned, tell=tell)) if outages and found.good else ()
    file, kept = str(plan), str(Rehearsals(context.settings.home).keep(result))
    more = [view.faults_text(each) for each in hard]
    if measured:
        more.append(outages_text(measured))
    apply = context.invocation.complete(cli("apply", context.file(plan)))
    staged = context.invocation.complete(cli("apply", context.file(plan), "--until", "cutover"))
    on = apply if result.passed else None
    then = ("to stage (no outage):", staged, "to apply:", apply) if result.passed else ""
    document = view.as_json(found, file=file, kept=kept, on=on)
    lines = [view.faults_json(each) for each in hard]
    names = names_with(planned, found.forward.made)
    context.results.print(
        view.text(found, names, file=file, kept=kept, on=then, more=more),
        {
            **document,
            "hardship": lines[0] if lines else None,
            "outages": outages_json(measured) if measured else None,
        },
    )
    if not result.passed:
        raise typer.Exit(Exit.FAILED)


def with_faults(
    plan: Plan,
    found: Rehearsal,
    faults: int,
    seed: int,
    *,
    at: datetime,
    tool: str,
    tell: Callable[[str], None],
) -> tuple[tuple[FaultedRehearsal, ...], RehearsalResult]:
    """Rehearse *plan* *faults* more times with faults; return them and the result of all.

    One unsafe run fails the rehearsal that was *found* without them.
    """
    hard = (rehearse_with_faults(without_restrictions(plan), faults, seed, tell),) if faults else ()
    result = result_of(found, plan, at, tool)
    unsafe = any(each.unsafe for each in hard)
    return hard, replace(result, passed=result.passed and not unsafe)
