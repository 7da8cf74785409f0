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
from vpnmigrate.commands import cli
from vpnmigrate.errors import Exit
from vpnmigrate.local.documents import load_plan
from vpnmigrate.local.rehearsals import Rehearsals
from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.plan import Plan
from vpnmigrate.rehearsal.rehearse import Rehearsal, result_of, without_waits
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
            help="Rehearse N times more, with kills, lost answers and stale reads.",
        ),
    ] = 0,
    seed: Annotated[
        int,
        typer.Option("--seed", min=0, metavar="S", help="Which faults; the same seed, the same."),
    ] = 0,
) -> None:
    """Try a plan on a sandbox of its own survey, both ways.

    Runs the program's own runner on a model of EC2 in this process: forward, then back from the
    end of every step; and proves a way back from every state in between.  It reads no credentials
    and opens no connection.  Times are the model's.  The result is kept for the gates and
    deadlines of this very plan.
    """
    from vpnmigrate.report import rehearsal as view

    context = command_context(ctx, home, printing)
    found, hard, result = rehearse_plan(
        load_plan(plan),
        faults,
        seed,
        at=context.parts.clock.wall(),
        tool=__version__,
        tell=context.console.print_line,
    )
    file, kept = str(plan), str(Rehearsals(context.settings.home).keep(result))
    more = [view.faults_text(each) for each in hard]
    on = context.invocation.complete(cli("apply", context.file(plan))) if result.passed else None
    document = view.as_json(found, file=file, kept=kept, on=on)
    lines = [view.faults_json(each) for each in hard]
    context.results.print(
        view.text(found, file=file, kept=kept, on=on, more=more),
        {**document, "hardship": lines[0] if lines else None},
    )
    if not result.passed:
        raise typer.Exit(Exit.FAILED)


def rehearse_plan(
    plan: Plan, faults: int, seed: int, *, at: datetime, tool: str, tell: Callable[[str], None]
) -> tuple[Rehearsal, tuple[FaultedRehearsal, ...], RehearsalResult]:
    """Rehearse *plan*, and *faults* times more under hardship; one unsafe run fails it all."""
    found = rehearse_in_sandbox(plan, tell)
    hard = (rehearse_with_faults(without_waits(plan), faults, seed, tell),) if faults else ()
    result = result_of(found, plan, at, tool)
    unsafe = any(each.unsafe for each in hard)
    return found, hard, replace(result, passed=result.passed and not unsafe)
