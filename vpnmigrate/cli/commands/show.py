"""Command ``show``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vpnmigrate.cli.context import CommandContext, command_context
from vpnmigrate.cli.options import OutputOptions, PlanOrRun, RunDirectoryOptions
from vpnmigrate.cli.run_selection import find_plan
from vpnmigrate.local.signatures import signature_file
from vpnmigrate.model.plan import Plan
from vpnmigrate.planning.outage_estimate import outage_estimate
from vpnmigrate.planning.plan_comparison import compare_plans
from vpnmigrate.planning.rollback_proof import prove
from vpnmigrate.report import plan as view
from vpnmigrate.report import plan_comparison
from vpnmigrate.report.plan_summary import PlanView


def show(
    ctx: typer.Context,
    plan_or_run: PlanOrRun,
    home: RunDirectoryOptions,
    printing: OutputOptions,
    steps: Annotated[
        bool,
        typer.Option("--steps", help="Show each change of each step, the rollback and its proof."),
    ] = False,
    diff: Annotated[
        str | None,
        typer.Option(
            "--diff",
            metavar="PLAN|RUN",
            help="Show what this other plan does differently: decisions, configuration, findings "
            "and changes.",
        ),
    ] = None,
) -> None:
    """Show a plan, or how another plan differs from it.

    Begins with a summary: what is created, changed in the cutover and removed; the outage; the
    findings; the next command.  Reads files only, and changes nothing.
    """
    context = command_context(ctx, home, printing)
    file, plan, started = find_plan(context, plan_or_run)
    if diff is not None:
        other_file, other, _ = find_plan(context, diff)
        found = compare_plans(plan, other)
        pair = (file, plan), (other_file, other)
        context.results.print(
            plan_comparison.text(found, *pair), plan_comparison.as_json(found, *pair)
        )
        return
    shown = view_of(context, file, plan, started)
    text = view.text_with_steps(shown) if steps else view.text(shown)
    context.results.print(text, view.as_json(shown))


def view_of(context: CommandContext, file: str, plan: Plan, started: str = "") -> PlanView:
    """Return what a view of *plan* shows; *started* is the id of its run, if it was started."""
    rehearsed = context.rehearsal_of(plan)
    return PlanView(
        plan,
        prove(plan),
        outage_estimate(plan, rehearsed),
        file,
        context.invocation,
        signed=signature_file(Path(file)).is_file(),
        rehearsed=rehearsed is not None and rehearsed.passed,
        started=started,
    )
